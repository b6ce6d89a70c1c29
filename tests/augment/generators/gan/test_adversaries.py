from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from augment.generators.family import Feedback, Setup, Trainer, build_trainer
from augment.generators.gan.losses import discriminator_loss, generator_loss
from augment.generators.gan.networks import Discriminator, Generator, draw_latent
from augment.generators.gan.settings import System
from augment.generators.gan.systems import SYSTEMS
from augment.streams import derive_seed, torch_stream

N = 6
DISTINCT = list(
    {(s.networks, s.loss, s.init_std): name for name, s in reversed(SYSTEMS.items())}.values()
)
"""A system for each kind of networks and losses."""


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def bright(images: Tensor, labels: Tensor) -> Tensor:
    """A judge that likes bright images."""
    return images.mean()


Build = Callable[..., tuple[Trainer, System]]


@pytest.fixture
def build(fabric: Fabric) -> Build:
    """Build tiny adversaries of a system, with overrides."""

    def build_tiny(
        name: str = "cdcgan",
        *,
        judge: Feedback | None = bright,
        seed: int = 3,
        batch_size: int = N,
        steps: int = 1000,
        **overrides: Any,
    ) -> tuple[Trainer, System]:
        system = SYSTEMS[name]
        own = {
            key: overrides.pop(key) for key in ("betas", "adversarial_weight") if key in overrides
        }
        system = replace(system.replaced({"batch_size": batch_size} | overrides), **own)
        adversaries = build_trainer(
            system, system.architecture(3, 1, 28, width=0.05), Setup(seed, steps, fabric, judge)
        )
        return adversaries, system

    return build_tiny


def real_batch(n: int = N) -> tuple[Tensor, Tensor]:
    stream = torch.Generator().manual_seed(7)
    labels = torch.arange(n) % 3
    images = 0.3 * torch.randn(n, 1, 28, 28, generator=stream) - 0.5
    for image, label in zip(images, labels, strict=True):
        image[:, 8 * label : 8 * label + 8] += 1
    return images.clamp(-1, 1), labels


def parameters(adversaries: Trainer) -> dict[str, Tensor]:
    return {
        f"{name}.{key}": value.detach().clone()
        for name, part in adversaries.parts.items()
        if isinstance(part, nn.Module)
        for key, value in part.named_parameters()
    }


def state(adversaries: Trainer) -> dict[str, Tensor]:
    """Return every number that a step may change, the optimisers' too."""
    return dict(tensors({name: part.state_dict() for name, part in adversaries.parts.items()}))


