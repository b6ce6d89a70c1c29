"""How often pictures that are not the same look nearly the same, and how often copies do.

    python benchmarks/near_duplicates.py --data ~/data --source mnist

False alarms: pairs of different images of the whole data set, in two parts or two classes, whose
perceptual hashes differ in at most some bits; MNIST and Fashion-MNIST hold hardly a copy. Found: of
copies that were changed a little, the share at most as far from their originals.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from augment.sources.duplicates import NEAR_BITS, identical_sets, near_pairs, perceptual_hashes
from augment.sources.fetching import fetch_source

THRESHOLDS = (0, 4, 6, 8, 10, 12, 16, 20, 24)
N_COPIES = 2000


def jpeg(quality: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return what saving an image as JPEG and reading it again makes of it."""

    def change(image: np.ndarray) -> np.ndarray:
        file = io.BytesIO()
        Image.fromarray(image[..., 0]).save(file, "JPEG", quality=quality)
        return np.asarray(Image.open(file))[..., None]

    return change


def enlarge_and_reduce(image: np.ndarray) -> np.ndarray:
    """Return the image after it was enlarged twice and reduced again."""
    picture = Image.fromarray(image[..., 0])
    large = picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.BICUBIC)
    return np.asarray(large.resize(picture.size, Image.Resampling.BICUBIC))[..., None]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of data sets")
    parser.add_argument("--source", choices=("mnist", "fashion-mnist"), default="mnist")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sets = fetch_source(
            arguments.source,
            path=None,
            data_dir=arguments.data,
            image_size=28,
            channels=1,
            workdir=Path(folder) / "sets",
        ).sets
        images = np.concatenate([each.images for each in sets.values()])
    labels = np.concatenate([each.labels for each in sets.values()])
    parts = np.repeat(np.arange(len(sets)), [len(each) for each in sets.values()])
    began = time.perf_counter()
    identical = identical_sets(images)
    digests = time.perf_counter() - began
    began = time.perf_counter()
    hashes = perceptual_hashes(images)
    hashing = time.perf_counter() - began
    kinds = parts * 10 + labels
    different = np.unique(identical, return_index=True)[1]
    began = time.perf_counter()
    at_default = near_pairs(hashes[different], kinds[different])
    pairing = time.perf_counter() - began
    found = near_pairs(hashes[different], kinds[different], bits=max(THRESHOLDS), most=10**7)
    n = len(different)
    print(f"{arguments.source}: {len(images):,} images, {len(images) - n:,} repeat another one")
    print(
        f"digests {digests:.1f} s, hashes {hashing:.1f} s, pairs at {NEAR_BITS} bits "
        f"{pairing:.1f} s, {at_default.n} pairs"
    )
    print(f"of {n * (n - 1) // 2:,} pairs, in two parts or classes and at most so many bits apart:")
    print({bits: int((found.distance <= bits).sum()) for bits in THRESHOLDS})
    rng = np.random.default_rng(0)
    chosen = images[rng.permutation(len(images))[:N_COPIES]]
    changes: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "JPEG, quality 90": jpeg(90),
        "JPEG, quality 75": jpeg(75),
        "JPEG, quality 50": jpeg(50),
        "darker by a tenth": lambda image: (0.9 * image).astype(np.uint8),
        "enlarged twice and back": enlarge_and_reduce,
        "noise, deviation 3": lambda image: np.clip(
            image + rng.normal(0, 3, image.shape), 0, 255
        ).astype(np.uint8),
        "shifted by one pixel": lambda image: np.roll(image, 1, axis=1),
    }
    print(f"share of {N_COPIES:,} changed copies at most so many bits from their originals:")
    originals = perceptual_hashes(chosen)
    for name, change in changes.items():
        copies = perceptual_hashes(np.stack([change(image) for image in chosen]))
        bits = np.bitwise_count(copies ^ originals).sum(axis=1)
        shares = {most: round(float((bits <= most).mean()), 3) for most in THRESHOLDS}
        print(f"  {name}: {shares}")


if __name__ == "__main__":
    main()
