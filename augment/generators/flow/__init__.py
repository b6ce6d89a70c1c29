"""Flow matching: noise is carried to images along straight paths, in a few steps."""