def tensors(value: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield name, value.detach().clone()
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield from tensors(entry, f"{name}.{key}")


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def count_steps(adversaries: Trainer) -> list[str]:
    """Name the optimisers that make a step, in order."""
    done: list[str] = []
    for name in ("generator", "discriminator"):
        optimizer = adversaries.parts[f"{name}_optimizer"].optimizer
        optimizer.register_step_post_hook(lambda *_, name=name: done.append(name))
    return done


# ------------------------------------------------------------------ one step


@pytest.mark.parametrize("name", DISTINCT)
def test_one_step_changes_every_network(build: Build, name: str) -> None:
    adversaries, system = build(name)
    before = parameters(adversaries)
    losses = adversaries.update(*real_batch(), 0)
    names = ["generator_loss", "discriminator_loss"]
    if system.networks.code_discriminator:
        names.append("reconstruction_loss")
    assert list(adversaries.loss_names) == names
    assert losses.shape == (len(names),)
    assert losses.isfinite().all()
    assert not losses.requires_grad
    after = parameters(adversaries)
    # The label's part of a batch may hit a dead ReLU; a weight matrix as a whole does not.
    unchanged = [key for key in before if torch.equal(before[key], after[key])]
    assert [key for key in unchanged if not key.endswith("bias")] == []
    networks = {"generator", "discriminator"}
    if system.networks.code_discriminator:
        networks |= {"encoder"}
    assert {key.split(".")[0] for key in before} == networks
    assert adversaries.parts.keys() == networks | {"generator_optimizer", "discriminator_optimizer"}
    # Nothing stays frozen for the next step.
    for part in adversaries.parts.values():
        if isinstance(part, nn.Module):
            assert part.training
            assert all(parameter.requires_grad for parameter in part.parameters())


def first_step(system: System, precision: Any = "32-true") -> tuple[Tensor, dict[str, Tensor]]:
    """Return the losses of a first step, and the first moments, which are its gradients."""
    fabric = Fabric(accelerator="cpu", devices=1, precision=precision)
    architecture = system.architecture(3, 1, 28, width=0.25)
    adversaries = build_trainer(system, architecture, Setup(3, 1000, fabric))
    losses = adversaries.update(*real_batch(), 0)
    moments = {key: value for key, value in state(adversaries).items() if key.endswith("exp_avg")}
    return losses, moments


@pytest.mark.parametrize("name", ["cdcgan-projection", "cdcgan"])
def test_layout_and_precision_hardly_change_a_step(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = SYSTEMS[name].replaced({"batch_size": N})
    losses, moments = first_step(system)
    in_bf16 = first_step(system, "bf16-mixed")[0].float()
    assert not torch.equal(in_bf16, losses)
    assert torch.allclose(in_bf16, losses, rtol=0.1)
    monkeypatch.setattr(torch, "channels_last", torch.contiguous_format)
    in_rows, others = first_step(system)
    assert torch.allclose(in_rows, losses, rtol=1e-5)
    assert moments.keys() == others.keys() != set()
    for key, value in moments.items():
        assert (value - others[key]).norm() <= 1e-3 * value.norm() + 1e-7, key


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cdcgan-no-bn", {}),
        ("cdcgan-no-bn", {"loss": "hinge"}),
        ("cdcgan-smooth", {}),
        ("fau-gan", {}),
    ],
)
def test_the_losses_are_those_of_the_networks_before_their_step(
    build: Build, name: str, options: dict[str, Any]
) -> None:
    adversaries, system = build(name, **options)
    generator, discriminator = adversaries.parts["generator"], adversaries.parts["discriminator"]
    real, labels = real_batch()
    latent = draw_latent(system.networks, N, torch_stream(3, "latent", 0))
    with torch.no_grad():
        fake = generator(latent, labels)
        scores = discriminator(real, labels), discriminator(fake, labels)
        d_loss = discriminator_loss(*scores, system.loss, system.real_target)
    # The generator meets the discriminator after its step, with the same images.
    other, _ = build(name, discriminator_rate=1e-30, **options)
    g_loss = generator_loss(scores[1], system.loss)
    frozen = other.update(real, labels, 0)
    torch.testing.assert_close(frozen, torch.stack([g_loss, d_loss]), rtol=1e-4, atol=1e-5)
    moved = adversaries.update(real, labels, 0)
    torch.testing.assert_close(moved[1], d_loss, rtol=1e-4, atol=1e-5)
    assert not torch.equal(moved[0], frozen[0])


@pytest.mark.parametrize("name", ["cdcgan", "cdcgan-no-bn"])
def test_batch_norm_sees_real_and_generated_images_apart(build: Build, name: str) -> None:
    adversaries, _ = build(name)
    sizes: list[int] = []
    adversaries.parts["discriminator"].register_forward_pre_hook(
        lambda _, args: sizes.append(len(args[0]))
    )
    adversaries.update(*real_batch(), 0)
    # Without it, both pass together; then the generator's images.
    assert sizes == ([N, N, N] if name == "cdcgan" else [2 * N, N])


# ------------------------------------------------------------------ updates of a step


@pytest.mark.parametrize(
    ("name", "options", "g", "d"),
    [
        ("cdcgan", {"generator_updates": 3, "discriminator_updates": 2}, 3, 2),
        ("dcgan-d3", {}, 1, 3),
        ("fau-cdcgan", {}, 2, 1),
        ("padova-aae", {}, 1, 1),
    ],
)
def test_the_number_of_updates(
    build: Build, name: str, options: dict[str, int], g: int, d: int
) -> None:
    adversaries, _ = build(name, **options)
    done = count_steps(adversaries)
    for step in range(2):
        adversaries.update(*real_batch(), step)
    assert (done.count("generator"), done.count("discriminator")) == (2 * g, 2 * d)
    if name != "padova-aae":
        assert done == (["discriminator"] * d + ["generator"] * g) * 2


