import numpy as np
import pytest
import torch

from augment import placing
from augment.images.image_rows import ImageRows
from augment.images.image_sets import ImageSet
from augment.placing import CPU, Ahead, PlacedRows

IMAGES = np.random.default_rng(0).integers(0, 256, (9, 4, 5, 3), dtype=np.uint8)
ROWS = ImageRows([ImageSet(IMAGES, np.zeros(9, np.int64), ("a",))], [np.array([8, 0, 3, 5])])


@pytest.fixture
def as_apart(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Treat the CPU as a device with memory of its own; the entry says how much is free."""
    free = [10**6]
    monkeypatch.setattr(placing, "apart", lambda device: True)
    monkeypatch.setattr(placing, "free_bytes", lambda device: free[0])
    return free


@pytest.mark.parametrize("block", [3, 4096])
def test_images_are_the_same_wherever_they_are_kept(
    as_apart: list[int], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "_BLOCK", block)
    wanted = torch.from_numpy(IMAGES[[5, 8, 8]]).permute(0, 3, 1, 2)
    chosen = torch.tensor([3, 0, 0])
    read: list[int] = []

    class Watched(ImageRows):
        def __getitem__(self, rows: np.ndarray) -> np.ndarray:
            read.append(len(rows))
            return super().__getitem__(rows)

    watched = Watched(ROWS.sets, ROWS.indices)
    resident = PlacedRows(watched, CPU)
    read.clear()
    assert torch.equal(resident[chosen], wanted)
    assert not read
    # They stay where they take half of what is free, and no more.
    as_apart[0] = 2 * 4 * 60
    assert placing.stays(4 * 60, CPU)
    as_apart[0] -= 1
    passing = PlacedRows(watched, CPU)
    assert torch.equal(passing[chosen], wanted)
    assert read[-1] == 3


def test_on_the_cpu_images_are_read_when_asked_for() -> None:
    assert not placing.stays(1, CPU)
    assert torch.equal(
        PlacedRows(ROWS, CPU)[torch.tensor([1])], torch.from_numpy(IMAGES[[0]]).permute(0, 3, 1, 2)
    )


def drawn(step: int) -> tuple[torch.Tensor, ...]:
    stream = torch.Generator().manual_seed(step)
    return torch.rand(4, generator=stream), torch.randint(9, (2, 3), generator=stream)


@pytest.mark.parametrize("first", [0, 7])
def test_numbers_drawn_ahead_are_those_of_their_step(
    first: int, as_apart: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "_AHEAD_STEPS", 5)
    asked: list[int] = []
    ahead = Ahead(lambda step: (asked.append(step), drawn(step))[1], 13, CPU)
    for step in range(first, 13):
        assert all(map(torch.equal, ahead.at(step), drawn(step)))
    assert asked == list(range(first, 13))


def test_few_steps_of_much_are_drawn_ahead(
    as_apart: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "_AHEAD_BYTES", 2 * (4 * 4 + 6 * 8))
    asked: list[int] = []
    ahead = Ahead(lambda step: (asked.append(step), drawn(step))[1], 100, CPU)
    ahead.at(0)
    assert asked == [0, 1]
    monkeypatch.setattr(placing, "_AHEAD_BYTES", 1)
    ahead.at(2)
    assert asked == [0, 1, 2]


def test_on_the_cpu_nothing_is_drawn_ahead() -> None:
    asked: list[int] = []
    Ahead(lambda step: (asked.append(step), drawn(step))[1], 100, CPU).at(0)
    assert asked == [0]
