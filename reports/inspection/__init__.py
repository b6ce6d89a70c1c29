"""Generated images beside the real ones: nearest neighbours, projections."""
