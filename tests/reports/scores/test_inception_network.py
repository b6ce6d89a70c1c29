"""InceptionV3 weights and features, with seeded weights of the published shapes."""

import hashlib
import math

import numpy as np
import pytest

from reports.scores.inception_network import (
    N_FEATURES,
    WEIGHTS_FILE,
    InceptionWeightsError,
    inception_features,
    load_inception,
)

torch = pytest.importorskip("torch")
published = pytest.importorskip("pytorch_fid.inception")


def architecture(monkeypatch):
    """pytorch-fid's network before any weights."""
    with monkeypatch.context() as patch:
        patch.setattr(published, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(torch.nn.Module, "load_state_dict", lambda *_, **__: None)
        return published.fid_inception_v3()


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of He-normal weights: torch's default gives features near 1e-8."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        state = architecture(monkeypatch).state_dict()
    generator = torch.Generator().manual_seed(0)
    for name, tensor in state.items():
        if tensor.ndim == 4:
            deviation = math.sqrt(2 / tensor[0].numel())
            state[name] = torch.randn(tensor.shape, generator=generator) * deviation
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save(state, path)
    return path


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def network(weights):
    return load_inception(weights, expected_sha256_prefix=sha256(weights)[:8])


def test_features_are_those_of_pytorch_fid(network, weights, monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, size=(3, 28, 28, 3), dtype=np.uint8)
    ours = inception_features(network, images, batch_size=2)
    assert ours.shape == (3, N_FEATURES)
    assert ours.dtype == np.float32
    state = torch.load(weights, weights_only=True)
    monkeypatch.setattr(published, "load_state_dict_from_url", lambda *_, **__: state)
    theirs = published.InceptionV3([3]).eval()
    with torch.inference_mode():
        pooled = theirs(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)[0]
    np.testing.assert_allclose(ours, pooled.flatten(1).numpy(), rtol=1e-3, atol=1e-4)
    assert ours.std() > 1e-3


def test_gray_is_repeated_to_three_channels(network):
    gray = np.random.default_rng(1).integers(0, 256, size=(1, 28, 28, 1), dtype=np.uint8)
    np.testing.assert_array_equal(
        inception_features(network, gray),
        inception_features(network, np.repeat(gray, 3, axis=-1)),
    )


def test_no_images_give_no_features(network):
    empty = np.zeros((0, 28, 28, 1), dtype=np.uint8)
    assert inception_features(network, empty).shape == (0, N_FEATURES)


def test_the_cache_is_used_before_any_download(weights, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *_, **__: pytest.fail("fetched"))
    cached = tmp_path / "checkpoints" / WEIGHTS_FILE
    cached.parent.mkdir()
    cached.symlink_to(weights)
    load_inception(None, hub_dir=tmp_path, expected_sha256_prefix=sha256(weights)[:8])


def test_the_download_is_checked_and_kept(weights, tmp_path):
    digest = sha256(weights)
    load_inception(
        None,
        hub_dir=tmp_path,
        expected_sha256_prefix=digest[:8],
        url=weights.as_uri(),
    )
    assert sha256(tmp_path / "checkpoints" / WEIGHTS_FILE) == digest


def test_a_download_with_another_digest_is_not_kept(tmp_path):
    wrong = tmp_path / "wrong.pth"
    wrong.write_bytes(b"not the weights")
    with pytest.raises(InceptionWeightsError, match="could not be downloaded") as caught:
        load_inception(None, hub_dir=tmp_path / "hub", url=wrong.as_uri())
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "hub" / "checkpoints" / WEIGHTS_FILE).exists()


def test_a_download_that_fails_says_in_one_line_where_to_put_the_file(tmp_path):
    absent = (tmp_path / "absent.pth").as_uri()
    with pytest.raises(InceptionWeightsError, match="could not be downloaded") as caught:
        load_inception(None, hub_dir=tmp_path, url=absent)
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "checkpoints" / WEIGHTS_FILE) in str(caught.value)
    assert "score.inception_weights" in str(caught.value)


def test_a_given_file_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(InceptionWeightsError, match=r"nowhere\.pth"):
        load_inception(tmp_path / "nowhere.pth")


def test_another_digest_is_refused_before_the_file_is_parsed(weights, monkeypatch):
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("parsed an unchecked file"))
    with pytest.raises(InceptionWeightsError, match=r"expected 6726825d\.\.\."):
        load_inception(weights)


def test_a_file_of_something_else_is_refused(tmp_path):
    junk = tmp_path / "junk.pth"
    junk.write_bytes(b"junk" * 100)
    with pytest.raises(InceptionWeightsError, match="is not a file of torch weights"):
        load_inception(junk, expected_sha256_prefix=sha256(junk)[:8])


def test_weights_of_another_network_are_refused_and_the_published_loader_is_put_back(tmp_path):
    other = tmp_path / "other.pth"
    torch.save({"weight": torch.zeros(3)}, other)
    loader = published.load_state_dict_from_url
    with pytest.raises(InceptionWeightsError, match="does not fit"):
        load_inception(other, expected_sha256_prefix=sha256(other)[:8])
    assert published.load_state_dict_from_url is loader
