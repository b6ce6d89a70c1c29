from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest

from augment.errors import AugmentError
from augment.generators.gan.adversaries import phase_at
from augment.generators.gan.architectures import Architecture
from augment.generators.gan.settings import System
from augment.generators.gan.systems import SYSTEMS

# What differs from these, of each system; by hand from the studies.
DEFAULTS: dict[str, Any] = {
    "loss": "bce",
    "real_target": 1.0,
    "batch_size": 100,
    "generator_rate": 0.0002,
    "discriminator_rate": 0.0002,
    "betas": (0.5, 0.999),
    "generator_updates": 1,
    "discriminator_updates": 1,
    "feedback": 0.0,
    "init_std": 0.0,
    "ema_decay": 0.999,
    "weights": "plain",
    "decay_start": 1.0,
    "decay_factor": 1.0,
    "decay_steps": 1000,
    "phases": (),
    "adversarial_weight": 0.05,
}
TRAINING: dict[str, dict[str, Any]] = {
    # No study's: hinge, averaged weights, rates that fall in the second half.
    "cdcgan-projection": {
        "loss": "hinge",
        "generator_rate": 0.0004,
        "discriminator_rate": 0.0008,
        "weights": "average",
        "decay_start": 0.5,
    },
    # A: Adam 0.0002, batch 100.
    "dcgan-reference": {},
    "dcgan-compact": {},
    "dcgan-no-bn": {},
    "dcgan-d3": {"discriminator_updates": 3},
    "dcgan-lr": {"generator_rate": 0.002, "discriminator_rate": 0.002},
    "cdcgan": {},
    "cdcgan-extended": {},
    "cdcgan-balance": {"discriminator_updates": 2},
    "cdcgan-no-bn": {},
    "cdcgan-smooth": {"real_target": 0.9},
    "cdcgan-label-conv": {},
    "cdcgan-feedback": {"real_target": 0.9, "feedback": 1.0},  # alpha 1
    "cgan-dense": {},
    "cgan-dense-no-bn": {},
    # B: batch 100, Adam 0.0002; several G updates per D update and a lower rate for D.
    "fau-cdcgan": {"generator_updates": 2, "discriminator_rate": 0.0001},
    "fau-gan": {},
    # C: batch 32, Adam 0.001; batch 128, Adam 0.002 with exponential decay, step 40,000.
    "tribhuvan-fashion": {
        "real_target": 0.9,
        "batch_size": 32,
        "generator_rate": 0.001,
        "discriminator_rate": 0.001,
    },
    "tribhuvan-faces": {
        "real_target": 0.9,
        "batch_size": 128,
        "generator_rate": 0.002,
        "discriminator_rate": 0.002,
        "decay_factor": 0.96,
        "decay_steps": 40_000,
    },
    # D: Adam 0.0002, betas 0.5, 0.999; real target 0.9; weights ~ N(0, 0.02).
    "gehu-celeba": {"real_target": 0.9, "batch_size": 128, "init_std": 0.02},
    # E: batch 64, from 0.001 in six phases; the autoencoder's batch is 128.
    "padova-dcgan": {
        "batch_size": 64,
        "generator_rate": 0.001,
        "discriminator_rate": 0.001,
        "phases": (
            (0.0, 1.0, 0.2),
            (1 / 6, 0.2, 0.18),
            (2 / 6, 0.15, 0.16),
            (3 / 6, 0.1, 0.14),
            (4 / 6, 0.07, 0.12),
            (5 / 6, 0.05, 0.1),
        ),
        "init_std": 0.02,
    },
    "padova-aae": {"batch_size": 128},
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_each_is_trained_as_published(name: str) -> None:
    system = SYSTEMS[name]
    found = {key: getattr(system, key) for key in DEFAULTS}
    assert found == DEFAULTS | TRAINING[name]
    # No setting is left out of the table.
    said = {"name", "description", "chosen", "networks"}
    assert {field.name for field in fields(System)} == DEFAULTS.keys() | said


def test_the_systems_are_those_of_the_studies() -> None:
    assert list(SYSTEMS) == list(TRAINING)


def test_phases_lower_the_rate_and_the_slope_from_step_to_step() -> None:
    system = SYSTEMS["padova-dcgan"]
    starts, rates, slopes = zip(*system.phases, strict=True)
    assert starts[0] == 0
    for values in (rates, slopes):
        assert list(values) == sorted(set(values), reverse=True)
    assert slopes[0] == system.networks.discriminator_slope
    # Six phases of equal length: 400 epochs make 6 x 66 or 67.
    lengths = [[phase_at(e / 400, system) for e in range(400)].count(p) for p in range(6)]
    assert sum(lengths) == 400
    assert set(lengths) == {66, 67}
    assert phase_at(0.999, system) == 5


@pytest.mark.parametrize("name", SYSTEMS)
def test_what_no_layer_shows_is_as_published(name: str) -> None:
    """The layers themselves are written out in test_networks.py."""
    a = SYSTEMS[name].networks
    assert (a.latent, a.latent_dim) == ("uniform" if name == "gehu-celeba" else "normal", 100)
    assert a.first_activation == (not name.startswith("tribhuvan"))
    assert a.n_classes == (1 if a.channels == 3 else 10)


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_says_what_it_is(name: str) -> None:
    system = SYSTEMS[name]
    for text in (system.description, system.chosen):
        assert "\n" not in text
        assert not text.endswith(".")
    values = system.to_dict()
    assert json.loads(json.dumps(values)) == values
    assert values.keys() == asdict(system).keys() - {"networks"}


def test_what_a_study_leaves_open_is_said() -> None:
    for name, system in SYSTEMS.items():
        # cdcgan-projection is no study's.
        assert bool(system.chosen) == (name != "cdcgan-projection"), name


# ------------------------------------------------------------------ overrides


def test_options_replace_what_they_name() -> None:
    smooth = SYSTEMS["cdcgan-smooth"]
    system = smooth.replaced({"batch_size": 32, "label": "projection", "ema_decay": 0.0})
    networks = replace(smooth.networks, label="projection")
    assert system == replace(smooth, batch_size=32, ema_decay=0.0, networks=networks)
    assert (smooth.batch_size, smooth.networks.label) == (100, "concatenate")
    # Zero and empty are values.
    assert SYSTEMS["fau-gan"].replaced({"generator_slope": 0.0}).networks.generator_slope == 0
    assert SYSTEMS["fau-cdcgan"].replaced({"dropout": ()}).networks.dropout == ()


def test_no_option_is_both_the_systems_and_its_networks() -> None:
    both = {f.name for f in fields(System)} & {f.name for f in fields(Architecture)}
    assert both == set()


def test_an_option_that_does_not_exist_is_a_mistake_in_the_code() -> None:
    with pytest.raises(TypeError, match="base_channels"):
        SYSTEMS["cdcgan"].replaced({"base_channels": 64})


DENSE = "allowed with dense networks: none or concatenate"
AUTOENCODER = "allowed with an autoencoder"
UNLABELLED = "allowed without labels: 0, for there is no label that the judge could be asked about"
NO_AVERAGE = "weights is 'average' and ema_decay is 0; allowed: a decay above 0"


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("cgan-dense", {"label": label}, f"label is '{label}'; {DENSE}")
        for label in ("projection", "convolution", "dense")
    ]
    + [
        ("cdcgan", {"kind": "dense", "label": "dense"}, f"label is 'dense'; {DENSE}"),
        ("dcgan-compact", {"feedback": 0.5}, f"feedback is 0.5; {UNLABELLED}"),
        ("cdcgan-feedback", {"label": "none"}, f"feedback is 1; {UNLABELLED}"),
        ("cdcgan-projection", {"ema_decay": 0.0}, NO_AVERAGE),
        ("cdcgan", {"ema_decay": 0.0, "weights": "average"}, NO_AVERAGE),
        # What would be ignored is refused.
        ("padova-aae", {"label": "concatenate"}, f"label is 'concatenate'; {AUTOENCODER}: none"),
        ("padova-aae", {"loss": "hinge"}, f"loss is 'hinge'; {AUTOENCODER}: 'bce'"),
        ("padova-aae", {"generator_updates": 4}, f"generator_updates is 4; {AUTOENCODER}: 1"),
        (
            "padova-aae",
            {"discriminator_updates": 5},
            f"discriminator_updates is 5; {AUTOENCODER}: 1",
        ),
        (
            "cdcgan-projection",
            {"real_target": 0.5},
            "real_target is 0.5; allowed with loss 'hinge': 1, which has no target",
        ),
    ],
)
def test_options_that_cannot_go_together_are_refused(
    name: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(AugmentError) as caught:
        SYSTEMS[name].replaced(options)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cgan-dense", {"label": "none"}),
        ("cgan-dense", {"discriminator_norm": "spectral", "loss": "hinge"}),
        ("fau-gan", {"label": "concatenate", "feedback": 2.0}),
        ("cdcgan-feedback", {"label": "projection"}),
        ("cdcgan-feedback", {"label": "none", "feedback": 0.0}),
        ("cdcgan", {"weights": "average", "ema_decay": 0.5}),
        ("cdcgan-projection", {"weights": "plain", "ema_decay": 0.0}),
        ("padova-dcgan", {"label": "dense", "discriminator_norm": "spectral"}),
    ],
)
def test_options_that_go_together_are_taken(name: str, options: dict[str, Any]) -> None:
    system = SYSTEMS[name].replaced(options)
    for key, value in options.items():
        place = system if hasattr(system, key) else system.networks
        assert getattr(place, key) == value


def test_the_documentation_says_the_same() -> None:
    text = (Path(__file__).parents[4] / "docs" / "generators.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")] for line in text.splitlines()]
    table = {row[1].strip("`"): row[3:5] for row in rows if len(row) == 6 and "`" in row[1]}
    for name, system in SYSTEMS.items():
        if name != "cdcgan-projection":
            assert table[name] == [system.description, system.chosen], name
