import platform
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch

from augment.images.image_sets import ImageSet
from classifiers import grid as cells
from classifiers.classical import Classical
from classifiers.errors import ClassifierError
from classifiers.fitting import Fit, FitSettings, ModelSettings
from classifiers.grid import CellResult, CellTask, ImageRef, accuracies, code_digest, train_cells

SETTINGS = FitSettings(steps=4, epochs=None, batch_size=8, learning_rate=3e-3)


class Bench:
    """A training set, an evaluation set, a cache, and a count of the cells really trained."""

    def __init__(self, folder: Path, train: ImageSet, test: ImageSet) -> None:
        self.cache = folder / "cache"
        self.train = ImageRef(folder / "train", train.digest, np.arange(30))
        self.extra = ImageRef(folder / "train", train.digest, np.arange(30, 60))
        self.test = ImageRef(folder / "test", test.digest, np.arange(len(test)))
        self.trained: list[int] = []

    def task(self, seed: int = 0, **changes) -> CellTask:
        base = CellTask((self.train, self.extra), (self.test,), 3, ModelSettings(), SETTINGS, seed)
        return replace(base, **changes)

    def run(self, tasks: Sequence[CellTask], processes: int = 1) -> list[CellResult]:
        self.trained.clear()
        return train_cells(tasks, processes=processes, cache=self.cache)


