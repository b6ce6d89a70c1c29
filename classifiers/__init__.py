"""Usefulness, measured: LeNet, its fitting and prediction, and many cells trained at once."""
