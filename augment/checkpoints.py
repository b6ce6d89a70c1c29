"""Model checkpoints: safetensors weights beside a meta.json that rebuilds the network.

Nothing is unpickled: a checkpoint from outside can at worst be refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from augment.errors import AugmentError
from augment.files import atomic_folder, read_json, write_json
from augment.images.image_sets import one_line

NetworkT = TypeVar("NetworkT", bound=nn.Module)
ArchitectureT = TypeVar("ArchitectureT")

FORMAT = 1
_WEIGHTS = "weights.safetensors"
_META = "meta.json"
# Far above any honest meta.json, far below memory.
_MAX_META_BYTES = 1 << 26


class CheckpointError(AugmentError):
    """A checkpoint is missing, damaged, or of another kind than asked for; one line."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


def save_checkpoint(
    folder: Path, kind: str, weights: Mapping[str, Tensor], meta: Mapping[str, Any]
) -> None:
    """Write a checkpoint, replacing ``folder`` only when all of it is on disk.

    Args:
        folder: where the checkpoint goes.
        kind: what it holds, such as ``generator`` or ``classifier``.
        weights: the network's state dict.
        meta: JSON values; must hold all that rebuilds the network.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    with atomic_folder(folder) as temporary:
        (temporary / _WEIGHTS).write_bytes(save(tensors))
        write_json(temporary / _META, {**meta, "format": FORMAT, "kind": kind})


def read_meta(folder: Path, kind: str) -> dict[str, Any]:
    """Read a checkpoint's meta.json; raises ``CheckpointError`` in one line."""
    try:
        if (folder / _META).stat().st_size > _MAX_META_BYTES:
            raise ValueError(f"it is larger than {_MAX_META_BYTES >> 20} MiB")
        meta = read_json(folder / _META)
    except FileNotFoundError:
        raise CheckpointError(f"{folder} holds no {kind}: {_META} is missing") from None
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{folder / _META} cannot be read: {error}") from None
    if not isinstance(meta, dict) or meta.get("kind") != kind:
        found = meta.get("kind") if isinstance(meta, dict) else type(meta).__name__
        raise CheckpointError(f"{folder} holds a {found!r:.80}; a {kind!r} is needed")
    if meta.get("format") != FORMAT:
        raise CheckpointError(
            f"{folder} has checkpoint format {meta.get('format')!r:.80}; "
            f"this version reads {FORMAT}"
        )
    return meta


def check_size(folder: Path, network: nn.Module) -> None:
    """Refuse a network that the weights on disk cannot fill, before memory is taken for it.

    Args:
        folder: of the checkpoint.
        network: on the meta device, so that only its shapes exist.

    Raises:
        CheckpointError: in one line.
    """
    path = folder / _WEIGHTS
    values = sum(tensor.numel() for tensor in network.state_dict().values())
    if not path.is_file():
        raise CheckpointError(f"{folder} is not whole: {_WEIGHTS} is missing")
    if path.stat().st_size < values:  # Every value takes at least a byte.
        raise CheckpointError(
            f"{path} has {path.stat().st_size:,} bytes; the architecture in {_META} "
            f"has {values:,} values"
        )


def load_weights(folder: Path, network: nn.Module) -> None:
    """Load a checkpoint's weights into ``network``; raises ``CheckpointError`` in one line."""
    path = folder / _WEIGHTS
    try:
        weights = load_file(path)
        network.load_state_dict(weights)
    except FileNotFoundError:
        raise CheckpointError(f"{folder} is not whole: {_WEIGHTS} is missing") from None
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path} does not fit the network: {reason}") from None
    # As they are in the network: larger numbers of another type become infinite there.
    for name, values in network.state_dict().items():
        if weights[name].dtype != values.dtype:
            raise CheckpointError(
                f"{path}: {name} is of {weights[name].dtype}; allowed: {values.dtype}"
            )
        if not bool(values.isfinite().all()):
            raise CheckpointError(f"{path}: {name} holds values that are no finite numbers")


def load_network(
    folder: Path,
    kind: str,
    read_architecture: Callable[[object], ArchitectureT],
    build: Callable[[ArchitectureT], NetworkT],
) -> tuple[NetworkT, dict[str, Any]]:
    """Rebuild a network from its checkpoint.

    Args:
        folder: of the checkpoint.
        kind: what it must hold, such as ``generator``.
        read_architecture: turns meta.json's ``architecture`` into one; a ``ValueError`` says what
            is wrong with it.
        build: makes the network of an architecture.

    Returns:
        The network on the CPU in evaluation mode, and its meta.json.

    Raises:
        CheckpointError: in one line, for anything missing, damaged or out of bounds.
    """
    meta = read_meta(folder, kind)
    try:
        architecture = read_architecture(meta["architecture"])
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{folder}/meta.json has no valid architecture: {error}") from None
    with torch.device("meta"):
        check_size(folder, build(architecture))
    network = build(architecture)
    load_weights(folder, network)
    return network.eval(), meta
