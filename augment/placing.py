"""Images and random numbers on the device that computes.

A training step must not wait for memory to be copied from the host: images stay on a device where
they fit, and what the host draws for the next steps goes there in one copy.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from augment.images.image_rows import ImageRows

CPU = torch.device("cpu")

RESIDENT_SHARE = 0.5
"""Images stay on a device where they take at most this share of its free memory."""

_AHEAD_STEPS = 100
_AHEAD_BYTES = 64 * 10**6
"""What the host draws ahead: as many steps as this holds, and at most so many."""

_BLOCK = 4096


def same_kernels() -> None:
    """Ask a GPU for the same kernels at every run, in whole float32 and not its shorter TF32."""
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False


def apart(device: torch.device) -> bool:
    """Return whether a device has memory of its own, so that the host's has to be copied there."""
    return device.type != "cpu"


def stays(n_bytes: int, device: torch.device) -> bool:
    """Return whether images of so many bytes are kept on a device; the CPU has them anyway."""
    return apart(device) and n_bytes <= RESIDENT_SHARE * free_bytes(device)


def free_bytes(device: torch.device) -> int:
    """Return the free memory of a GPU."""
    return torch.cuda.mem_get_info(device)[0]


class PlacedRows:
    """Images by their row, on a device, where all of them stay if they fit."""

    def __init__(self, images: ImageRows, device: torch.device) -> None:
        """Copy the images to the device where they fit; on the CPU they are read when asked for.

        Args:
            images: uint8 N x H x W x C.
            device: where they are asked for.
        """
        self._images, self._device = images, device
        self._whole: Tensor | None = None
        if stays(int(np.prod(images.shape)), device):
            one = self._from_host(np.arange(1))
            self._whole = torch.empty(
                (len(images), *one.shape[1:]), dtype=torch.uint8, device=device
            )
            for start in range(0, len(images), _BLOCK):
                rows = np.arange(start, min(start + _BLOCK, len(images)))
                self._whole[start : start + len(rows)] = self._from_host(rows)

    def __getitem__(self, rows: Tensor) -> Tensor:
        """Return the images of some rows (int64, on the device): uint8 n x C x H x W, there."""
        if self._whole is not None:
            return self._whole.index_select(0, rows)
        return self._from_host(rows.cpu().numpy()).to(self._device)

    def _from_host(self, rows: np.ndarray) -> Tensor:
        return torch.from_numpy(self._images[rows]).permute(0, 3, 1, 2)


class Ahead:
    """What the host draws for each step, on a device: many steps in one copy.

    On the CPU a step's numbers are those that were drawn, themselves.
    """

    def __init__(
        self, draw: Callable[[int], tuple[Tensor, ...]], steps: int, device: torch.device
    ) -> None:
        """Draw nothing yet.

        Args:
            draw: gives a step's tensors, on the CPU, of the same shapes at every step; what they
                are depends on the step alone.
            steps: in all, at least 1.
            device: where they are needed.
        """
        self._draw, self._steps, self._device = draw, steps, device
        self._first, self._block = 0, list[tuple[Tensor, ...]]()

    def at(self, step: int) -> tuple[Tensor, ...]:
        """Return a step's tensors on the device; steps are asked for in order, from any one on."""
        if not apart(self._device):
            return self._draw(step)
        if not self._first <= step < self._first + len(self._block):
            self._first, self._block = step, self._drawn_from(step)
        return self._block[step - self._first]

    def _drawn_from(self, step: int) -> list[tuple[Tensor, ...]]:
        drawn = [self._draw(step)]
        n_bytes = sum(tensor.nbytes for tensor in drawn[0])
        n = min(_AHEAD_STEPS, self._steps - step, max(1, _AHEAD_BYTES // max(1, n_bytes)))
        drawn += [self._draw(later) for later in range(step + 1, step + n)]
        there = [torch.stack(each).to(self._device) for each in zip(*drawn, strict=True)]
        return list(zip(*(each.unbind() for each in there), strict=True))
