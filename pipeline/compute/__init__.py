"""Progress, stopping, and going on where a training was stopped."""
