"""InceptionV3 pool3 features for the FID that papers report, by pytorch-fid's network.

pytorch-fid downloads its weights without checking them. Here they come from a given file, from the
cache that pytorch-fid and torch share, or from the same download; and nothing is loaded whose
SHA-256 is not the published one.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reports.errors import ReportError

if TYPE_CHECKING:
    import torch

WEIGHTS_URL = (
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
    "pt_inception-2015-12-05-6726825d.pth"
)
WEIGHTS_FILE = "pt_inception-2015-12-05-6726825d.pth"
WEIGHTS_SHA256_PREFIX = "6726825d"
N_FEATURES = 2048

# The published file has 95.7 MB; anything much larger is not it and is not read.
_LARGEST_WEIGHTS = 200_000_000
# torchvision's Inception with 1,008 classes: the TensorFlow graph of 2015 that FID is defined on.
_N_CLASSES = 1008


class InceptionWeightsError(ReportError):
    """InceptionV3 weights that cannot be had or are not the published ones."""


def load_inception(
    weights: Path | None = None,
    *,
    hub_dir: Path | None = None,
    expected_sha256_prefix: str = WEIGHTS_SHA256_PREFIX,
    url: str = WEIGHTS_URL,
) -> torch.nn.Module:
    """Build pytorch-fid's InceptionV3 (pool3 output) from checked weights.

    Looked for in this order: ``weights``; ``checkpoints/`` under the torch hub folder; the
    download of 95.7 MB, which is kept in that folder.

    Args:
        weights: a file of pytorch-fid's state dict; if given, no other place is tried.
        hub_dir: torch hub folder; ``None`` takes torch's own (``$TORCH_HOME/hub``).
        expected_sha256_prefix: first hexadecimal digits that the file's SHA-256 must have.
        url: where the download comes from.

    Returns:
        The network in evaluation mode, float32, channels-last, without gradients.

    Raises:
        InceptionWeightsError: no weights in any of the places, or a file that is too large, has
            another digest or does not fit the network.
    """
    import torch

    hub = hub_dir or Path(torch.hub.get_dir())
    path = _locate(weights, hub, url, expected_sha256_prefix)
    _check_digest(path, expected_sha256_prefix)
    return _build(path).eval().to(memory_format=torch.channels_last)


def inception_features(
    network: torch.nn.Module, images: NDArray[np.uint8], batch_size: int = 50
) -> NDArray[np.float32]:
    """Pool3 features of images, as pytorch-fid computes them.

    Pixels are scaled to [0, 1], gray is repeated to three channels, and the network resizes to
    299 x 299 (bilinear) and maps to [-1, 1] itself. About five images a second on one core.

    Args:
        network: from `load_inception`, on any device.
        images: uint8, N x H x W x C with C 1 or 3; may be memory-mapped.
        batch_size: images at once; changes memory and speed only.

    Returns:
        float32, N x 2048.
    """
    import torch

    device = next(network.parameters()).device
    features = np.empty((len(images), N_FEATURES), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(images), batch_size):
            batch = torch.from_numpy(np.array(images[start : start + batch_size]))
            pixels = batch.to(device).permute(0, 3, 1, 2).float().div_(255)
            pixels = pixels.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
            pooled = network(pixels)[0]
            features[start : start + len(batch)] = pooled.flatten(1).cpu().numpy()
    return features


def inception_probabilities(
    network: torch.nn.Module, features: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Class probabilities of the network, for the Inception score, from its pool3 features.

    Args:
        network: from `load_inception`.
        features: float32, N x 2048, from `inception_features`.

    Returns:
        float32, N x 1008; rows sum to 1.
    """
    import torch

    classes = network.classes
    assert isinstance(classes, torch.nn.Linear)
    with torch.inference_mode():
        logits = classes(torch.from_numpy(features).to(classes.weight.device))
        probabilities: NDArray[np.float32] = logits.softmax(dim=1).cpu().numpy()
    return probabilities


def _locate(weights: Path | None, hub_dir: Path, url: str, prefix: str) -> Path:
    """The file to load: given, cached or downloaded."""
    import torch

    if weights is not None:
        if not weights.is_file():
            raise InceptionWeightsError(
                f"InceptionV3 weights: there is no file {weights}; get it from {url}"
            )
        return weights
    cached = hub_dir / "checkpoints" / WEIGHTS_FILE
    if cached.is_file():
        return cached
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        # Writes to a temporary name beside the target and renames it when the digest is right.
        torch.hub.download_url_to_file(url, str(cached), hash_prefix=prefix, progress=False)
    except (OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InceptionWeightsError(
            f"InceptionV3 weights could not be downloaded ({reason}): download {url} and put it at "
            f"{cached}, or name its place in score.inception_weights"
        ) from error
    return cached


def _check_digest(path: Path, expected_prefix: str) -> None:
    """Refuse a file that is not the published one, before anything parses it."""
    try:
        size = path.stat().st_size
        if size > _LARGEST_WEIGHTS:
            raise InceptionWeightsError(
                f"InceptionV3 weights: {path} has {size:,} bytes; "
                f"allowed: {_LARGEST_WEIGHTS:,} at most"
            )
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InceptionWeightsError(
            f"InceptionV3 weights: {path} cannot be read ({error.strerror})"
        ) from error
    if not digest.startswith(expected_prefix):
        raise InceptionWeightsError(
            f"InceptionV3 weights: {path} has the SHA-256 {digest[:12]}..., expected "
            f"{expected_prefix}...; delete it and get it again from {WEIGHTS_URL}"
        )


def _build(path: Path) -> torch.nn.Module:
    """pytorch-fid's network with the weights of ``path``, and no other download."""
    import torch
    from pytorch_fid import inception as published

    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InceptionWeightsError(
            f"InceptionV3 weights: {path} is not a file of torch weights ({type(error).__name__})"
        ) from error
    original = published.load_state_dict_from_url
    # The constructor downloads unless its loader is replaced: hand it the checked weights instead.
    published.load_state_dict_from_url = lambda *_args, **_kwargs: state
    try:
        network: torch.nn.Module = published.InceptionV3([3])
    except (RuntimeError, TypeError, AttributeError) as error:
        raise InceptionWeightsError(
            f"InceptionV3 weights: {path} does not fit pytorch-fid's network"
        ) from error
    finally:
        published.load_state_dict_from_url = original
    # pytorch-fid leaves out the classes, which the Inception score needs; its network has them.
    classes = torch.nn.Linear(N_FEATURES, _N_CLASSES)
    classes.load_state_dict({"weight": state["fc.weight"], "bias": state["fc.bias"]})
    network.classes = classes
    return network
