"""Generators: the training loop, and drawing images from what was trained."""
