"""A folder of the few real images that one cell of a finished study saw, for a study with no leak.

    python benchmarks/small_study.py --n 360 OUT

In the studies' protocol the generator sees all training images, also for a cell with a few of them.
This writes the very images of such a cell, and the study's test images, as OUT/train and OUT/test:
with `data.path: OUT`, everything that makes or chooses an image sees these few alone.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from augment.images.image_sets import open_image_set
from augment.images.splits import apportion
from augment.mixing.recipes import real_indices


def main() -> None:
    """Write the folder, which must not exist."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--n", type=int, required=True, help="real images of the cell")
    parser.add_argument("--real", type=Path, default=Path("data/real"), help="of the study")
    parser.add_argument("--seed", type=int, default=0, help="of the study's unit")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True)
    train, test = (open_image_set(arguments.real / part) for part in ("train", "test"))
    per_class = apportion(arguments.n, train.counts())
    order = real_indices(train.labels, train.n_classes, per_class.tolist(), arguments.seed)
    chosen = np.sort(order)
    for part, images, rows in (("train", train, chosen), ("test", test, np.arange(len(test)))):
        for row in rows.tolist():
            folder = arguments.out / part / images.class_names[images.labels[row]]
            folder.mkdir(parents=True, exist_ok=True)
            pixels = images.images[row]
            picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
            picture.save(folder / f"{row:05d}.png")
        print(f"{len(rows):,} images in {arguments.out / part}")


if __name__ == "__main__":
    main()