def test_further_updates_share_the_real_images_with_fresh_noise_each(build: Build) -> None:
    adversaries, _ = build("cdcgan", generator_updates=3, discriminator_updates=3)
    shown: list[Tensor] = []
    latents: list[Tensor] = []
    adversaries.parts["discriminator"].register_forward_pre_hook(
        lambda _, args: shown.append(args[0].detach().clone())
    )
    adversaries.parts["generator"].register_forward_pre_hook(
        lambda _, args: latents.append(args[0].clone())
    )
    real, labels = real_batch()
    adversaries.update(real, labels, 0)
    adversaries.update(real, labels, 1)
    # Five batches of noise a step: two more for each, and one that both share; none twice.
    assert len(latents) == 10
    assert len({latent.numpy().tobytes() for latent in latents}) == 10
    # The discriminator's updates see real and generated images, the generator's its own.
    assert len(shown) == 2 * 9
    assert [torch.equal(images, real) for images in shown[:9]] == [True, False] * 3 + [False] * 3
    # The last of the one and the first of the other see the same generated images.
    assert torch.equal(shown[5], shown[6])


def test_more_updates_of_one_network_begin_as_one_does(build: Build) -> None:
    # The first update of a step's last discriminator update has the noise of a plain step.
    one, three = (build("cdcgan", discriminator_updates=d)[0] for d in (1, 3))
    latents: list[list[Tensor]] = [[], []]
    for adversaries, seen in zip((one, three), latents, strict=True):
        adversaries.parts["generator"].register_forward_pre_hook(
            lambda _, args, seen=seen: seen.append(args[0].clone())
        )
        adversaries.update(*real_batch(), 5)
    assert [len(seen) for seen in latents] == [1, 3]
    assert torch.equal(latents[0][0], latents[1][2])


# ------------------------------------------------------------------ feedback


@pytest.mark.parametrize("name", ["cdcgan-feedback", "fau-cdcgan", "cgan-dense"])
def test_feedback_pulls_the_images_where_the_judge_likes_them(build: Build, name: str) -> None:
    brightness = []
    for alpha in (-20.0, 0.0, 20.0):
        adversaries, _ = build(name, feedback=alpha, generator_rate=1e-3)
        for step in range(15):
            adversaries.update(*real_batch(), step)
        drawn = adversaries.draw(adversaries.network, torch.arange(64) % 3, "look")
        brightness.append(drawn.mean() / 127.5)
    darker, without, brighter = brightness
    assert darker < without - 0.05
    assert brighter > without + 0.05


def test_feedback_is_in_the_generators_loss_with_its_weight(build: Build) -> None:
    asked: list[tuple[Tensor, Tensor]] = []

    def judge(images: Tensor, labels: Tensor) -> Tensor:
        asked.append((images.detach().clone(), labels))
        return images.mean()

    real, labels = real_batch()
    without = build("cdcgan-smooth")[0].update(real, labels, 0)
    system = SYSTEMS["cdcgan-feedback"]
    assert system.feedback == 1
    losses = build("cdcgan-feedback", judge=judge)[0].update(real, labels, 0)
    ((images, asked_labels),) = asked
    assert torch.equal(asked_labels, labels)
    assert images.shape == real.shape
    # Minus alpha times the score, in the generator's loss alone.
    assert float(losses[0]) == pytest.approx(float(without[0] - images.mean()), rel=1e-4)
    assert torch.equal(losses[1], without[1])


def test_feedback_is_needed_where_it_has_a_weight(build: Build) -> None:
    adversaries, _ = build("cdcgan-feedback", judge=None)
    with pytest.raises(AssertionError, match="feedback"):
        adversaries.update(*real_batch(), 0)


def test_feedback_is_not_asked_where_it_has_no_weight(build: Build) -> None:
    def judge(images: Tensor, labels: Tensor) -> Tensor:
        raise AssertionError("nobody asked")

    with_judge, without = build("cdcgan", judge=judge)[0], build("cdcgan", judge=None)[0]
    for adversaries in (with_judge, without):
        adversaries.update(*real_batch(), 0)
    assert same(state(with_judge), state(without))


# ------------------------------------------------------------------ rates and slopes


