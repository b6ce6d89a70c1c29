"""Mixtures of real and generated images: strategies, counts, and recipes of cells."""
