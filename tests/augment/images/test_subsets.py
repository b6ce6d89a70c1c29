import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from augment.images.subsets import shared_part, subset_counts, subset_indices

K = 3
COUNTS = st.lists(st.integers(3, 60), min_size=K, max_size=K)


def labels_of(counts: list[int]) -> np.ndarray:
    return np.random.default_rng(1).permutation(np.repeat(np.arange(K), counts))


@given(counts=COUNTS, data=st.data())
def test_subsets_are_disjoint_while_there_are_images(
    counts: list[int], data: st.DataObject
) -> None:
    labels = labels_of(counts)
    n = data.draw(st.integers(1, len(labels)))
    fitting = len(labels) // n
    subsets = [subset_indices(labels, K, n, repeat, 0) for repeat in range(fitting)]
    assert all(len(subset) == n for subset in subsets)
    assert len(np.unique(np.concatenate(subsets))) == fitting * n
    assert shared_part(subsets) == 0
    # The next ones are drawn anew.
    more = subset_indices(labels, K, n, fitting, 0)
    assert len(np.unique(more)) == n
    assert (np.sort(more) == more).all()


@given(counts=COUNTS, data=st.data())
def test_every_subset_has_the_shares_of_the_whole(counts: list[int], data: st.DataObject) -> None:
    labels = labels_of(counts)
    n, repeat = data.draw(st.integers(1, len(labels))), data.draw(st.integers(0, 200))
    per_class = np.bincount(labels[subset_indices(labels, K, n, repeat, 0)], minlength=K)
    assert (np.abs(per_class - np.array(counts) * n / len(labels)) <= 2).all()
    assert subset_counts(np.array(counts), n, repeat).tolist() == per_class.tolist()


def test_all_is_all_whatever_the_repeat() -> None:
    labels = labels_of([5, 9, 3])
    for repeat in (0, 7):
        assert subset_indices(labels, K, None, repeat, 0).tolist() == list(range(17))
        assert subset_counts(np.array([5, 9, 3]), None, repeat).tolist() == [5, 9, 3]


def test_the_shared_part_is_the_mean_over_pairs() -> None:
    one, other, third = np.arange(10), np.arange(5, 15), np.arange(20, 30)
    assert shared_part([one]) == 0
    assert shared_part([one, other]) == 0.5
    assert shared_part([one, other, third]) == 0.5 / 3


def test_another_seed_draws_other_subsets() -> None:
    labels = labels_of([40, 40, 40])
    of_seeds = {tuple(subset_indices(labels, K, 30, 0, seed)) for seed in range(3)}
    assert len(of_seeds) == 3
    assert len(subset_indices(labels, K, 0, 1, 0)) == 0
