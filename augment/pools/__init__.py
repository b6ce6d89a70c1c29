"""Pools of generated images, and filtering them by a judge."""
