"""A unit's pools of images: drawn from its generator or given in a folder, and filtered."""
