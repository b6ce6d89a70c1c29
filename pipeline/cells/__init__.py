"""From the recipes of a unit to its trained classifiers, and the table of what they reached."""
