"""What can go wrong with a source."""

from __future__ import annotations

from augment.errors import AugmentError
from augment.images.image_sets import one_line


class SourceError(AugmentError):
    """Images that cannot be had or used; its text is one line."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))
