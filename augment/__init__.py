"""Synthetic data: image sets and their sources, networks, training, sampling, filtering, mixing."""
