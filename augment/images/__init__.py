"""Image sets: rows, splits, and the sources that they are read from."""
