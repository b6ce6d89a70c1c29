"""Time until generated digits teach a classifier enough: ours against a tutorial's cDCGAN.

    python -m benchmarks.time_to_accuracy --data ~/data/mnist --out docs/speed-to-97.json

Both generators see all 60,000 training digits of MNIST. Their images' worth is the test accuracy of
a LeNet that sees 60,000 of them, as many as there are real ones, and no real one (CAS). Theirs has
one seed and is asked at the minutes given, until it is good enough. Ours has a schedule that ends
with its budget, so it is trained from the start for each budget, until every seed is good enough.
Only training is timed: one thread, on the processor, so that other work does not count.
The tutorial's networks are those of the public cDCGAN that most people start from: 32 x 32 pixels,
128, 256 and 512 channels, labels concatenated, cross-entropy, Adam at 0.0002, batches of 128.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional

from augment.files import write_json
from augment.generators.budget import Budget
from augment.generators.family import Setup, build_trainer
from augment.generators.gan.systems import SYSTEMS
from augment.generators.sampling import draw_in_chunks
from augment.generators.training import train
from augment.images.image_rows import all_rows
from augment.images.image_sets import ImageSet
from augment.placing import CPU
from augment.sources.mnist import fetch_mnist
from augment.streams import torch_stream
from benchmarks.pairs import machine
from classifiers.fitting import Fit, FitSettings, ModelSettings, fit_classifier
from classifiers.prediction import predict

SIDE, CLASSES, NOISE, BATCH = 28, 10, 100, 128
MARGIN = 2
"""Black pixels around the digits of theirs, which are 32 x 32."""
LABELS = np.repeat(np.arange(CLASSES), 6000)
"""Of the generated images."""
STEPS = 2000
"""Of the LeNet that sees them."""
BUDGETS = (120_000, 240_000, 360_000, 480_000)
MINUTES = (1, 2, 5, 10, 15, 20, 30, 40, 50, 60)


class Discriminator(nn.Module):
    """The tutorial's: image and label planes each through a convolution, then side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.of_image = nn.Sequential(nn.Conv2d(1, 64, 4, 2, 1), nn.LeakyReLU(0.2))
        self.of_label = nn.Sequential(nn.Conv2d(CLASSES, 64, 4, 2, 1), nn.LeakyReLU(0.2))
        self.body = nn.Sequential(
            nn.Conv2d(128, 256, 4, 2, 1),
            nn.BatchNorm2d(256),
            nn.LeakyReLU(0.2),
            nn.Conv2d(256, 512, 4, 2, 1),
            nn.BatchNorm2d(512),
            nn.LeakyReLU(0.2),
            nn.Conv2d(512, 1, 4),
            nn.Sigmoid(),
        )

    def forward(self, images: Tensor, one_hot: Tensor) -> Tensor:
        """Return the probability that each image is real: N."""
        planes = one_hot[:, :, None, None].expand(-1, -1, *images.shape[2:])
        both = torch.cat([self.of_image(images), self.of_label(planes)], 1)
        values: Tensor = self.body(both).flatten()
        return values


class Generator(nn.Module):
    """The tutorial's: noise and label each through a convolution, then side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.of_noise, self.of_label = (
            nn.Sequential(nn.ConvTranspose2d(n, 256, 4), nn.BatchNorm2d(256), nn.ReLU())
            for n in (NOISE, CLASSES)
        )
        self.body = nn.Sequential(
            nn.ConvTranspose2d(512, 256, 4, 2, 1),
            nn.BatchNorm2d(256),
            nn.ReLU(),
            nn.ConvTranspose2d(256, 128, 4, 2, 1),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.ConvTranspose2d(128, 1, 4, 2, 1),
            nn.Tanh(),
        )

    def forward(self, noise: Tensor, one_hot: Tensor) -> Tensor:
        """Return images N x 1 x 32 x 32 in [-1, 1]."""
        parts = self.of_noise(noise[:, :, None, None]), self.of_label(one_hot[:, :, None, None])
        images: Tensor = self.body(torch.cat(parts, 1))
        return images


def start_small(module: nn.Module) -> None:
    """Give DCGAN's first weights (Radford et al., 2016) to a layer."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


def tutorial(digits: ImageSet, minutes: Sequence[float]) -> Iterator[tuple[float, int, np.ndarray]]:
    """Train as tutorials do; yield at each of the minutes: seconds, images seen, images drawn."""
    torch.manual_seed(0)
    pixels = torch.from_numpy(digits.images.copy()).permute(0, 3, 1, 2)
    codes = code_of(torch.tensor(digits.labels))
    generator, discriminator = Generator().apply(start_small), Discriminator().apply(start_small)
    adam = partial(torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999))
    of_generator, of_discriminator = adam(generator.parameters()), adam(discriminator.parameters())
    loss, real, fake = nn.BCELoss(), torch.ones(BATCH), torch.zeros(BATCH)
    seconds, seen, order, left = 0.0, 0, torch.empty(0, dtype=torch.int64), list(minutes)
    while left:
        began = time.process_time()
        if len(order) < BATCH:
            order = torch.randperm(len(codes))
        rows, order = order[:BATCH], order[BATCH:]
        images, code = pixels[rows].float() / 127.5 - 1, codes[rows]
        images = functional.pad(images, (MARGIN,) * 4, value=-1.0)
        made = generator(torch.randn(BATCH, NOISE), code)
        of_discriminator.zero_grad()
        judged = loss(discriminator(images, code), real)
        (judged + loss(discriminator(made.detach(), code), fake)).backward()
        of_discriminator.step()
        of_generator.zero_grad()
        loss(discriminator(made, code), real).backward()
        of_generator.step()
        seen += BATCH
        seconds += time.process_time() - began
        if seconds >= 60 * left[0]:
            left.pop(0)
            generator.eval()
            yield (
                seconds,
                seen,
                generated(lambda z, y: cropped(generator(z, code_of(y)))),
            )
            generator.train()


