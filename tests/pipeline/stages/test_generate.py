from pathlib import Path

import numpy as np

from augment.images.image_sets import open_image_set


def test_the_pool_is_another_stream_than_images_by_hand(
    study, augment, tmp_path: Path, one_thread
) -> None:
    pool = open_image_set(study.root / "data/generated/all-0")
    assert pool.counts().tolist() == [40, 40, 40]
    run = augment(study.root, "generate", "--all-labels", "--n", "40", "--out", str(tmp_path / "x"))
    assert run.code == 0, run.err
    assert not np.array_equal(open_image_set(tmp_path / "x").images, pool.images)
