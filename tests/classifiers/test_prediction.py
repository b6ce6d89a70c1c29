import numpy as np
import pytest
import torch

from classifiers.models.contract import Architecture, to_input
from classifiers.models.lenet import LeNet
from classifiers.prediction import predict


@pytest.fixture
def network() -> LeNet:
    torch.manual_seed(0)
    return LeNet(Architecture(3))


def test_probabilities_features_and_classes(network, make_set) -> None:
    images = make_set(n=50).images
    said = predict(network, images)
    assert said.probabilities.shape == (50, 3)
    assert said.features.shape == (50, LeNet.n_features)
    assert said.probabilities.dtype == said.features.dtype == np.float32
    assert np.allclose(said.probabilities.sum(axis=1), 1, atol=1e-6)
    pixels = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2)
    with torch.no_grad():
        logits = network(to_input(pixels, 32))
        features = network.features(to_input(pixels, 32))
    assert np.allclose(said.probabilities, logits.softmax(1).numpy(), atol=1e-6)
    assert np.allclose(said.features, features.numpy(), atol=1e-5)
    assert said.classes.dtype == np.int64
    assert np.array_equal(said.classes, logits.argmax(1).numpy())


@pytest.mark.parametrize("batch_size", [1, 7, 50, 51])
def test_blocks_do_not_matter(network, make_set, batch_size: int) -> None:
    images = make_set(n=50).images
    whole, blocks = predict(network, images), predict(network, images, batch_size)
    assert np.allclose(whole.probabilities, blocks.probabilities, atol=1e-6)
    assert np.allclose(whole.features, blocks.features, atol=1e-5)


def test_no_image_gives_no_row(network) -> None:
    said = predict(network, np.empty((0, 28, 28, 1), np.uint8))
    assert said.probabilities.shape == (0, 3)
    assert said.classes.shape == (0,)


def test_predicting_leaves_weights_and_gradients_alone(network, make_set) -> None:
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    predict(network.train(), make_set().images)
    assert not network.training
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())
