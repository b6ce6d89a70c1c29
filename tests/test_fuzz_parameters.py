"""Any params.yaml: what `augment check` accepts no stage refuses, and what a stage refuses it does.

Small parameter files are drawn at random, most keys from what is allowed and some from what is
not, with a small folder of pictures each: 30 of them, or as many as AUGMENT_FUZZ in the environment
says.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from augment.generators.family import systems
from augment.mixing.strategies import STRATEGIES

N_FILES = int(os.environ.get("AUGMENT_FUZZ", "30"))
CLASS_NAMES = ("NA", "Größe", "a b", "007", "x")


def pictures(folder: Path, rng: np.random.Generator) -> list[str]:
    """Draw a folder of pictures that differ by class; return the names of the classes."""
    names = sorted(rng.permutation(CLASS_NAMES)[: rng.integers(2, 5)].tolist())
    layouts: list[tuple[str, ...]] = [("",), ("",), ("train", "test"), ("train", "val")]
    layouts.append(("Train", "valid", "Test"))
    for part in layouts[rng.integers(len(layouts))]:
        for label, name in enumerate(names):
            place = folder / part / name
            place.mkdir(parents=True)
            least = 1 if rng.random() < 0.1 else 12
            few = part.lower() not in ("", "train")
            for i in range(int(rng.integers(least, 8 + least if few else 40))):
                pixels = rng.integers(0, 90, (28, 28), dtype=np.uint8)
                pixels[4 + 4 * label : 9 + 4 * label, 3 + i % 5 : -3] = 250
                Image.fromarray(pixels).save(place / f"p{i // 3}_{i}.png")
    return names


def drawn(rng: np.random.Generator, names: list[str]) -> dict[str, Any]:
    """Return values of params.yaml at dotted keys."""

    def one(*values: Any) -> Any:
        return values[rng.integers(len(values))]

    def some(values: tuple[Any, ...], most: int = 3) -> list[Any]:
        chosen = rng.permutation(len(values))[: rng.integers(1, most + 1)]
        return [values[i] for i in chosen]

    # Most files are such as a user means them; some hold what cannot go together.
    odd = rng.random() < 0.3
    steps = {name: one((6, None), (None, 1), (6, None)) for name in ("a", "b", "c")}
    mapping = {one(*names): int(rng.integers(0, 30)), one(*names): int(rng.integers(1, 30))}
    by_images = rng.random() < 0.7
    changes: dict[str, Any] = {
        "seed": one(0, 1, 4294967295),
        "data.source": "folder",
        "data.path": "pictures",
        "data.image_size": one(28, 28, 28, 32, 64),
        "data.channels": one(1, 1, 3),
        "data.test": one(0.2, 0.05, 0.5),
        "data.validation": one(0.1, 0.1, 0.0, 0.3),
        "data.duplicates": one("keep", "drop", "group"),
        "data.groups": one(None, None, r"^(p\d+)_", r"(\d+)\.png"),
        "classifier.batch_size": one(2, 16, 128),
        "train_examiner.steps": steps["a"][0],
        "train_examiner.epochs": steps["a"][1],
        "train_judge.steps": steps["b"][0],
        "train_judge.epochs": steps["b"][1],
        "train_classifiers.steps": steps["c"][0],
        "train_classifiers.epochs": steps["c"][1],
        "compute.processes": one(1, None),
        "train_gan.system": one("cdcgan-projection", *systems()),
        "train_gan.images": int(rng.integers(1, 120)) if by_images else None,
        "train_gan.epochs": None if by_images else int(rng.integers(1, 3)),
        "train_gan.width": one(0.05, 0.07, 0.1),
        "train_gan.options.batch_size": one(2, 6, 10, 10, *([20, None] if odd else [])),
        "train_gan.keep": one("best", "last"),
        "train_gan.evaluate": one(100, 120),
        "train_gan.checkpoints": one(1, 2, 5),
        "train_gan.options.weights": one(None, None, "plain", "average"),
        "train_gan.options.loss": one(None, "bce", "hinge") if odd else None,
        "train_gan.options.label": one(None, "none", "concatenate", "projection") if odd else None,
        "train_gan.options.feedback": one(None, 0.0, 0.1) if odd else None,
        "compute.device": "cpu",
        "train_gan.precision": "32-true",
        "generate.per_class": one(90, 120, *([4] if odd else [])),
        "generate.max_draws": one(1, 10),
        "filter.threshold": one(0.0, 0.5, 1.0),
        "filter.per_class": one(90, 120, *([1] if odd else [])),
        "filter.max_draws": one(1, 3),
        "mix.real": some((0, 2, 5, 0.5, 1.0, *([0.001, 40, 10_000] if odd else []))),
        "mix.synthetic": some((0, 3, 0.1, 1.0, 1.5, mapping)),
        "mix.strategies": some([name for name in STRATEGIES if name != "none"]),
        "mix.seeds": some((0, 1, 4294967295), 2),
        "score.n": one(100, 1000),
    }
    if rng.random() < 0.25:
        for key in [key for key in changes if key.startswith("filter.")]:
            del changes[key]
        changes["filter"] = None
    if rng.random() < 0.2:
        changes["classical"] = None
    options = [key for key in changes if key.startswith("train_gan.options.")]
    for key in options:
        if changes[key] is None:  # the system's own
            del changes[key]
    if not odd:
        if changes["data.validation"] == 0:
            changes["train_gan.keep"] = "last"
        for section, users in (
            ("filter", {"filtered"}),
            ("classical", {name for name, s in STRATEGIES.items() if s.classical}),
        ):
            if changes.get(section, 0) is None:
                strategies = [s for s in changes["mix.strategies"] if s not in users]
                changes["mix.strategies"] = strategies or ["mix"]
        if "fine-tune" in changes["mix.strategies"]:
            changes["mix.real"], changes["mix.synthetic"] = [0, 1.0], [0, 3]
    return changes


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("number", range(N_FILES))
def test_check_and_the_stages_agree(
    number: int, tmp_path: Path, augment, parameters, stages: tuple[str, ...]
) -> None:
    rng = np.random.default_rng([20_261, number])
    root = tmp_path / "project"
    root.mkdir()
    names = pictures(root / "pictures", rng)
    changes = drawn(rng, names)
    parameters(root, changes)
    checked = augment(root, "check")
    assert checked.code in (0, 2), checked
    errors = [line for line in checked.out.splitlines() if line.startswith("error")]
    assert bool(errors) == (checked.code == 2)
    assert all("allowed" in line for line in errors), errors
    for stage in stages:
        ran = augment(root, *stage.split())
        if ran.code == 0:
            continue
        # The only refusals are those that check told of; what it tells of, the first stage refuses.
        assert errors, (stage, ran.error, changes)
        assert stage == "fetch", (stage, ran.error, errors)
        assert ran.error
        return
    assert not errors, (errors, changes)
