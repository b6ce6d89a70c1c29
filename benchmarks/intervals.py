"""How often the report's intervals hold the truth.

Answers are simulated: an image has a difficulty, a seed a shift, and each answer some noise of its
own, all normal; an image is read right where their sum is below the classifier's threshold. So the
true accuracies are known. "Seed variance" is that of the difference of two classifiers over seeds,
as a multiple of its variance over test images, both of one seed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from reports.verdict.intervals import accuracy_interval, difference_interval

ACCURACIES = (0.8, 0.95, 0.99)
GAINS = (0.0, 0.01, 0.03)
NOISES = (0.15, 0.5)
SEED_VARIANCES = (0.0, 0.25, 1.0, 4.0)


class Answers:
    """Right answers of classifiers with known accuracies."""

    def __init__(
        self, rng: np.random.Generator, n_images: int, noise: float, seed_variance: float
    ) -> None:
        self.rng, self.n_images, self.noise = rng, n_images, noise
        self.seed_variance = seed_variance
        self.shift = cache(self._shift)

    def draw(self, accuracies: list[float], n_seeds: int) -> list[NDArray[np.bool_]]:
        """Return seeds x test images of every classifier, on the same images."""
        shift = self.shift(accuracies[0])
        spread = (1 + self.noise**2 + shift**2) ** 0.5
        difficulty = self.rng.normal(size=self.n_images)
        found = []
        for accuracy in accuracies:
            own = self.noise * self.rng.normal(size=(n_seeds, self.n_images))
            seeds = shift * self.rng.normal(size=(n_seeds, 1))
            found.append(difficulty + own + seeds < norm.ppf(accuracy) * spread)
        return found

    def _shift(self, accuracy: float) -> float:
        """Return the deviation of a seed's shift, to first order."""
        spread = (1 + self.noise**2) ** 0.5
        threshold = norm.ppf(accuracy) * spread
        difficulty = norm.ppf((np.arange(2_000) + 0.5) / 2_000)
        right = norm.cdf((threshold - difficulty) / self.noise)
        over_images = 2 * np.mean(right * (1 - right)) / self.n_images
        slope = norm.pdf(threshold / spread) / spread
        return float((self.seed_variance * over_images / 2) ** 0.5 / slope)


def coverage(runs: int) -> Iterator[str]:
    """Yield a row of coverage for every number of images, of seeds, and variance over seeds."""
    yield "images seeds seed variance | gain: mean, least coverage | accuracy: mean, least coverage"
    for n_images, n_seeds in product((20, 36, 60, 100, 200, 500, 1000), (1, 2, 3)):
        for variance in SEED_VARIANCES if n_seeds > 1 else (0.0,):
            rng = np.random.default_rng([n_images, n_seeds, round(100 * variance)])
            of_gain, of_accuracy = [], []
            for accuracy, gain, noise in product(ACCURACIES, GAINS, NOISES):
                answers = Answers(rng, n_images, noise, variance)
                held = np.zeros((runs, 2))
                for run in range(runs):
                    a, b = answers.draw([accuracy - gain, accuracy], n_seeds)
                    found = difference_interval(b.astype(np.int8) - a)
                    own = accuracy_interval(b.mean(axis=1), n_images)
                    held[run] = found.low <= gain <= found.high, own.low <= accuracy <= own.high
                of_gain.append(held[:, 0].mean())
                of_accuracy.append(held[:, 1].mean())
            mean = f"{np.mean(of_gain):.3f}, {min(of_gain):.3f}"
            own_mean = f"{np.mean(of_accuracy):.3f}, {min(of_accuracy):.3f}" if n_seeds > 1 else "-"
            yield f"{n_images:6} {n_seeds:5} {variance:13} | {mean:26} | {own_mean}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500, help="simulated studies a setting")
    for line in coverage(parser.parse_args().runs):
        print(line, flush=True)


if __name__ == "__main__":
    main()
