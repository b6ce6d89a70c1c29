"""How many images are looked up where a pool is small or has few classes."""

from pathlib import Path

import numpy as np
import pytest

from augment.images.image_set_writer import write_image_set
from augment.images.image_sets import ImageSet
from pipeline.errors import PipelineError
from pipeline.scoring.neighbours import copy_counts, neighbour_tables

NAMES = ("a", "b", "c")


def noise(folder: Path, counts: tuple[int, ...]) -> ImageSet:
    """Random images, so many of each class."""
    labels = np.repeat(np.arange(len(counts)), counts)
    images = np.random.default_rng(len(labels)).integers(
        0, 256, (len(labels), 8, 8, 1), dtype=np.uint8
    )
    return write_image_set(folder, images, labels, NAMES, source="noise")


@pytest.mark.parametrize(("n_pool", "n_test"), [(2, 10), (2, 1), (1, 10)])
def test_of_a_few_images_of_one_class_as_many_as_can_be_are_looked_up(
    tmp_path: Path, n_pool: int, n_test: int
) -> None:
    pool = noise(tmp_path / "pool", (0, 0, n_pool))
    train, test = noise(tmp_path / "train", (9, 9, 9)), noise(tmp_path / "test", (10, 10, n_test))
    n = min(n_pool, n_test)
    neighbours, coverage = neighbour_tables(pool, train, np.arange(27), test)
    assert neighbours.groupby("query").size().to_dict() == dict.fromkeys(range(n), 4)
    assert coverage["n_queries"].tolist() == [0, 0, n] * 2
    copied = copy_counts(pool, train, test, seed=0)
    assert (copied["n_generated"], copied["n_pool"]) == (n, n_pool)


def test_images_of_classes_without_a_test_image_are_refused(tmp_path: Path) -> None:
    pool = noise(tmp_path / "pool", (0, 0, 2))
    train, test = noise(tmp_path / "train", (9, 9, 9)), noise(tmp_path / "test", (10, 10, 0))
    for looked_up in (
        lambda: neighbour_tables(pool, train, np.arange(27), test),
        lambda: copy_counts(pool, train, test, seed=0),
    ):
        with pytest.raises(PipelineError, match="no class has both generated and test images"):
            looked_up()
