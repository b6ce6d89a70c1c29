"""Usefulness, measured: classifiers, their fitting and prediction, many cells at once."""