def rates(adversaries: Trainer) -> tuple[float, float]:
    found = []
    for name in ("generator_optimizer", "discriminator_optimizer"):
        (group,) = adversaries.parts[name].param_groups
        found.append(float(group["lr"]))
    return found[0], found[1]


@pytest.mark.parametrize("name", ["fau-cdcgan", "cdcgan-projection", "padova-aae"])
def test_rates_are_shares_of_the_systems_own(build: Build, name: str) -> None:
    adversaries, system = build(name, steps=8, decay_start=0.0)
    own = system.generator_rate, system.discriminator_rate
    assert rates(adversaries) == own
    for step in (4, 7, 0):  # Of the full rates, not of what they were.
        adversaries.update(*real_batch(), step)
        share = 1 - step / 8
        assert rates(adversaries) == pytest.approx((share * own[0], share * own[1]))
    before = parameters(adversaries)
    adversaries.update(*real_batch(), 8)
    assert same(before, parameters(adversaries))


def test_adam_is_the_published_one(build: Build) -> None:
    adversaries, _ = build("gehu-celeba", betas=(0.4, 0.9))
    for name in ("generator_optimizer", "discriminator_optimizer"):
        optimizer = adversaries.parts[name].optimizer
        assert type(optimizer) is torch.optim.Adam
        (group,) = optimizer.param_groups
        assert (group["betas"], group["eps"], group["weight_decay"]) == ((0.4, 0.9), 1e-8, 0)


@pytest.mark.parametrize("name", ["padova-dcgan", "padova-aae", "cdcgan-projection"])
def test_the_slope_is_the_discriminators_alone(build: Build, name: str) -> None:
    adversaries, system = build(name, phases=((0.0, 1.0, 0.07),))
    a = adversaries.update(*real_batch(), 0)
    assert adversaries.changed() == {"discriminator_slope": 0.07}

    def slopes(part: str) -> set[float]:
        found = adversaries.parts[part].modules()
        return {module.negative_slope for module in found if isinstance(module, nn.LeakyReLU)}

    assert slopes("discriminator") == {0.07}
    assert slopes("generator") <= {system.networks.generator_slope}
    if "encoder" in adversaries.parts:
        assert slopes("encoder") == {0.2}
    # It is what the step is made with.
    plain, _ = build(name, phases=())
    assert not torch.equal(a, plain.update(*real_batch(), 0))
    plain, _ = build(name, discriminator_slope=0.07, phases=())
    if "encoder" not in adversaries.parts:
        assert torch.equal(a, plain.update(*real_batch(), 0))


# ------------------------------------------------------------------ the autoencoder


def test_the_autoencoder_learns_to_reconstruct(build: Build) -> None:
    adversaries, _ = build("padova-aae", generator_rate=2e-3, discriminator_rate=1e-3)
    real, labels = real_batch()
    errors = [float(adversaries.update(real, labels, step)[2]) for step in range(60)]
    assert errors[-1] < 0.5 * errors[0]
    # It is the mean absolute error.
    fresh, _ = build("padova-aae", generator_rate=1e-30)
    encoder, generator = fresh.parts["encoder"], fresh.parts["generator"]
    with torch.no_grad():
        expected = (generator(encoder(real), labels) - real).abs().mean()
    assert float(fresh.update(real, labels, 0)[2]) == pytest.approx(float(expected), rel=1e-4)


def test_an_autoencoder_shows_its_reconstructions(build: Build) -> None:
    adversaries, _ = build("padova-aae", generator_rate=2e-3)
    real, labels = real_batch()
    for step in range(40):
        adversaries.update(real, labels, step)
    before = state(adversaries)
    found = adversaries.reconstruct(real)
    assert found is not None
    assert (found.shape, found.dtype, found.requires_grad) == (real.shape, torch.float32, False)
    assert found.abs().max() <= 1
    # Of each image its own, as in evaluation: the first alone comes out alike.
    alone = adversaries.reconstruct(real[:1])
    assert alone is not None
    torch.testing.assert_close(alone, found[:1], rtol=1e-4, atol=1e-5)
    # Looking changes nothing, and training goes on.
    assert same(state(adversaries), before)
    for part in ("encoder", "generator", "discriminator"):
        assert adversaries.parts[part].training


