"""Where real images come from: bundled digits, MNIST files, or a folder of pictures."""

from augment.sources.errors import SourceError
from augment.sources.fetched import FetchedData, SourceFile
from augment.sources.fetching import (
    CHANNELS,
    IMAGE_SIZES,
    SOURCE_NAMES,
    class_names_of,
    fetch_source,
)

__all__ = [
    "CHANNELS",
    "IMAGE_SIZES",
    "SOURCE_NAMES",
    "FetchedData",
    "SourceError",
    "SourceFile",
    "class_names_of",
    "fetch_source",
]
