"""Generative adversarial networks: architectures, systems by name, losses."""