def test_the_discriminator_on_the_code_tells_noise_from_codes(build: Build) -> None:
    adversaries, system = build("padova-aae", generator_rate=1e-30, discriminator_rate=2e-3)
    real, labels = real_batch()
    losses = [adversaries.update(real, labels, 0) for _ in range(60)]
    # Adam cannot move the codes, so noise and codes come apart; noise is the "real" one.
    assert float(losses[0][1]) == pytest.approx(2 * math.log(2), abs=0.1)
    assert float(losses[-1][1]) < 0.8 * float(losses[0][1])
    discriminator, encoder = adversaries.parts["discriminator"], adversaries.parts["encoder"]
    noise = draw_latent(system.networks, N, torch_stream(3, "latent", 0))
    with torch.no_grad():
        assert discriminator(noise).mean() > discriminator(encoder(real)).mean()


def test_the_adversarial_weight_trades_one_for_the_other(build: Build) -> None:
    real, labels = real_batch()
    # Weight 1: nothing asks for a reconstruction, so the decoder learns nothing.
    adversaries, _ = build("padova-aae", adversarial_weight=1.0)
    before = parameters(adversaries)
    adversaries.update(real, labels, 0)
    after = parameters(adversaries)
    changed = {key.split(".")[0] for key in before if not torch.equal(before[key], after[key])}
    assert changed == {"encoder", "discriminator"}
    # Weight 0: the encoder does not care for the discriminator.
    results = []
    for rate in (1e-3, 1e-30):
        adversaries, _ = build("padova-aae", adversarial_weight=0.0, discriminator_rate=rate)
        for step in range(3):
            adversaries.update(real, labels, step)
        results.append(parameters(adversaries))
    a, b = results
    assert all(torch.equal(a[key], b[key]) for key in a if not key.startswith("discriminator"))
    assert not same(a, b)


# ------------------------------------------------------------------ random streams


@pytest.mark.parametrize("name", DISTINCT)
def test_one_seed_gives_the_same_bytes_whatever_the_global_state(build: Build, name: str) -> None:
    results = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        before = torch.get_rng_state()
        adversaries, _ = build(name)
        assert torch.equal(torch.get_rng_state(), before)
        losses = [adversaries.update(*real_batch(), step) for step in (0, 1)]
        results.append(state(adversaries) | {"losses": torch.stack(losses)})
    assert same(*results)
    other, _ = build(name, seed=4)
    first, _ = build(name)
    assert not same(parameters(other), parameters(first))


@pytest.mark.parametrize("name", ["tribhuvan-fashion", "tribhuvan-faces", "fau-cdcgan"])
def test_dropout_is_drawn_by_step(build: Build, name: str) -> None:
    real, labels = real_batch()

    def scores(step: int, seed: int = 3) -> Tensor:
        adversaries, _ = build(name, seed=3, discriminator_rate=1e-30, generator_rate=1e-30)
        setup = adversaries._setup  # type: ignore[attr-defined]
        adversaries._setup = replace(setup, seed=seed)  # type: ignore[attr-defined]
        seen: list[Tensor] = []
        adversaries.parts["discriminator"].register_forward_hook(
            lambda _, args, out: seen.append(out.detach().clone())
        )
        adversaries.update(real, labels, step)
        return seen[0][:N]

    assert torch.equal(scores(2), scores(2))
    assert not torch.equal(scores(2), scores(3))
    assert not torch.equal(scores(2), scores(2, seed=5))


def test_first_weights_are_the_seeds_and_of_the_asked_law(build: Build, fabric: Fabric) -> None:
    adversaries, system = build("cdcgan")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(3, "weights"))
        architecture = system.architecture(3, 1, 28, width=0.05)
        generator, discriminator = Generator(architecture), Discriminator(architecture)
    found = parameters(adversaries)
    for name, network in (("generator", generator), ("discriminator", discriminator)):
        for key, value in network.named_parameters():
            assert torch.equal(found[f"{name}.{key}"], value)
    # N(0, 0.02) where the system says so, whatever the width.
    normal, _ = build("gehu-celeba")
    values = parameters(normal)
    weights = torch.cat([v.flatten() for key, v in values.items() if key.endswith("weight")])
    assert float(weights.std()) == pytest.approx(0.02, rel=0.05)
    assert all(not v.any() for key, v in values.items() if key.endswith("bias"))
