"""How often a verdict is right: studies with a planted effect, through the report's own functions.

A study is chosen, confirmed and judged by `choose`, `default_margin`, `reach_verdict` and
`contrast_table`; only the answers are made up. The accuracy of a classifier is that of its cell,
and shifts, all normal, of its unit's subset (shared by all cells of the unit), of its unit's
generator (shared by the mixes), of cell and unit together, and of its seed. An image has a
difficulty, normal, of which a part is another for the mixes than for the controls; an answer adds
uniform noise of its own, and is right below the classifier's threshold. So the accuracy that a
classifier has over all images is exactly the one it was given.

The truth of a headline is the mean over units of the true gain of what was chosen for the unit: the
accuracy of its mix minus that of its control, over all units, seeds and images.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from reports.verdict.choice import Choice, choose, default_margin
from reports.verdict.contrasts import contrast_table
from reports.verdict.verdict import Verdict, reach_verdict

UNIT_REAL = 400

# Units differ in which mix suits them and little noise hides it: choices depend on whose they are.
STRONG = {"generator": 0.0, "interaction": 0.006, "seeds": 0.003, "n_validation": 400}
SEEDS = 2  # Classifiers of a cell and unit, both for choosing and for confirming.

MIXES = [
    (s, n) for s in ("mix", "filtered", "fine-tune") for n in (200, 400, 800, 1600, 3200, 6400)
]
CELLS = [("none", 0), ("duplicated", 400), ("classical", 0), *MIXES]
ARMS = {
    "mix": ("mix", "filtered", "fine-tune"),
    "control": ("none", "duplicated", "classical"),
    "real": ("none",),
}
BEST = CELLS.index(("filtered", 800))
CLASSICAL = CELLS.index(("classical", 0))
IS_MIX = np.array([cell in MIXES for cell in CELLS])

# Which part of an image's difficulty is its own: that of plain images, classical ones and mixes.
KIND = np.where(IS_MIX, 2, 0)
KIND[CLASSICAL] = 1

OWN_DIFFICULTY = 0.15  # Deviation of that part; of the common part 1.
NOISE_WIDTH = 1.0  # Of the uniform noise of an answer: a deviation of 0.29.


@dataclass(frozen=True)
class Setting:
    """A kind of study; effects and deviations are fractions: 0.01 is one point."""

    n_units: int
    n_test: int = 2000
    n_validation: int = 200  # of a unit
    accuracy: float = 0.95  # of real images alone
    gain: float = 0.0  # of every mix
    best: float = 0.0  # what one mix gains beyond the others
    classical: float = 0.0  # what classical augmentation gains
    generator: float = 0.003
    subset: float = 0.01
    interaction: float = 0.003  # of unit and cell
    seeds: float = 0.005
    mutual: bool = False  # whether units choose for each other

    @property
    def effects(self) -> NDArray[np.float64]:
        """True gain of every cell over real images alone."""
        effects = np.where(IS_MIX, self.gain, 0.0)
        effects[BEST] += self.best
        effects[CLASSICAL] += self.classical
        return effects


@dataclass(frozen=True)
class Outcome:
    """What one study said, and the truth."""

    truth: float
    found: Verdict
    false_in_table: bool | None  # whether a contrast without effect was flagged; None: no table


@cache
def _thresholds() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Accuracies and the thresholds that give them: a normal and a uniform number, added."""
    threshold = np.linspace(-6, 6, 24_001)
    deviation = (1 + OWN_DIFFICULTY**2) ** 0.5

    def integral(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return x * norm.cdf(x) + norm.pdf(x)

    ends = [
        integral((threshold + side) / deviation) for side in (NOISE_WIDTH / 2, -NOISE_WIDTH / 2)
    ]
    return (ends[0] - ends[1]) * deviation / NOISE_WIDTH, threshold


class Study:
    """The subsets, generators and test images of one study."""

    def __init__(self, setting: Setting, rng: np.random.Generator) -> None:
        self.setting, self.rng = setting, rng
        shape = setting.n_units, len(CELLS)
        shift = setting.subset * rng.normal(size=(setting.n_units, 1))
        shift = shift + setting.generator * rng.normal(size=(setting.n_units, 1)) * IS_MIX
        # Real images alone are what the others are compared with: they have no shift of their own.
        own = setting.interaction * rng.normal(size=shape)
        own[:, 0] = 0
        self.accuracy = setting.accuracy + setting.effects + shift + own
        self.test = self._images(setting.n_test)

    def _images(self, n: int) -> NDArray[np.float32]:
        """Difficulties: kinds x images."""
        common = self.rng.standard_normal(n, dtype=np.float32)
        own = self.rng.standard_normal((3, n), dtype=np.float32)
        return common + np.float32(OWN_DIFFICULTY) * own

    def answers(
        self, images: NDArray[np.float32], units: NDArray[np.intp], cells: NDArray[np.intp]
    ) -> NDArray[np.bool_]:
        """Whether classifiers of fresh seeds are right: bool, one row for each unit and cell."""
        accuracy = self.accuracy[units, cells]
        accuracy = accuracy + self.setting.seeds * self.rng.normal(size=len(accuracy))
        threshold = np.interp(accuracy, *_thresholds()).astype(np.float32)
        noise = self.rng.random((len(accuracy), images.shape[1]), dtype=np.float32)
        noise -= np.float32(0.5)
        noise *= np.float32(NOISE_WIDTH)
        for row, kind in zip(noise, KIND[cells], strict=True):
            row += images[kind]
        right: NDArray[np.bool_] = noise < threshold[:, None]
        return right

    def choosing_cells(self, grid: pd.DataFrame) -> pd.DataFrame:
        """The cells of stage one with their validation accuracies, on each unit's own images."""
        accuracies = []
        units, cells = grid["unit_number"].to_numpy(), grid["cell"].to_numpy()
        for unit in range(self.setting.n_units):
            mine = units == unit
            images = self._images(self.setting.n_validation)
            right = self.answers(images, units[mine], cells[mine])
            accuracies.append(right.mean(axis=1))
        return grid.assign(validation_accuracy=np.concatenate(accuracies))

    def confirm(self, choices: list[Choice]) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
        """Classifiers of fresh seeds for what was chosen, and their right answers."""
        arms: dict[tuple[str, str, int], list[str]] = {}
        for choice in choices:
            key = choice.unit, choice.strategy, choice.n_synthetic
            arms.setdefault(key, []).append(choice.arm)
        rows = [(*key, of, seed) for key, of in arms.items() for seed in range(SEEDS)]
        table = pd.DataFrame(rows, columns=["unit", "strategy", "n_synthetic", "arms", "seed"])
        units = table["unit"].astype(int).to_numpy()
        names = zip(table["strategy"], table["n_synthetic"], strict=True)
        cells = np.array([CELLS.index(cell) for cell in names])
        confirmed = table.assign(unit_real=UNIT_REAL, n_real=UNIT_REAL)
        return confirmed, self.answers(self.test, units, cells)


@cache
def _grid(n_units: int) -> pd.DataFrame:
    """Every classifier of stage one, by unit, cell and seed."""
    rows = [
        (str(unit), unit, UNIT_REAL, strategy, UNIT_REAL, added, cell, seed)
        for unit in range(n_units)
        for cell, (strategy, added) in enumerate(CELLS)
        for seed in range(SEEDS)
    ]
    columns = ["unit", "unit_number", "unit_real", "strategy", "n_real", "n_synthetic", "cell"]
    return pd.DataFrame(rows, columns=[*columns, "seed"])


def simulate(setting: Setting, rng: np.random.Generator, *, table: bool) -> Outcome:
    """One study from its subsets to its verdict; ``table``: with the exploratory contrasts."""
    study = Study(setting, rng)
    cells = study.choosing_cells(_grid(setting.n_units))
    images = {str(unit): setting.n_validation for unit in range(setting.n_units)}
    choices = choose(cells, ARMS, images, mutual=setting.mutual)
    margin = default_margin(cells, choices)
    confirmed, right = study.confirm(choices)
    labels = np.ones(setting.n_test, dtype=np.int8)
    found = reach_verdict(confirmed, right.view(np.int8), labels, margin)
    effects = setting.effects
    sign = {"mix": 1, "control": -1, "real": 0}
    true = [sign[c.arm] * effects[CELLS.index((c.strategy, c.n_synthetic))] for c in choices]
    flagged = None
    if table:
        units, numbers = cells["unit_number"].to_numpy(), cells["cell"].to_numpy()
        predictions = study.answers(study.test, units, numbers).view(np.int8)
        contrasts = contrast_table(cells, predictions, labels, UNIT_REAL)
        names = zip(contrasts["strategy"], contrasts["n_synthetic"], strict=True)
        null = np.array([effects[CELLS.index(cell)] == 0 for cell in names])
        flagged = bool((null & (contrasts["p_holm"] <= 0.05)).any())
    return Outcome(sum(true) / setting.n_units, found, flagged)


@dataclass(frozen=True)
class Rates:
    """Shares of the studies of one setting; widths and effects are fractions."""

    truth: float  # mean
    bias: float  # mean of gain minus truth
    coverage: float
    width: float  # mean, of the whole interval
    helps: float
    hurts: float
    no_difference: float
    wrong_no_difference: float  # said though the truth is at least the margin
    family: float  # studies whose table flags a contrast without effect; NaN without tables
    tables: int


def rates(setting: Setting, runs: int, *, seed: int = 0, every: int = 1) -> Rates:
    """Simulate studies of one setting, every so many of them with the exploratory table."""
    rng = np.random.default_rng(seed)
    found = [simulate(setting, rng, table=run % every == 0) for run in range(runs)]
    intervals = [outcome.found.primary.interval for outcome in found]
    truth = np.array([outcome.truth for outcome in found])
    low, high = (np.array([getattr(i, side) for i in intervals]) for side in ("low", "high"))
    words = np.array([outcome.found.word for outcome in found])
    margins = np.array([outcome.found.margin or np.inf for outcome in found])
    nothing = words == "no relevant difference"
    tables = [o.false_in_table for o in found if o.false_in_table is not None]
    return Rates(
        truth=float(truth.mean()),
        bias=float(np.mean([i.gain for i in intervals] - truth)),
        coverage=float(((low <= truth) & (truth <= high)).mean()),
        width=float((high - low).mean()),
        helps=float((words == "helps").mean()),
        hurts=float((words == "hurts").mean()),
        no_difference=float(nothing.mean()),
        wrong_no_difference=float((nothing & (np.abs(truth) >= margins)).mean()),
        family=float(np.mean(tables)) if tables else float("nan"),
        tables=len(tables),
    )


def settings() -> list[Setting]:
    """Thirty kinds of study: nothing planted, one better mix or control, and planted gains."""
    null = [Setting(n, generator=g) for n in (3, 5, 10) for g in (0.0, 0.003, 0.006)]
    null[3], null[6] = (Setting(n, **STRONG) for n in (5, 10))
    three, five, ten = (Setting(n) for n in (3, 5, 10))
    null += [
        replace(three, n_test=200, generator=0.006),
        replace(three, n_test=10_000),
        replace(three, seeds=0.008, interaction=0.0),
        replace(three, interaction=0.006, generator=0.0),
        replace(three, n_validation=40),
        replace(five, n_test=200, generator=0.0),
        replace(five, n_test=10_000, generator=0.006),
        replace(five, seeds=0.008, accuracy=0.9),
        replace(five, n_validation=400, seeds=0.003, generator=0.0, interaction=0.0),
        replace(ten, n_test=200, n_validation=40),
    ]
    planted = [
        replace(five, best=0.01),
        replace(ten, best=0.01),
        replace(five, classical=0.01, gain=0.01),
        replace(five, gain=0.002),
        replace(ten, gain=0.002, n_test=10_000, seeds=0.003),
        replace(three, gain=0.005),
        replace(ten, gain=0.005, n_validation=40),
        replace(three, gain=0.01),
        replace(five, gain=0.01, seeds=0.003, n_test=10_000),
        replace(three, gain=0.02, accuracy=0.9),
        replace(ten, gain=0.02, accuracy=0.9, generator=0.006),
    ]
    return [*null, *planted]


def mutual() -> list[Setting]:
    """What it would be like if all other units chose for each."""
    kinds = [Setting(n, **STRONG) for n in (5, 10)] + [Setting(n, best=0.01) for n in (5, 10)]
    return [replace(kind, mutual=True) for kind in kinds]


def corners() -> list[Setting]:
    """Twelve of the hardest kinds, for a test."""
    few = [
        Setting(3, n_test=1000, generator=g, seeds=s) for g in (0.0, 0.006) for s in (0.003, 0.008)
    ]
    many = [Setting(n, n_test=n_test) for n, n_test in ((5, 200), (10, 500))]
    return [
        *few,
        *many,
        Setting(3, n_test=200),
        Setting(10, n_test=1000, **STRONG),
        Setting(3, n_test=1000, best=0.01),
        Setting(3, n_test=1000, gain=0.01),
        Setting(5, n_test=1000, gain=0.02, accuracy=0.9),
        Setting(5, n_test=1000, gain=0.005, classical=0.005, n_validation=40),
    ]


def rows(kinds: list[Setting], runs: int) -> Iterator[str]:
    """Yield a Markdown table, a row a setting."""
    yield (
        "| repeats | test | validation | accuracy | planted | generator | interaction | seeds "
        "| truth | bias | coverage | width | helps | hurts | nothing | wrongly | family |"
    )
    yield "|" + " ---: |" * 17
    for number, setting in enumerate(kinds):
        # Tables of many answers take most of the time.
        every = max(4, setting.n_test * setting.n_units // 6000)
        found = rates(setting, runs, seed=number, every=every)
        planted = f"{100 * setting.gain:g}"
        planted += f", one {100 * (setting.gain + setting.best):g}" if setting.best else ""
        planted += f", classical {100 * setting.classical:g}" if setting.classical else ""
        numbers = [
            f"{setting.n_units}",
            f"{setting.n_test:,}",
            f"{setting.n_validation}",
            f"{100 * setting.accuracy:g}",
            planted,
            *(f"{100 * x:g}" for x in (setting.generator, setting.interaction, setting.seeds)),
            *(f"{100 * x:.2f}" for x in (found.truth, found.bias)),
            with_error(found.coverage, runs),
            f"{100 * found.width:.2f}",
            *(f"{100 * x:.1f}" for x in (found.helps, found.hurts, found.no_difference)),
            f"{100 * found.wrong_no_difference:.1f}",
            with_error(found.family, found.tables),
        ]
        yield "| " + " | ".join(numbers) + " |"


def with_error(share: float, n: int) -> str:
    """Return a share of n simulated studies in percent, with its Monte Carlo standard error."""
    return f"{100 * share:.1f} ± {100 * (share * (1 - share) / n) ** 0.5:.1f}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000, help="simulated studies a setting")
    runs, start = parser.parse_args().runs, time.perf_counter()
    for title, kinds in (("", settings()), ("If all others chose for each:\n", mutual())):
        print(title)
        for line in rows(kinds, runs):
            print(line, flush=True)
    print(f"\n{runs:,} studies a setting, {(time.perf_counter() - start) / 60:.0f} minutes.")


if __name__ == "__main__":
    main()
