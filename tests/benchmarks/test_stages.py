"""Each stage's share of a study's time."""

import pandas as pd
import pytest

from benchmarks.stages import shares


def test_the_last_run_of_each_stage_counts() -> None:
    log = pd.DataFrame(
        [("fetch", 1, 9.0), ("mix", 2, 1.0), ("fetch", 4, 3.0)],
        columns=["stage", "began", "seconds"],
    )
    table = shares(log)
    assert table["seconds"].to_dict() == {"mix": 1.0, "fetch": 3.0}
    assert table["share"].tolist() == pytest.approx([25, 75])
