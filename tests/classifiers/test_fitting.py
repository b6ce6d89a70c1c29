from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from augment import placing
from augment.images.image_rows import ImageRows, all_rows
from classifiers.classical import Classical, ClassicalTransform
from classifiers.errors import ClassifierError
from classifiers.fitting import Fit, FitSettings, ModelSettings, batches, fit_classifier
from classifiers.models.lenet import LeNet
from classifiers.prediction import predict

SHORT = FitSettings(steps=8, epochs=None, batch_size=10, learning_rate=3e-3)


def fit(
    rows: ImageRows, settings: FitSettings = SHORT, seed: int = 0, on_step=None, **kwargs
) -> LeNet:
    how = Fit(rows, 3, model=ModelSettings(), settings=settings, seed=seed, **kwargs)
    return fit_classifier(how, on_step=on_step)


def weights(network: LeNet) -> bytes:
    return b"".join(tensor.numpy().tobytes() for tensor in network.state_dict().values())


def test_it_learns(make_set) -> None:
    network = fit(all_rows(make_set(n=90)), replace(SHORT, steps=60))
    new = make_set("new", n=60, seed=1)
    assert (predict(network, new.images).classes == new.labels).mean() > 0.95
    assert not network.training


def test_settings_change_the_network(make_set) -> None:
    rows = all_rows(make_set())
    base = weights(fit(rows))
    for change in ({"steps": 9}, {"batch_size": 11}, {"learning_rate": 2e-3}):
        assert weights(fit(rows, replace(SHORT, **change))) != base


def test_where_the_images_lie_does_not_matter(make_set) -> None:
    whole = make_set()
    parts = ImageRows([whole, whole], [np.arange(25), np.arange(25, 60)])
    assert weights(fit(parts)) == weights(fit(all_rows(whole)))


def test_large_images_are_reduced_to_what_the_network_sees(make_set) -> None:
    big = make_set("big", n=90, side=64, channels=3)
    network = fit(all_rows(big), replace(SHORT, steps=60))
    assert network.architecture.to_dict() == {
        "n_classes": 3,
        "channels": 3,
        "image_size": 64,
        "input_size": 32,
        "source_channel": False,
        "model": "lenet",
    }
    new = make_set("new", n=30, side=64, channels=3, seed=1)
    assert (predict(network, new.images).classes == new.labels).mean() > 0.9


def test_a_set_smaller_than_a_batch_is_repeated(make_set) -> None:
    rows = ImageRows([make_set()], [np.array([0, 1, 2])])
    assert weights(fit(rows)) == weights(fit(rows))


def test_every_step_is_told(make_set) -> None:
    told: list[tuple[int, int]] = []
    fit(all_rows(make_set()), on_step=lambda done, total: told.append((done, total)))
    assert told == [(step, 8) for step in range(1, 9)]


def test_one_step_is_enough(make_set) -> None:
    fit(all_rows(make_set()), replace(SHORT, steps=1))


def test_no_image_is_an_error(make_set) -> None:
    with pytest.raises(ClassifierError, match="at least one training image"):
        fit(ImageRows([make_set()], [np.arange(0)]))


def test_weights_that_are_not_finite_are_an_error(make_set) -> None:
    with pytest.raises(ClassifierError, match=r"lower classifier\.learning_rate"):
        fit(all_rows(make_set()), replace(SHORT, learning_rate=1e38))


def test_length_in_steps_or_in_epochs() -> None:
    assert SHORT.n_steps(1) == SHORT.n_steps(10**6) == 8
    epochs = FitSettings(steps=None, epochs=3, batch_size=10, learning_rate=1e-3)
    assert [epochs.n_steps(n) for n in (1, 10, 11, 100)] == [3, 3, 6, 30]


@given(
    n_images=st.integers(1, 60),
    batch_size=st.integers(1, 40),
    steps=st.integers(0, 30),
    seed=st.integers(0, 10),
)
def test_batches_take_every_image_in_turn(
    n_images: int, batch_size: int, steps: int, seed: int
) -> None:
    order = batches(n_images, batch_size, steps, np.random.default_rng(seed))
    assert order.shape == (steps, batch_size)
    assert order.dtype == np.int64
    flat = order.ravel()
    for start in range(0, len(flat), n_images):
        turn = flat[start : start + n_images]
        assert len(set(turn.tolist())) == len(turn)
        assert turn.min() >= 0
        assert turn.max() < n_images
    again = batches(n_images, batch_size, steps, np.random.default_rng(seed))
    assert np.array_equal(order, again)