@pytest.fixture
def bench(make_set, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench(tmp_path, make_set("train"), make_set("test", n=12, seed=1))
    fit = cells.fit_classifier

    def counted(how: Fit, *args):
        made.trained.append(how.seed)
        return fit(how, *args)

    monkeypatch.setattr(cells, "fit_classifier", counted)
    return made


def same(left: Sequence[CellResult], right: Sequence[CellResult]) -> bool:
    return len(left) == len(right) and all(
        (a.steps, a.images_seen) == (b.steps, b.images_seen)
        and len(a.predictions) == len(b.predictions)
        and all(
            np.array_equal(p, q) and p.dtype == q.dtype
            for p, q in zip(a.predictions, b.predictions, strict=True)
        )
        for a, b in zip(left, right, strict=True)
    )


def test_a_second_run_trains_nothing(bench: Bench) -> None:
    tasks = [bench.task(seed) for seed in (0, 1)]
    first = bench.run(tasks)
    assert sorted(bench.trained) == [0, 1]
    assert not any(result.cached for result in first)
    second = bench.run(tasks)
    assert bench.trained == []
    assert all(result.cached for result in second)
    assert same(first, second)
    assert first[0].predictions[0].dtype == np.uint8
    assert first[0].predictions[0].shape == (12,)
    assert (first[0].steps, first[0].images_seen) == (4, 32)


def test_an_extended_grid_trains_only_its_new_cells(bench: Bench) -> None:
    before = bench.run([bench.task(0), bench.task(1)])
    after = bench.run([bench.task(2), bench.task(1), bench.task(3), bench.task(0)])
    assert sorted(bench.trained) == [2, 3]
    assert [result.cached for result in after] == [False, True, False, True]
    assert same(before, [after[3], after[1]])


def test_whatever_the_result_depends_on_misses_the_cache(bench: Bench) -> None:
    base = bench.task()
    bench.run([base])
    other = replace(bench.train, digest="0" * 64)
    fewer = replace(bench.train, indices=np.arange(29))
    turned = replace(bench.train, indices=np.arange(30)[::-1])
    changed = [
        bench.task(seed=1),
        bench.task(settings=replace(SETTINGS, steps=5)),
        bench.task(settings=replace(SETTINGS, batch_size=9)),
        bench.task(settings=replace(SETTINGS, learning_rate=1e-3)),
        bench.task(settings=replace(SETTINGS, steps=None, epochs=1)),
        bench.task(sources=(other, bench.extra)),
        bench.task(sources=(fewer, bench.extra)),
        bench.task(sources=(turned, bench.extra)),
        bench.task(sources=(bench.extra, bench.train)),
        bench.task(sources=(bench.train,)),
        bench.task(evaluations=(replace(bench.test, digest="0" * 64),)),
        bench.task(evaluations=(bench.test, bench.test)),
        bench.task(phases=((0,), (1,))),
        bench.task(phases=((1,), (0,))),
        bench.task(source_values=(1.0, -1.0)),
        bench.task(source_values=(1.0, 1.0)),
        bench.task(classical=Classical(("affine",))),
        bench.task(classical=Classical(("affine",), rotation=20.0)),
        bench.task(classical=Classical(("crop", "flip"))),
        bench.task(n_classes=4),
        bench.task(model=ModelSettings(input_size=64)),
        bench.task(model=ModelSettings(pretrained=True)),
        bench.task(model=ModelSettings("resnet18")),
    ]
    code = code_digest("lenet")
    keys = {task.key(code) for task in [base, *changed]}
    assert len(keys) == len(changed) + 1
    assert base.key(code) not in {base.key("other code"), base.key(code, torch.device("cuda"))}
    assert base.key(code) == base.key(code, torch.device("cpu"))
    bench.run(changed[:2])
    assert len(bench.trained) == 2


def test_another_torch_or_machine_misses_the_cache(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = bench.task().key("code")
    with monkeypatch.context() as patch:
        patch.setattr(torch, "__version__", "0.1")
        assert bench.task().key("code") != key
    monkeypatch.setattr(platform, "machine", lambda: "abacus")
    assert bench.task().key("code") != key


def test_where_the_sets_lie_does_not_matter(bench: Bench) -> None:
    moved = replace(bench.train, folder=Path("elsewhere"))
    assert bench.task(sources=(moved, bench.extra)).key("code") == bench.task().key("code")


def entry(bench: Bench) -> Path:
    (found,) = bench.cache.rglob("*.npz")
    return found


def test_no_damage_to_an_entry_goes_unnoticed(bench: Bench) -> None:
    task = bench.task()
    good = bench.run([task])
    path = entry(bench)
    content = path.read_bytes()
    assert cells._read(path, task) is not None
    for position in range(len(content)):
        for damaged in (
            content[:position],
            content[:position] + bytes([content[position] ^ 0x55]) + content[position + 1 :],
        ):
            path.write_bytes(damaged)
            found = cells._read(path, task)
            # A changed time stamp, say, changes nothing.
            assert found is None or same([found], [replace(good[0], cached=True)])


@pytest.mark.parametrize("damage", [b"", b"PK", b"\x93NUMPY", b"not an archive at all"])
def test_a_damaged_entry_is_trained_again(bench: Bench, damage: bytes) -> None:
    good = bench.run([bench.task()])
    entry(bench).write_bytes(damage)
    again = bench.run([bench.task()])
    assert bench.trained == [0]
    assert same(good, again)
    assert not again[0].cached
    assert bench.run([bench.task()])[0].cached


@pytest.mark.parametrize(
    "predictions",
    [
        np.zeros(11, np.uint8),
        np.zeros((12, 1), np.uint8),
        np.full(12, 3, np.uint8),
        np.zeros(12),
        np.array([None] * 12),
    ],
)
def test_an_entry_of_another_kind_is_trained_again(bench: Bench, predictions: np.ndarray) -> None:
    bench.run([bench.task()])
    np.savez(entry(bench), predictions0=predictions, counts=np.array([4, 32]))
    bench.run([bench.task()])
    assert bench.trained == [0]


def test_a_result_does_not_depend_on_the_callers_threads(bench: Bench, tmp_path: Path) -> None:
    one = bench.run([bench.task()])
    torch.set_num_threads(2)
    bench.cache = tmp_path / "other cache"
    assert same(one, bench.run([bench.task()]))
    assert torch.get_num_threads() == 2


def test_threads_come_back_after_an_error(bench: Bench) -> None:
    torch.set_num_threads(2)
    with pytest.raises(ClassifierError, match="learning_rate"):
        bench.run([bench.task(settings=replace(SETTINGS, learning_rate=1e38))])
    assert torch.get_num_threads() == 2


def test_cells_finished_before_a_failure_are_kept(bench: Bench) -> None:
    # The longer cell comes first.
    broken = bench.task(1, settings=replace(SETTINGS, steps=2, learning_rate=1e38))
    with pytest.raises(ClassifierError, match="learning_rate"):
        bench.run([broken, bench.task(0)])
    bench.run([bench.task(0)])
    assert bench.trained == []


def test_every_cell_is_told_once(bench: Bench) -> None:
    bench.run([bench.task(0)])
    told: list[tuple[int, int, bool]] = []
    train_cells(
        [bench.task(0), bench.task(1)],
        processes=1,
        cache=bench.cache,
        on_done=lambda done, total, result: told.append((done, total, result.cached)),
    )
    assert told == [(1, 2, True), (2, 2, False)]


def test_no_cell_is_no_work(bench: Bench) -> None:
    assert bench.run([]) == []


def test_nothing_but_entries_is_left_in_the_cache(bench: Bench) -> None:
    bench.run([bench.task(0), bench.task(1)])
    files = [path for path in bench.cache.rglob("*") if path.is_file()]
    assert len(files) == 2
    assert {path.suffix for path in files} == {".npz"}


def test_two_studies_may_fill_one_cache_at_once(bench: Bench) -> None:
    tasks = [bench.task(seed) for seed in (0, 1)]
    # Processes, as two studies are: PyTorch's state while a cell trains is a process's own.
    both = joblib.Parallel(n_jobs=2)(
        joblib.delayed(train_cells)(tasks, processes=1, cache=bench.cache) for _ in range(2)
    )
    assert same(*both)
    assert same(both[0], bench.run(tasks))


def test_as_many_answers_as_images_may_be_of_others_or_in_another_order(bench: Bench) -> None:
    turned = replace(bench.test, indices=np.arange(12)[::-1])
    twice = replace(bench.test, indices=np.arange(12) // 2)
    (found,) = bench.run([bench.task(evaluations=(bench.test, turned, twice))])
    straight, *others = found.predictions
    assert len(set(straight.tolist())) > 1
    for answers, rows in zip(others, (turned.indices, twice.indices), strict=True):
        np.testing.assert_array_equal(answers, straight[rows])


def test_many_classes_need_two_bytes_each(bench: Bench) -> None:
    result = bench.run([bench.task(n_classes=300)])[0]
    assert result.predictions[0].dtype == np.uint16
    assert bench.run([bench.task(n_classes=300)])[0].cached


def test_two_processes_reduce_the_images_once(make_set, tmp_path: Path) -> None:
    large = make_set("large", side=64, channels=3)
    parts = [ImageRef(tmp_path / "large", large.digest, np.arange(k, 60)) for k in (0, 10, 30)]
    model = ModelSettings()
    tasks = [CellTask((part,), (parts[0],), 3, model, SETTINGS, 0) for part in parts]
    reduced = tmp_path / "reduced"
    shared = train_cells(tasks, processes=2, cache=tmp_path / "cache", reduced=reduced)
    (images,) = reduced.rglob("images.npy")
    assert np.load(images).shape == (60, 32, 32, 3)
    written = images.stat().st_mtime_ns
    alone = train_cells(tasks, processes=1, cache=tmp_path / "other")
    assert same(shared, alone)
    train_cells(tasks, processes=1, cache=tmp_path / "third", reduced=reduced)
    assert [file.stat().st_mtime_ns for file in reduced.rglob("images.npy")] == [written]


def test_accuracies_by_hand() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 2, 2])
    predictions = np.array([0, 0, 0, 1, 1, 0, 2, 2], dtype=np.uint8)
    whole, balanced, per_class = accuracies(predictions, labels, 3)
    assert whole == 6 / 8
    assert per_class == [0.75, 0.5, 1.0]
    assert balanced == pytest.approx(0.75)


def test_a_task_says_how_its_classifier_is_fitted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}
    fit = cells.fit_classifier

    def watched(how: Fit, *args):
        seen.update(vars(how))
        return fit(how, *args)

    monkeypatch.setattr(cells, "fit_classifier", watched)
    bench.run([bench.task()])
    assert (seen["phases"], seen["source"], seen["transform"]) == ([], None, None)
    bench.run([bench.task(phases=((1,), (0,)))])
    assert [rows.tolist() for rows in seen["phases"]] == [list(range(30, 60)), list(range(30))]
    bench.run([bench.task(source_values=(1.0, -1.0))])
    assert seen["source"].tolist() == [1.0] * 30 + [-1.0] * 30
    assert seen["source"].dtype == np.float32
    bench.run([bench.task(classical=Classical(("affine",)))])
    images = torch.randint(0, 256, (5, 1, 28, 28), dtype=torch.uint8)
    numbers = seen["transform"].draw(5, torch.Generator())
    assert seen["transform"].apply(images, numbers).shape == images.shape


def test_every_way_of_fitting_gives_the_same_answers_again(bench: Bench, tmp_path: Path) -> None:
    tasks = [
        bench.task(phases=((1,), (0,))),
        bench.task(source_values=(1.0, -1.0)),
        bench.task(classical=Classical(("affine", "flip"))),
    ]
    once = bench.run(tasks)
    bench.cache = tmp_path / "another"
    assert same(once, bench.run(tasks))
    assert same(once, train_cells(tasks, processes=2, cache=tmp_path / "third"))
