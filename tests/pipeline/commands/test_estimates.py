from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pipeline.commands import estimates
from pipeline.commands.estimates import Speeds, Stage, Workers, packed, rough_speeds, stages_of
from pipeline.commands.study_counts import Cell, StudySize, confirmed_cells, unit_cells
from pipeline.parameters.models import Parameters
from pipeline.parameters.reading import load_parameters

SIZE = StudySize(n_train=3600, n_images=5000, n_classes=10)
SPEEDS = Speeds(
    generator=500,
    drawing=4000,
    classifier=8000,
    classical=4000,
    prediction=20_000,
    scoring=10,
    comparison=1e10,
    start=2.0,
    process_bytes=10**9,
)
Study = Callable[..., Parameters]


@pytest.fixture
def study(tmp_path: Path, parameters: Callable[..., None]) -> Study:
    """Parameters with values changed at dotted keys: one unit, which sees all images."""

    def make(**values: Any) -> Parameters:
        changes = {
            "study.protocol": "published",
            "study.repeats": 1,
            "train_gan.images": 400_000,
            "generate.per_class": 1000,
            "filter.per_class": 1000,
            "mix.real": [0, 0.1, 0.3, 1.0],
            "mix.synthetic": [0, 0.5, 1.0, 2.0],
            "mix.seeds": [0, 1, 2],
            "mix.strategies": ["mix", "filtered", "classical"],
            "train_judge.steps": 1200,
            "compute.threads": 1,
        } | {key.replace("__", "."): value for key, value in values.items()}
        parameters(tmp_path, changes)
        return load_parameters(tmp_path / "params.yaml")

    return make


def named(p: Parameters, speeds: Speeds = SPEEDS, size: StudySize = SIZE) -> dict[str, Stage]:
    return {stage.name: stage for stage in stages_of(p, size, speeds)}


def test_the_longest_task_goes_to_the_first_free_worker() -> None:
    assert packed([3, 3, 2, 2, 2], 1) == 12
    # 3 and 3; a 2 to each; the last to either.
    assert packed([2, 3, 2, 3, 2], 2) == 7
    assert packed([3, 3, 2, 2, 2], 5) == packed([3, 3, 2, 2, 2], 99) == 3
    assert packed([], 4) == 0


def test_a_stage_starts_its_process_and_then_its_workers() -> None:
    stage = Stage("train-gan", (10.0, 10.0, 10.0, 10.0), start=2.0)
    fixed = estimates.STAGE_SECONDS
    assert stage.seconds(Workers(1)) == 2 + fixed + 40
    assert stage.seconds(Workers(2)) == 4 + fixed + 20
    assert stage.seconds(Workers(64)) == 4 + fixed + 10


@pytest.mark.parametrize(("cores", "number", "at_once", "seconds"), [
    # Two threads a task: on four cores two at once, each in half the time.
    (4, None, 2, 10), (2, None, 1, 20), (1, None, 1, 40),
    # A number of workers is how many are done at once, and their threads share the cores.
    (4, 2, 2, 10), (8, 4, 4, 5), (2, 2, 2, 20), (4, 1, 1, 20), (128, 64, 4, 5),
])  # fmt: skip
def test_a_worker_does_one_task_at_once(
    cores: int, number: int | None, at_once: int, seconds: float
) -> None:
    stage = Stage("train-gan", (10.0, 10.0, 10.0, 10.0), start=2.0, threads=2)
    workers = Workers(cores, number)
    assert stage.at_once(workers) == at_once
    starts = 4 if at_once > 1 else 2
    assert stage.seconds(workers) == starts + estimates.STAGE_SECONDS + seconds


def test_cells_of_the_grid(study: Study) -> None:
    def sizes(p: Parameters) -> list[int]:
        return sorted(cell.n_images for cell in unit_cells(p, 3600))

    p = study(mix__real=[0, 100], mix__synthetic=[0, 50], mix__seeds=[0, 1])
    # 0 + 50 and 100 + 50 twice (mix and filtered), 100 twice (alone and classical), for two seeds.
    assert sizes(p) == [50] * 4 + [100] * 4 + [150] * 4
    assert sum(cell.classical for cell in unit_cells(p, 3600)) == 2
    both = study(
        mix__real=[0, 100], mix__synthetic=[0, 50], mix__seeds=[0],
        mix__strategies=["fine-tune", "source-channel", "duplicated"],
    )  # fmt: skip
    # Real images alone; source-channel twice; fine-tune and duplicated need real images.
    assert sizes(both) == [50, 100, 150, 150, 150]


def test_the_largest_cell_of_each_kind_is_trained_again() -> None:
    cells = [Cell(n, generated, classical) for n in (100, 50) for generated in (False, True)
             for classical in (False, True)]  # fmt: skip
    assert sorted(confirmed_cells(cells), key=repr) == sorted(cells[:4], key=repr)


