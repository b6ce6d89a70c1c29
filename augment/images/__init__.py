"""Image sets: writing, reading, rows of several of them, splits, subsets, grids of pictures."""
