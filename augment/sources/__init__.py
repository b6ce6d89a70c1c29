"""Where real images come from: bundled digits, MNIST files, or a folder of pictures."""

from augment.sources.errors import SourceError
from augment.sources.fetching import (
    CHANNELS,
    IMAGE_SIZES,
    SOURCE_NAMES,
    FetchedData,
    fetch_source,
)

__all__ = [
    "CHANNELS",
    "IMAGE_SIZES",
    "SOURCE_NAMES",
    "FetchedData",
    "SourceError",
    "fetch_source",
]
