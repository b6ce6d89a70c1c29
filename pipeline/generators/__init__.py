"""The training of a unit's generator: its plan, its scores by the judge, and what it leaves."""