@given(n_images=st.integers(1, 30), batch_size=st.integers(1, 20), steps=st.integers(1, 10))
def test_a_longer_run_begins_like_a_shorter_one(n_images: int, batch_size: int, steps: int) -> None:
    longer = batches(n_images, batch_size, steps + 5, np.random.default_rng(0))
    shorter = batches(n_images, batch_size, steps, np.random.default_rng(0))
    assert np.array_equal(longer[:steps], shorter)


def two_kinds(make_set) -> tuple[ImageRows, np.ndarray, np.ndarray]:
    """Sixty images, the first and the second half of them."""
    return all_rows(make_set(n=60)), np.arange(30), np.arange(30, 60)


def test_phases_train_on_their_rows_alone_one_after_the_other(make_set) -> None:
    rows, first, second = two_kinds(make_set)
    shown: list[np.ndarray] = []

    class Watched(ImageRows):
        def __getitem__(self, index: np.ndarray) -> np.ndarray:
            shown.append(index)
            return super().__getitem__(index)

    watched = Watched(rows.sets, rows.indices)
    fit(watched, replace(SHORT, steps=7), phases=[second, first])
    # Seven steps of ten images: four, then three.
    assert len(shown) == 7
    assert all(set(index) <= set(second) for index in shown[:4])
    assert all(set(index) <= set(first) for index in shown[4:])
    # Without replacement inside a phase.
    assert len(set(np.concatenate(shown[:3]))) == 30
    assert len(set(np.concatenate(shown[4:]))) == 30


def test_the_order_of_phases_matters(make_set) -> None:
    rows, first, second = two_kinds(make_set)
    one = weights(fit(rows, phases=[first, second]))
    assert one == weights(fit(rows, phases=[first, second]))
    assert one != weights(fit(rows, phases=[second, first]))
    assert one != weights(fit(rows))


def test_a_network_with_a_source_plane_learns_to_read_it(make_set) -> None:
    """Real images with right labels and others with wrong ones: at +1 the right ones win."""
    real, other = make_set(n=90), make_set("other", n=90, seed=3)
    wrong = replace(other, labels=(other.labels + 1) % 3)
    rows = ImageRows([real, wrong], [np.arange(90)] * 2)
    source = np.repeat(np.float32([1, -1]), 90)
    new = make_set("new", n=60, seed=1)
    network = fit(rows, replace(SHORT, steps=150, batch_size=20), source=source)
    told = (predict(network, new.images).classes == new.labels).mean()
    without = fit(rows, replace(SHORT, steps=150, batch_size=20))
    blind = (predict(without, new.images).classes == new.labels).mean()
    assert told > 0.9
    assert blind < told - 0.2


def test_images_that_stay_and_numbers_drawn_ahead_change_nothing(
    make_set, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a GPU has of its own, on a CPU."""
    transform = ClassicalTransform(Classical(("affine", "elastic", "crop", "flip")), 28)
    small, large = two_kinds(make_set)[0], all_rows(make_set("large", n=60, side=64))
    way = {"phases": [np.arange(30), np.arange(60)], "source": np.repeat(np.float32([1, -1]), 30)}
    ways = [(small, {}), (small, way | {"transform": transform}), (large, {})]
    before = [weights(fit(rows, **how)) for rows, how in ways]
    monkeypatch.setattr(placing, "apart", lambda device: True)
    monkeypatch.setattr(placing, "free_bytes", lambda device: 10**9)
    assert [weights(fit(rows, **how)) for rows, how in ways] == before


def test_a_transform_is_seeded_by_the_step_and_seen(make_set) -> None:
    rows = all_rows(make_set())

    class Noisy:
        def draw(self, n: int, stream: torch.Generator) -> tuple[torch.Tensor, ...]:
            pixels = torch.randint(0, 256, (n, 1, 28, 28), generator=stream, dtype=torch.uint8)
            return (pixels,)

        def apply(self, images: torch.Tensor, numbers: Sequence[torch.Tensor]) -> torch.Tensor:
            assert images.dtype == torch.uint8
            return numbers[0]

    class Nothing(Noisy):
        def apply(self, images: torch.Tensor, numbers: Sequence[torch.Tensor]) -> torch.Tensor:
            return images

    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = weights(fit(rows, transform=Noisy()))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    assert weights(fit(rows, transform=Noisy())) == first
    assert weights(fit(rows, transform=Noisy(), seed=1)) != first
    assert weights(fit(rows, transform=Nothing())) == weights(fit(rows))
