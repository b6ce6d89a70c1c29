"""Real images: from where they are read, which are alike, and whether they changed."""
