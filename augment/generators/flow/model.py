"""Flow matching by azula: its U-Net, its rectified schedule, and its sampler by Euler's method.

Images x and noise z lie on straight paths, x_t = (1 - t) x + t z (Lipman et al., 2023; Liu et al.,
2022). The network learns to predict x from x_t; images are drawn by going from t = 1 to 0 along it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from azula.denoise import KarrasDenoiser
from azula.nn.layers import SineEncoding
from azula.nn.unet import UNet
from azula.noise import RectifiedSchedule
from azula.sample import EulerSampler
from torch import Tensor, nn

from augment.generators.budget import rate_share
from augment.generators.family import Setup, Trainer
from augment.generators.flow.systems import Architecture, System, read_architecture
from augment.generators.sampling import draw_in_chunks
from augment.placing import Ahead
from augment.streams import derive_seed, torch_stream

__all__ = ["Generator", "build_trainer", "read_architecture"]

_GROUPS = 4
"""Of the group norm. It decides weights, so it stands here: what systems.py holds does not."""

_LONGEST_WAVE = 100.0
"""Of the encoding of log(noise / signal), which lies between -7 and 7."""


class _Backbone(nn.Module):
    """What azula's denoiser asks for: a network of a noisy image, its time, and its label."""

    def __init__(self, a: Architecture) -> None:
        super().__init__()
        self.time = nn.Sequential(
            SineEncoding(a.embedding, omega=_LONGEST_WAVE), nn.Linear(a.embedding, a.embedding)
        )
        self.label = nn.Embedding(a.n_classes, a.embedding)
        self.unet = UNet(
            a.channels,
            a.channels,
            hid_channels=a.widths,
            hid_blocks=[0, *[1] * (len(a.widths) - 1)],
            mod_features=a.embedding,
            norm="group",
            groups=_GROUPS,
        )

    def forward(self, noisy: Tensor, time: Tensor, label: Tensor) -> Tensor:
        features: Tensor = self.time(time) + self.label(label)
        images: Tensor = self.unet(noisy, torch.nn.functional.silu(features))
        return images


class Generator(nn.Module):
    """A network that predicts the image behind a noisy one, of the label that it is given."""

    def __init__(self, architecture: Architecture) -> None:
        """Build the network of an architecture, with fresh weights."""
        super().__init__()
        self.architecture = architecture
        self.denoiser = KarrasDenoiser(_Backbone(architecture), RectifiedSchedule())

    def forward(self, images: Tensor, time: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of predicting images from their noisy copies; noise is torch's own.

        Args:
            images: real ones, float N x C x H x W in [-1, 1].
            time: float N, from 0 (no noise) to 1 (noise alone).
            labels: int64 N.
        """
        loss: Tensor = self.denoiser.loss(images, time, label=labels)
        return loss

    def noise(self, n: int, stream: torch.Generator) -> Tensor:
        """Return standard normal noise, float32 n x C x H x W."""
        a = self.architecture
        return torch.randn(n, a.channels, a.image_size, a.image_size, generator=stream)

    @torch.inference_mode()
    def draw(self, noise: Tensor, labels: Tensor) -> Tensor:
        """Carry noise to images.

        Args:
            noise: standard normal, float N x C x H x W.
            labels: int64 N.

        Returns:
            Float images, like ``noise``; about in [-1, 1].
        """
        sampler = EulerSampler(self.denoiser, steps=self.architecture.steps, silent=True)
        drawn: Tensor = sampler(noise, label=labels)
        return drawn


class FlowTrainer(Trainer):
    """Trains a flow: one network, one loss."""

    loss_names = ("denoising_loss",)

    def __init__(self, system: System, architecture: Architecture, setup: Setup) -> None:
        """Build the network with fresh weights, on the fabric's device."""
        self.system, self.architecture = system, architecture
        self._setup, self._fabric = setup, setup.fabric
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(setup.seed, "weights"))
            self.network = Generator(architecture).to(memory_format=torch.channels_last)
        optimizer = torch.optim.Adam(self.network.parameters(), system.learning_rate, fused=True)
        self._flow, self._optimizer = self._fabric.setup(self.network, optimizer)
        self.parts: dict[str, Any] = {"network": self.network, "optimizer": self._optimizer}
        self._ahead = Ahead(self._draw_times, setup.steps, self._fabric.device)

    def update(self, real: Tensor, labels: Tensor, step: int) -> Tensor:
        """Make one step, as `Trainer.update` says."""
        share = rate_share(step / self._setup.steps, self.system.decay_start)
        for group in self._optimizer.param_groups:
            group["lr"] = share * self.system.learning_rate
        (time,) = self._ahead.at(step)
        # azula's noise comes from the global state; seeded by step, a resumed run draws the same.
        torch.manual_seed(derive_seed(self._setup.seed, "noise", step, self._fabric.global_rank))
        loss: Tensor = self._flow(real, time, labels)
        self._optimizer.zero_grad(set_to_none=True)
        self._fabric.backward(loss)
        self._optimizer.step()
        return loss.detach().float()[None]

    def _draw_times(self, step: int) -> tuple[Tensor, ...]:
        rank, processes = self._fabric.global_rank, self._fabric.world_size
        stream = torch_stream(self._setup.seed, "time", step, rank)
        return (torch.rand(self.system.batch_size // processes, generator=stream),)

    def draw(self, network: nn.Module, labels: Tensor, stream: str) -> np.ndarray:
        """Draw images as `Trainer.draw` says."""
        assert isinstance(network, Generator)
        noise = network.noise(len(labels), torch_stream(self._setup.seed, stream))
        return draw_in_chunks(network.draw, noise, labels, self._fabric.device)


build_trainer = FlowTrainer
