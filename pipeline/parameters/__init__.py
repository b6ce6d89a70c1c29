"""params.yaml: its models, its texts, and whether its study can be made."""
