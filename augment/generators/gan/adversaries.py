"""The networks that are trained against each other, one step of their game, and its schedule."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from augment.generators.family import Setup, Trainer, rate_share
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
from augment.generators.sampling import CHUNK, to_uint8
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


class _Game:
    """What every kind of adversaries shares: noise by stream, the schedule, drawing."""

    network: nn.Module
    loss_names: tuple[str, ...]
    parts: dict[str, Any]

    def __init__(
        self, architecture: Architecture, system: System, setup: Setup, discriminator: nn.Module
    ) -> None:
        self.architecture = architecture
        self.system = system
        self.fabric = setup.fabric
        self.further: Mapping[str, nn.Module] = {}
        self._setup = setup
        self._plain_discriminator = discriminator
        self._local = slice(self.fabric.global_rank, None, self.fabric.world_size)
        self._optimizers: list[tuple[Any, float]] = []  # with its full learning rate
        self._phase = -1

    def draw(self, network: nn.Module, labels: Tensor, stream: str) -> np.ndarray:
        """Draw images as `Trainer.draw` says."""
        latent = draw_latent(self.architecture, len(labels), torch_stream(self._setup.seed, stream))
        training = network.training
        network.eval()
        device = self.fabric.device
        with torch.inference_mode():
            blocks = [
                to_uint8(network(z.to(device), y.to(device)))
                for z, y in zip(torch.split(latent, CHUNK), torch.split(labels, CHUNK), strict=True)
            ]
        network.train(training)
        return np.concatenate(blocks)

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
        for optimizer, rate in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = share * rate

    def _noise(self, *name: str | int) -> Tensor:
        """Draw this process's part of a batch of noise from the stream of that name."""
        stream = torch_stream(self._setup.seed, *name)
        latent = draw_latent(self.architecture, self.system.batch_size, stream)
        return latent[self._local].to(self.fabric.device)

    def _seed_dropout(self, step: int) -> None:
        # Dropout draws from the global state; seeded by step, a resumed run draws the same.
        if any(self.architecture.dropout):
            seed = derive_seed(self._setup.seed, "dropout", step, self.fabric.global_rank)
            torch.manual_seed(seed)

    def _adam(self, parameters: Any, rate: float) -> torch.optim.Adam:
        return torch.optim.Adam(parameters, lr=rate, betas=self.system.betas, fused=True)


class _Gan(_Game):
    """A generator and a discriminator (Goodfellow et al., 2014)."""

    NETWORKS = (Generator, Discriminator)
    loss_names: tuple[str, ...] = ("generator_loss", "discriminator_loss")

    def __init__(
        self,
        networks: list[Any],
        architecture: Architecture,
        system: System,
        setup: Setup,
    ) -> None:
        self.network, discriminator = networks
        super().__init__(architecture, system, setup, discriminator)
        self.further = {"discriminator": discriminator}
        self._feedback = setup.feedback
        self._generator, generator_optimizer = self.fabric.setup(
            self.network, self._adam(self.network.parameters(), system.generator_rate)
        )
        self._discriminator, discriminator_optimizer = self.fabric.setup(
            self._plain_discriminator,
            self._adam(self._plain_discriminator.parameters(), system.discriminator_rate),
        )
        self._g_optimizer, self._d_optimizer = generator_optimizer, discriminator_optimizer
        self._optimizers = [
            (generator_optimizer, system.generator_rate),
            (discriminator_optimizer, system.discriminator_rate),
        ]
        self.parts = {
            "generator": self.network,
            "discriminator": self._plain_discriminator,
            "generator_optimizer": generator_optimizer,
            "discriminator_optimizer": discriminator_optimizer,
        }

    def reconstruct(self, real: Tensor) -> Tensor | None:
        return None

    def update(self, real: Tensor, labels: Tensor, step: int) -> Tensor:
        self._follow_schedule(step)
        self._seed_dropout(step)
        # Further updates of the discriminator see the same real images and fresh noise.
        for extra in range(1, self.system.discriminator_updates):
            with torch.no_grad():
                fake = self._generator(self._noise("latent", step, "discriminator", extra), labels)
            self._update_discriminator(real, fake, labels)
        fake = self._generator(self._noise("latent", step), labels)
        d_loss = self._update_discriminator(real, fake, labels)
        g_loss = self._update_generator(fake, labels)
        for extra in range(1, self.system.generator_updates):
            fake = self._generator(self._noise("latent", step, "generator", extra), labels)
            g_loss = self._update_generator(fake, labels)
        return torch.stack([g_loss, d_loss])

    def _update_discriminator(self, real: Tensor, fake: Tensor, labels: Tensor) -> Tensor:
        loss = discriminator_loss(
            *self._scores(real, fake.detach(), labels),
            self.system.loss,
            self.system.real_target,
        )
        self._d_optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        self._d_optimizer.step()
        return loss.detach()

    def _update_generator(self, fake: Tensor, labels: Tensor) -> Tensor:
        # The discriminator's own module is used, so that processes do not wait for gradients that
        # it does not get here.
        self._plain_discriminator.requires_grad_(False)
        with self.fabric.autocast():
            loss = generator_loss(self._plain_discriminator(fake, labels), self.system.loss)
        if self.system.feedback:
            assert self._feedback is not None, "the system asks for feedback"
            loss = loss - self.system.feedback * self._feedback(fake.float(), labels)
        self._g_optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        self._g_optimizer.step()
        self._plain_discriminator.requires_grad_(True)
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
        self,
        networks: list[Any],
        architecture: Architecture,
        system: System,
        setup: Setup,
    ) -> None:
        self.network, self._encoder, discriminator = networks
        super().__init__(architecture, system, setup, discriminator)
        self._plain_autoencoder = _EncodeDecode(self._encoder, self.network)
        optimizer = self._adam(
            chain(self._encoder.parameters(), self.network.parameters()), system.generator_rate
        )
        # Encoder and decoder are one module to the fabric, with one optimiser.
        self._autoencoder, self._g_optimizer = self.fabric.setup(self._plain_autoencoder, optimizer)
        self._discriminator, self._d_optimizer = self.fabric.setup(
            self._plain_discriminator,
            self._adam(self._plain_discriminator.parameters(), system.discriminator_rate),
        )
        self._optimizers = [
            (self._g_optimizer, system.generator_rate),
            (self._d_optimizer, system.discriminator_rate),
        ]
        self.parts = {
            "generator": self.network,
            "encoder": self._encoder,
            "discriminator": self._plain_discriminator,
            "generator_optimizer": self._g_optimizer,
            "discriminator_optimizer": self._d_optimizer,
        }

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
        codes, reconstructed = self._autoencoder(real)
        self._plain_discriminator.requires_grad_(False)
        with self.fabric.autocast():
            fooled = generator_loss(self._plain_discriminator(codes), "bce")
        reconstruction = F.l1_loss(reconstructed.float(), real)
        loss = weight * fooled + (1 - weight) * reconstruction
        self._g_optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        self._g_optimizer.step()
        self._plain_discriminator.requires_grad_(True)

        # Update the discriminator: noise is its "real".
        prior = self._noise("latent", step)
        scores = self._discriminator(torch.cat([prior, codes.detach().to(prior.dtype)]))
        d_loss = discriminator_loss(
            scores[: len(prior)], scores[len(prior) :], "bce", self.system.real_target
        )
        self._d_optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(d_loss)
        self._d_optimizer.step()
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
