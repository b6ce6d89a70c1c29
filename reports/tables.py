"""Walking over the rows of a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd


def rows_of(table: pd.DataFrame) -> Iterator[Any]:
    """Rows as named tuples, whose fields have the columns' names and are not typed."""
    yield from table.itertuples(index=False)
