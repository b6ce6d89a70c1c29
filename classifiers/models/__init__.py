"""The networks that classify."""
