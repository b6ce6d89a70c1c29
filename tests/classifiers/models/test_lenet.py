import pytest
import torch
from torch import nn
from torch.nn import functional as F

from classifiers.models.contract import Architecture, to_input
from classifiers.models.lenet import LeNet


def n_parameters(**kwargs: int) -> int:
    return sum(p.numel() for p in LeNet(Architecture(**kwargs)).parameters())


def test_it_is_lenet_5() -> None:
    # LeCun et al., 1998, with full connections between the convolutions.
    assert n_parameters(n_classes=10) == 61_706


def test_classes_channels_and_input_size_change_only_their_own_layers() -> None:
    plain = n_parameters(n_classes=10)
    assert n_parameters(n_classes=13) - plain == 3 * (LeNet.n_features + 1)
    assert n_parameters(n_classes=10, channels=3) - plain == 2 * 6 * 25
    # The map before the full connections: 5 x 5 at 32, 13 x 13 at 64, 29 x 29 at 128.
    assert n_parameters(n_classes=10, input_size=64) - plain == 16 * (13**2 - 5**2) * 120
    assert n_parameters(n_classes=10, input_size=128) - plain == 16 * (29**2 - 5**2) * 120


def test_bytes_become_minus_one_to_one() -> None:
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).repeat(32 * 32 // 3 + 1)[: 32 * 32]
    inputs = to_input(images.view(1, 1, 32, 32), 32).flatten()
    assert inputs.dtype == torch.float32
    assert inputs[0] == -1
    assert inputs[1] == pytest.approx(-0.6)
    assert inputs[2] == 1


def test_small_images_lie_in_the_middle_of_black() -> None:
    images = torch.full((1, 1, 28, 28), 200, dtype=torch.uint8)
    inputs = to_input(images, 32)[0, 0]
    assert torch.all(inputs[2:30, 2:30] > 0)
    frame = torch.ones(32, 32, dtype=torch.bool)
    frame[2:30, 2:30] = False
    assert torch.all(inputs[frame] == -1)


def test_an_odd_rest_goes_to_the_right_and_below() -> None:
    inputs = to_input(torch.ones(1, 1, 29, 29), 32)[0, 0]
    rows = torch.nonzero(inputs[:, 16] == 1).flatten().tolist()
    assert rows == list(range(1, 30))
    assert torch.equal(inputs, inputs.T)


def test_large_images_are_reduced_with_antialiasing() -> None:
    # Stripes of one pixel are gray after reducing; without antialiasing they would alias.
    stripes = torch.zeros(1, 1, 128, 128, dtype=torch.uint8)
    stripes[..., ::2] = 255
    inputs = to_input(stripes, 32)
    assert inputs.shape == (1, 1, 32, 32)
    assert inputs[..., 2:-2].abs().max() < 0.05
    constant = to_input(torch.full((1, 3, 64, 64), 0.25), 32)
    assert torch.allclose(constant, torch.tensor(0.25), atol=1e-6)


@pytest.mark.parametrize("side", [28, 32, 64])
def test_a_generators_output_is_differentiable_and_left_alone(side: int) -> None:
    images = (torch.rand(2, 1, side, side) * 2 - 1).requires_grad_()
    before = images.detach().clone()
    inputs = to_input(images, 32)
    inputs.sum().backward()
    assert torch.equal(images.detach(), before)
    assert images.grad is not None
    # Padding and identity pass each pixel on once; reducing to half spreads 1/4 of each.
    expected = 1.0 if side <= 32 else (32 / side) ** 2
    assert images.grad.mean() == pytest.approx(expected, rel=1e-3)
    # Through the network too.
    images.grad = None
    network = LeNet(Architecture(3, 1, side, 32))
    F.cross_entropy(network(to_input(images, 32)), torch.tensor([0, 1])).backward()
    assert images.grad.abs().max() > 0


def test_bytes_and_the_generators_floats_meet() -> None:
    values = torch.randint(0, 256, (2, 1, 64, 64), dtype=torch.uint8)
    assert torch.allclose(to_input(values, 32), to_input(values.float() / 127.5 - 1, 32), atol=1e-6)


def test_relu_after_pooling_is_relu_before_it() -> None:
    torch.manual_seed(0)
    ours = LeNet(Architecture(10)).to(memory_format=torch.channels_last)
    usual = nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )
    for theirs, value in zip(usual.parameters(), ours.parameters(), strict=True):
        theirs.data.copy_(value)
    inputs, labels = torch.randn(16, 1, 32, 32), torch.arange(16) % 10
    assert torch.allclose(ours(inputs), usual(inputs), atol=1e-6)
    for network in (ours, usual):
        F.cross_entropy(network(inputs), labels).backward()
    for theirs, value in zip(usual.parameters(), ours.parameters(), strict=True):
        assert torch.allclose(value.grad, theirs.grad, atol=1e-6)


@pytest.mark.parametrize(("input_size", "channels"), [(32, 1), (27, 3), (45, 1)])
def test_features_are_the_same_numbers_with_and_without_gradients(
    input_size: int, channels: int
) -> None:
    """Pooling differs; sides are odd before it, and values equal."""
    torch.manual_seed(0)
    network = LeNet(Architecture(10, channels=channels, input_size=input_size)).eval()
    inputs = torch.randn(16, channels, input_size, input_size).round()
    for memory_format in (torch.contiguous_format, torch.channels_last):
        network.to(memory_format=memory_format)
        inputs = inputs.contiguous(memory_format=memory_format)
        with_gradients = network.features(inputs)
        assert with_gradients.requires_grad
        for mode in (torch.no_grad, torch.inference_mode):
            with mode():
                assert torch.equal(network.features(inputs), with_gradients.detach())
