"""The published studies: their figures and claims beside the records of runs."""
