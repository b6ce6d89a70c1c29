"""What the cells of a study say, and how sure one can be."""