def code_of(labels: Tensor) -> Tensor:
    """Return the one-hot code of labels, float N x 10."""
    return functional.one_hot(labels, CLASSES).float()


def cropped(images: Tensor) -> Tensor:
    """Take the margin away."""
    return images[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN]


class NoStore:
    """Keeps nothing: no run goes on where another one stopped."""

    def load(self) -> None:
        """Have no state."""

    def save(self, state: dict[str, Any]) -> None:
        """Drop the state."""

    def keep(self, name: str, weights: Mapping[str, Tensor]) -> None:
        """Drop the weights."""


def ours(digits: ImageSet, name: str, n: int, seed: int) -> tuple[float, int, np.ndarray]:
    """Train a system of this project on ``n`` images; return what `tutorial` yields."""
    system = SYSTEMS[name]
    budget = Budget(images=n, epochs=None, evaluate=100, keep="last")
    steps = budget.steps(batch_size=system.batch_size, n_images=len(digits))
    began = time.process_time()
    fabric = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed")
    trainer = build_trainer(
        system, system.architecture(CLASSES, 1, SIDE), Setup(seed, steps, fabric)
    )
    trained = train(
        all_rows(digits),
        trainer,
        budget,
        seed=seed,
        fabric=fabric,
        store=NoStore(),
        evaluate=lambda images, labels: {},
    )
    seconds = time.process_time() - began
    trainer.network.load_state_dict(trained.weights)
    return seconds, n, generated(trainer.network.eval().draw)


def generated(images_of: Callable[[Tensor, Tensor], Tensor]) -> np.ndarray:
    """Return generated images for `LABELS`, from the noise of a fixed stream."""
    noise = torch.randn(len(LABELS), NOISE, generator=torch_stream(0, "noise"))
    return draw_in_chunks(images_of, noise, torch.from_numpy(LABELS), CPU)


def accuracy(images: np.ndarray, test: ImageSet) -> float:
    """Return the test accuracy of a LeNet that saw these images alone: mean of two seeds."""
    seen = all_rows(ImageSet(images, LABELS, test.class_names))
    settings = FitSettings(steps=STEPS, epochs=None, batch_size=128, learning_rate=3e-3)
    found = []
    for seed in (0, 1):
        network = fit_classifier(Fit(seen, CLASSES, ModelSettings(), settings, seed))
        found.append((predict(network, test.images).classes == test.labels).mean())
    return float(np.mean(found))


def main() -> None:
    """Print a line a measurement, and write all of them after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of MNIST's four files")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--goal", type=float, default=0.97, help="test accuracy to reach")
    parser.add_argument("--system", default="cdcgan-projection", help="ours")
    parser.add_argument(
        "--images",
        type=int,
        nargs="*",
        default=BUDGETS,
        help="budgets of ours; no number leaves ours out",
    )
    parser.add_argument("--seeds", type=int, default=3, help="of ours at every budget")
    parser.add_argument(
        "--minutes", type=float, nargs="*", default=MINUTES, help="theirs; likewise"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    rows: list[dict[str, Any]] = []

    def add(way: str, seed: int, found: tuple[float, int, np.ndarray]) -> float:
        seconds, n, images = found
        reached = accuracy(images, test)
        rows.append({"way": way, "seed": seed, "images": n, "seconds": seconds, "cas": reached})
        print(f"{way}, seed {seed}: {n:,} images, {seconds:.0f} s, {reached:.2%}", flush=True)
        about = {"machine": machine(), "goal": arguments.goal, "system": arguments.system}
        about |= {"generated": len(LABELS), "steps": STEPS}
        write_json(arguments.out, about | {"rows": rows})
        return reached

    with tempfile.TemporaryDirectory() as work:
        sets = fetch_mnist(
            "mnist",
            path=arguments.data,
            data_dir=None,
            image_size=SIDE,
            channels=1,
            workdir=Path(work),
        ).sets
        digits, test = sets["train"], sets["test"]
        for n in arguments.images:
            reached = [
                add("ours", seed, ours(digits, arguments.system, n, seed))
                for seed in range(arguments.seeds)
            ]
            if min(reached) >= arguments.goal:
                break
        for found in tutorial(digits, arguments.minutes):
            if add("theirs", 0, found) >= arguments.goal:
                break


if __name__ == "__main__":
    main()
