"""Devices, units side by side, clusters, the cache, progress, stopping and going on."""
