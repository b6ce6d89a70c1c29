"""Which source files decide what a unit's trained model is: part of the key of the cache.

They are the code that dvc.yaml lists for the stage, but for how files are read and written, and for
what meta.json spells out anyway, such as a system's settings: another family, system or model
trains nothing again.
"""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path

from augment.files import sha256_file
from classifiers.models.registry import code_files

_ROOT = Path(__file__).parents[2]
_PREDICTING = (
    "augment/images",
    "augment/placing.py",
    "augment/streams.py",
    "classifiers/prediction.py",
    "pipeline/compute/device.py",
)

JUDGE = (*_PREDICTING, "classifiers/fitting.py", "pipeline/judging.py")
GENERATOR = (
    *_PREDICTING,
    "augment/generators/budget.py",
    "augment/generators/sampling.py",
    "augment/generators/selection.py",
    "augment/generators/training.py",
    "pipeline/compute/fabric.py",
    "pipeline/generators/training.py",
    "pipeline/generators/outputs.py",
    "pipeline/generators/plan.py",
    "pipeline/stages/train_gan.py",
    "pipeline/unit_images.py",
    "reports/scores/frechet.py",
    "reports/scores/inception_score.py",
    "reports/scores/inputs.py",
    "reports/scores/label_match.py",
    "reports/scores/threads.py",
)


def code_digest(model: str, *places: str) -> str:
    """Return the SHA-256 of the content of source files.

    Args:
        model: the judge's, whose own files are among them.
        places: files, or folders whose Python files are meant, relative to the rooms' folder.
    """
    files = [
        file
        for place in places
        for file in ([_ROOT / place] if place.endswith(".py") else (_ROOT / place).rglob("*.py"))
        if file.name != "systems.py"  # named settings: those in use are in meta.json
    ]
    digests = "".join(sha256_file(file) for file in [*sorted(files), *code_files(model)])
    return hashlib.sha256(digests.encode()).hexdigest()


@cache
def loaded_code(model: str) -> dict[str, str]:
    """Return by name what has to be the same wherever a study's work is done.

    It is what it was when first asked for: a worker that stays does not see later edits.

    Args:
        model: the study's classifiers, whose own files are among the code.
    """
    rooms = ("augment", "classifiers", "pipeline", "reports")
    files = sorted(file for room in rooms for file in (_ROOT / room).rglob("*.py"))
    digests = "".join(sha256_file(file) for file in [*files, *code_files(model)])
    found = {"code": hashlib.sha256(digests.encode()).hexdigest()}
    found |= {package: version(package) for package in ("torch", "torchvision", "numpy")}
    return found | {"processors": platform.machine()}
