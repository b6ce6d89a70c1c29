"""InceptionV3 features: ours against pytorch-fid's `get_activations` of the same images as files.

With weights of the published shapes that are drawn here: how fast they are does not depend on them.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image
from pytorch_fid import fid_score
from pytorch_fid import inception as published

from benchmarks.pairs import Pair, close
from reports.scores.inception_network import inception_features, load_inception

N_IMAGES = 50


def drawn_weights() -> dict[str, torch.Tensor]:
    """Return He-normal ones, with statistics of the batch normalisations other than 0 and 1."""
    with (
        mock.patch.object(published, "load_state_dict_from_url"),
        mock.patch.object(torch.nn.Module, "load_state_dict"),
    ):
        state = published.fid_inception_v3().state_dict()
    generator = torch.Generator().manual_seed(0)
    for name, values in state.items():
        if values.ndim == 4:
            deviation = math.sqrt(2 / values[0].numel())
            state[name] = torch.randn(values.shape, generator=generator) * deviation
        elif name.endswith("running_var"):
            state[name] = torch.rand(values.shape, generator=generator) + 0.5
    return state


def pairs() -> Iterator[Pair]:
    """Features of images of CIFAR-10's size."""
    with tempfile.TemporaryDirectory() as name:
        weights = Path(name) / "weights.pth"
        state = drawn_weights()
        torch.save(state, weights)
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
        network = load_inception(weights, expected_sha256_prefix=digest)
        with mock.patch.object(published, "load_state_dict_from_url", return_value=state):
            usual = published.InceptionV3([published.InceptionV3.BLOCK_INDEX_BY_DIM[2048]])
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (N_IMAGES, 32, 32, 3), dtype=np.uint8)
        files = [Path(name) / f"{row}.png" for row in range(N_IMAGES)]
        for pixels, file in zip(images, files, strict=True):
            Image.fromarray(pixels).save(file)

        def theirs() -> np.ndarray:
            with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
                return fid_score.get_activations(files, usual, num_workers=0)

        yield Pair(
            "InceptionV3 features",
            "images",
            N_IMAGES,
            lambda: inception_features(network, images),
            theirs,
            close(1e-5),
            repeats=3,
        )
