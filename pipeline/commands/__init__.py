"""The commands that are no stage."""
