"""The networks that are trained against each other, one step of their game, and its schedule."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from augment.generators.budget import rate_share
from augment.generators.family import Setup, Trainer
from augment.generators.gan.architectures import Architecture
from augment.generators.gan.losses import discriminator_loss, generator_loss
from augment.generators.gan.networks import (
    CodeDiscriminator,
    Discriminator,
    Encoder,
    Generator,
    draw_latent,
    initialise_normal,
    set_slope,
)
from augment.generators.gan.settings import System
from augment.generators.sampling import draw_in_chunks
from augment.placing import Ahead
from augment.streams import derive_seed, torch_stream


def build_trainer(system: System, architecture: Architecture, setup: Setup) -> Trainer:
    """Return the system's networks with fresh weights, on the fabric's device."""
    kind: type[_Gan | _Autoencoder] = _Autoencoder if architecture.code_discriminator else _Gan
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(setup.seed, "weights"))
        networks = [
            network(architecture).to(memory_format=torch.channels_last) for network in kind.NETWORKS
        ]
        if system.init_std:
            for network in networks:
                initialise_normal(network, system.init_std)
    return kind(networks, architecture, system, setup)


def phase_at(done: float, system: System) -> int:
    """Return the index of the phase that holds at ``done``, a share of the training in [0, 1)."""
    return max(i for i, (start, _, _) in enumerate(system.phases) if start <= done or i == 0)


class _Game(Trainer):
    """What every kind of adversaries shares: noise by stream, the schedule, steps, drawing."""

    def __init__(
        self,
        generating: nn.Module,
        discriminator: nn.Module,
        architecture: Architecture,
        system: System,
        setup: Setup,
    ) -> None:
        """Take what makes images and its opponent; each gets an optimiser."""
        self.architecture, self.system, self._setup = architecture, system, setup
        self.fabric = setup.fabric
        self._plain_discriminator = discriminator
        self._local = slice(self.fabric.global_rank, None, self.fabric.world_size)
        self._phase = -1
        self._ahead = Ahead(self._draw_noise, setup.steps, self.fabric.device)
        self._rates = (system.generator_rate, system.discriminator_rate)
        (self._generating, self._g_optimizer), (self._discriminator, self._d_optimizer) = (
            self.fabric.setup(
                module,
                torch.optim.Adam(module.parameters(), lr=rate, betas=system.betas, fused=True),
            )
            for module, rate in zip((generating, discriminator), self._rates, strict=True)
        )
        self.parts: dict[str, Any] = {
            "generator": self.network,
            "discriminator": discriminator,
            "generator_optimizer": self._g_optimizer,
            "discriminator_optimizer": self._d_optimizer,
        }

    def draw(self, network: nn.Module, labels: Tensor, stream: str) -> np.ndarray:
        """Draw images as `Trainer.draw` says."""
        latent = draw_latent(self.architecture, len(labels), torch_stream(self._setup.seed, stream))
        training = network.training
        network.eval()
        images = draw_in_chunks(network, latent, labels, self.fabric.device)
        network.train(training)
        return images

    def changed(self) -> dict[str, Any]:
        """Return the discriminator's slope, which phases lower."""
        phases = self.system.phases
        own = self.architecture.discriminator_slope
        return {"discriminator_slope": phases[self._phase][2] if phases else own}

    def _follow_schedule(self, step: int) -> None:
        """Set this step's learning rates, and its phase's slope."""
        system, done = self.system, step / self._setup.steps
        share = rate_share(done, system.decay_start)
        share *= system.decay_factor ** (step / system.decay_steps)
        if system.phases:
            phase = phase_at(done, system)
            share *= system.phases[phase][1]
            if phase != self._phase:
                self._phase = phase
                set_slope(self._plain_discriminator, system.phases[phase][2])
        for optimizer, rate in zip(
            (self._g_optimizer, self._d_optimizer), self._rates, strict=True
        ):
            for group in optimizer.param_groups:
                group["lr"] = share * rate

    def _streams(self, step: int) -> list[tuple[str | int, ...]]:
        """Name the streams of a step's batches of noise."""
        return [("latent", step)]

    def _draw_noise(self, step: int) -> tuple[Tensor, ...]:
        """Draw this process's part of each of a step's batches of noise."""
        streams = (torch_stream(self._setup.seed, *name) for name in self._streams(step))
        latents = (draw_latent(self.architecture, self.system.batch_size, s) for s in streams)
        return tuple(latent[self._local] for latent in latents)

    def _seed_dropout(self, step: int) -> None:
        # Dropout draws from the global state; seeded by step, a resumed run draws the same.
        if any(self.architecture.dropout):
            seed = derive_seed(self._setup.seed, "dropout", step, self.fabric.global_rank)
            torch.manual_seed(seed)

    @contextmanager
    def _frozen_discriminator(self) -> Iterator[nn.Module]:
        """Give the discriminator without gradients of its own.

        Its own module, so that processes do not wait for gradients that it does not get here.
        """
        self._plain_discriminator.requires_grad_(False)
        yield self._plain_discriminator
        self._plain_discriminator.requires_grad_(True)

    def _take_step(self, optimizer: Any, loss: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        optimizer.step()


class _Gan(_Game):
    """A generator and a discriminator (Goodfellow et al., 2014)."""

    NETWORKS = (Generator, Discriminator)
    loss_names: tuple[str, ...] = ("generator_loss", "discriminator_loss")

    def __init__(
        self, networks: list[Any], architecture: Architecture, system: System, setup: Setup
    ) -> None:
        self.network, discriminator = networks
        self.further = {"discriminator": discriminator}
        super().__init__(self.network, discriminator, architecture, system, setup)

    def update(self, real: Tensor, labels: Tensor, step: int) -> Tensor:
        self._follow_schedule(step)
        self._seed_dropout(step)
        noise = iter(self._ahead.at(step))
        # Further updates of the discriminator see the same real images and fresh noise.
        for _ in range(1, self.system.discriminator_updates):
            with torch.no_grad():
                fake = self._generating(next(noise), labels)
            self._update_discriminator(real, fake, labels)
        fake = self._generating(next(noise), labels)
        d_loss = self._update_discriminator(real, fake, labels)
        g_loss = self._update_generator(fake, labels)
        for latent in noise:
            fake = self._generating(latent, labels)
            g_loss = self._update_generator(fake, labels)
        return torch.stack([g_loss, d_loss])

    def _streams(self, step: int) -> list[tuple[str | int, ...]]:
        system = self.system
        further = [
            ("latent", step, "discriminator", k) for k in range(1, system.discriminator_updates)
        ]
        last = [("latent", step, "generator", k) for k in range(1, system.generator_updates)]
        return [*further, ("latent", step), *last]

    def _update_discriminator(self, real: Tensor, fake: Tensor, labels: Tensor) -> Tensor:
        scores = self._scores(real, fake.detach(), labels)
        loss = discriminator_loss(*scores, self.system.loss, self.system.real_target)
        self._take_step(self._d_optimizer, loss)
        return loss.detach()

    def _update_generator(self, fake: Tensor, labels: Tensor) -> Tensor:
        with self._frozen_discriminator() as discriminator:
            with self.fabric.autocast():
                loss = generator_loss(discriminator(fake, labels), self.system.loss)
            if self.system.feedback:
                feedback = self._setup.feedback
                assert feedback is not None, "the system asks for feedback"
                loss = loss - self.system.feedback * feedback(fake.float(), labels)
            self._take_step(self._g_optimizer, loss)
        return loss.detach()

    def _scores(self, real: Tensor, fake: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scores of real and of generated images.

        Batch norm must see real and generated images apart (Chintala et al., "How to train a
        GAN", 2016); without it one pass over both does the same for less.
        """
        if self.architecture.discriminator_norm.startswith("batch"):
            return self._discriminator(real, labels), self._discriminator(fake, labels)
        both = torch.cat([real, fake.to(real.dtype)])
        scores = self._discriminator(both, torch.cat([labels, labels]))
        return scores[: len(real)], scores[len(real) :]


class _Autoencoder(_Game):
    """An encoder, a decoder and a discriminator on the code (Makhzani et al., 2015).

    The decoder is the generator. The discriminator tells codes of real images from noise of the
    latent law; the encoder learns to fool it, so that decoded noise looks like decoded codes.
    """

    NETWORKS = (Generator, Encoder, CodeDiscriminator)
    loss_names: tuple[str, ...] = ("generator_loss", "discriminator_loss", "reconstruction_loss")

    def __init__(
        self, networks: list[Any], architecture: Architecture, system: System, setup: Setup
    ) -> None:
        self.network, encoder, discriminator = networks
        # Encoder and decoder are one module to the fabric, with one optimiser.
        self._plain_autoencoder = _EncodeDecode(encoder, self.network)
        super().__init__(self._plain_autoencoder, discriminator, architecture, system, setup)
        self.parts["encoder"] = encoder

    @torch.no_grad()
    def reconstruct(self, real: Tensor) -> Tensor | None:
        # Only the first process asks, so the module that waits for the others cannot be used.
        self._plain_autoencoder.eval()
        with self.fabric.autocast():
            reconstructed: Tensor = self._plain_autoencoder(real)[1]
        self._plain_autoencoder.train()
        return reconstructed.float()

    def update(self, real: Tensor, labels: Tensor, step: int) -> Tensor:
        self._follow_schedule(step)
        self._seed_dropout(step)
        weight = self.system.adversarial_weight

        # Update the encoder and the decoder.
        codes, reconstructed = self._generating(real)
        with self._frozen_discriminator() as discriminator:
            with self.fabric.autocast():
                fooled = generator_loss(discriminator(codes), "bce")
            reconstruction = F.l1_loss(reconstructed.float(), real)
            self._take_step(self._g_optimizer, weight * fooled + (1 - weight) * reconstruction)

        # Update the discriminator: noise is its "real".
        (prior,) = self._ahead.at(step)
        scores = self._discriminator(torch.cat([prior, codes.detach().to(prior.dtype)]))
        d_loss = discriminator_loss(
            scores[: len(prior)], scores[len(prior) :], "bce", self.system.real_target
        )
        self._take_step(self._d_optimizer, d_loss)
        return torch.stack([fooled.detach(), d_loss.detach(), reconstruction.detach()])


class _EncodeDecode(nn.Module):
    """Images to (codes, reconstructions)."""

    def __init__(self, encoder: Encoder, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        codes = self.encoder(images)
        labels = torch.zeros(len(images), dtype=torch.int64, device=images.device)
        return codes, self.decoder(codes, labels)
