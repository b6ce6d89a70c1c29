"""The versions that make installs."""

import tomllib
from importlib.metadata import distributions
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def test_the_oldest_python_takes_every_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    oldest = project["requires-python"].removeprefix(">=") + ".0"
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line)
    pins = {canonicalize_name(name): version for name, version in pinned.items()}
    installed = [d for d in distributions() if pins.get(canonicalize_name(d.name)) == d.version]
    assert len(installed) > 50
    refused = {
        d.name: d.metadata["Requires-Python"]
        for d in installed
        if not SpecifierSet(d.metadata["Requires-Python"] or "").contains(oldest)
    }
    assert not refused