def test_tasks_by_hand(study: Study) -> None:
    found = named(study())
    answers = 1400 / 20_000
    whole, transformed = 400 * 128 / 8000 + answers, 400 * 128 / 4000 + answers
    # 90 cells: 3 real counts alone and transformed, and 12 mixes of either pool, for 3 seeds.
    cells = found["train-classifiers"].tasks
    assert len(cells) == 90
    assert cells.count(transformed) == 3 * 3
    assert cells.count(whole) == 81
    # Of three kinds two fresh classifiers, and one of half the steps.
    expected = 2.5 * (2 * whole + transformed)
    assert sum(found["confirm"].tasks) == pytest.approx(expected)
    assert len(found["confirm"].tasks) == 9
    assert found["train-judge"].tasks == (1200 * 128 / 8000 + answers,)
    # 112 passes of 36 steps, each scored by 500 images.
    shown, scored = 400_000 / 500, 112 * 500 * (1 / 4000 + 1 / 20_000)
    assert found["train-gan"].tasks == (pytest.approx(shown + scored),)
    assert found["generate"].tasks == (pytest.approx(10_000 * (1 / 4000 + 1 / 20_000)),)
    # 2,000 generated and 1,000 test images, at 25 places.
    assert found["inspect"].tasks == (pytest.approx(25 * 3600 * 784 * 3000 / 1e10),)
    # Two pools and as many real images, each beside 50 halvings.
    assert found["score"].tasks == (pytest.approx(3 * 50 / 10 + 2 * 500 / 20_000),)


def test_every_stage_is_there_in_order(study: Study, stages: tuple[str, ...]) -> None:
    assert tuple(stage.name for stage in stages_of(study(), SIZE, SPEEDS)) == stages


def test_what_a_stage_counts_is_what_its_code_counts() -> None:
    from pipeline.scoring import floors, neighbours
    from pipeline.stages import score_checkpoints
    from reports.inspection import copies

    assert score_checkpoints.N_IMAGES == neighbours.N_QUERIES == estimates.CHECKPOINT_IMAGES
    assert floors.N_SPLITS == estimates.HALVINGS
    assert (2 * copies.SHIFT + 1) ** 2 == estimates.SHIFTS
    assert neighbours._MOST_PRODUCTS == estimates.MOST_PRODUCTS


def test_images_of_a_folder_need_no_generator(study: Study) -> None:
    found = named(study(generate__source="folder", generate__path="made"))
    assert found["train-gan"].tasks == found["score-checkpoints"].tasks == (0,)
    assert 0 < sum(found["generate"].tasks) < 10


def test_more_workers_never_take_longer_but_for_their_start(study: Study) -> None:
    p = study(study__protocol="strict", study__repeats=5)
    for stage in stages_of(p, SIZE, SPEEDS):
        times = [stage.seconds(Workers(n)) for n in range(2, 130)]
        assert all(later <= sooner for sooner, later in pairwise(times))
        assert times[0] <= stage.seconds(Workers(1)) + SPEEDS.start


def test_more_work_takes_longer(study: Study) -> None:
    def generator(**values: Any) -> float:
        p = study(**values)
        return sum(named(p, rough_speeds(p, SIZE))["train-gan"].tasks)

    base = generator()
    half = generator(train_gan__images=180_000)
    assert generator(train_gan__images=360_000) == pytest.approx(2 * half)
    assert generator(train_gan__width=2.0) > base
    assert generator(data__image_size=64) > base
    # A hundred passes over the training images are 360,000 images.
    assert generator(
        data__image_size=28, train_gan__width=None, train_gan__images=None, train_gan__epochs=100
    ) == pytest.approx(generator(train_gan__images=360_000, train_gan__epochs=None))


def test_a_larger_classifier_takes_longer(study: Study) -> None:
    def speed(model: str, side: int) -> float:
        p = study(classifier__model=model, classifier__input_size=side)
        return rough_speeds(p, SIZE).classifier

    # 1.814 thousand million multiplications at 224 pixels, says torchvision; three times in all.
    expected = estimates.CLASSIFIER_MULTIPLY_ADDS / (3 * 1.814e9 * (64 / 224) ** 2)
    assert speed("resnet18", 64) == pytest.approx(expected)
    assert speed("resnet18", 128) == pytest.approx(expected / 4)
    assert speed("resnet50", 64) < expected < speed("mobilenet_v3_small", 64)
    # Nothing is known of a network of the user's.
    assert speed("classifiers.own:build", 64) == speed("lenet", 64)


def test_minutes_of_all_parts(study: Study) -> None:
    parts = estimates.estimate_minutes(study(), SIZE, Workers(2))
    assert list(parts) == [
        *("judges and examiner", "generators", "images", "classifiers", "confirmation", "rest")
    ]
    assert all(minutes > 0 for minutes in parts.values())


def test_bytes_by_hand(study: Study) -> None:
    p, kept = study(), study().train_gan.checkpoints
    # The generator, and each kept epoch with its discriminator, at a quarter of the weights.
    networks = (1 + 3 * kept) * estimates.NETWORK_BYTES
    fixed = estimates.FIXED_BYTES
    written = estimates.estimate_disk(p, SIZE)
    assert written == 2 * (25_000 * 28 * 28 + networks + fixed)
    narrow = estimates.estimate_disk(study(train_gan__width=0.5), SIZE)
    assert written - narrow == 2 * 0.75 * networks
    # Classifiers see all of them at 32 x 32 pixels.
    larger = estimates.estimate_disk(study(data__image_size=64, train_gan__width=None), SIZE)
    assert larger == 25_000 * 32 * 32 + 2 * (25_000 * 64 * 64 + networks + fixed)
    given = study(generate__source="folder", generate__path="made")
    assert estimates.estimate_disk(given, SIZE) == larger - 2 * networks
    taken = estimates.estimate_memory(p, SIZE, 10**9)
    assert taken == 10**9 + (3600 + 7200) * 28 * 28


def test_durations_in_words() -> None:
    words = {0.2: "under 1 min", 8.6: "9 min", 119: "119 min", 600: "10 hours", 3000: "2 days"}
    assert [estimates.duration_text(minutes) for minutes in words] == list(words.values())
