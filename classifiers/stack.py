"""Many classifiers fitted at once on one device: their weights are stacked, and each step is one.

A small network leaves a GPU nearly idle. Stacked, the same step of many of them is done by one
call: `torch.func` maps the loss over the cells. Each keeps its own first weights, images, order and
transforms, and so ends where it would have ended alone, but for rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn import functional as F

from augment.images.image_rows import ImageRows
from augment.images.image_sets import ImageSet
from classifiers.fitting import Batches, Fit, finished, first_network, optimiser
from classifiers.models.contract import Classifier

MOST = 64
MOST_WEIGHTS = 50 * 10**6
"""Classifiers in a stack, and weights of all of them together, at the most.

What their layers give may still be too large for a device: then a stack is halved.
"""

Weights = dict[str, Tensor]


def fit_stack(
    fits: Sequence[Fit], device: torch.device, reduced: Path | None = None
) -> list[Classifier]:
    """Fit classifiers at once, each as `classifiers.fitting.fit_classifier` would alone.

    Args:
        fits: one or more, alike in all but images, phases, seed and the values of their planes:
            of one model, number of steps, batch size, rate, number of classes and transform.
        device: where.
        reduced: as of `fit_classifier`.

    Returns:
        The networks on the device, in evaluation mode. Their weights are those of the fits alone up
        to rounding, which depends on how many there are. Where the device's memory is too small
        for all of them, one half was fitted after the other.

    Raises:
        ClassifierError: as `fit_classifier`, of any of them.
        torch.OutOfMemoryError: memory is too small for one.
    """
    try:
        return _fit_at_once(fits, device, reduced)
    except torch.OutOfMemoryError:
        if len(fits) == 1:
            raise
    # Not in the handler: the error holds on to what the step had in memory.
    torch.cuda.empty_cache()
    half = len(fits) // 2
    return fit_stack(fits[:half], device, reduced) + fit_stack(fits[half:], device, reduced)


def _fit_at_once(
    fits: Sequence[Fit], device: torch.device, reduced: Path | None
) -> list[Classifier]:
    networks = [first_network(fit).to(device).train() for fit in fits]
    images, rows = _together(fits)
    batch_of = Batches(fits, images, rows, networks[0], device, reduced)
    stacked, buffers = stack_module_state(networks)
    # Adam takes weights and gradients that lie alike in memory.
    weights = {name: nn.Parameter(value.detach().contiguous()) for name, value in stacked.items()}
    optimizer, schedule = optimiser(weights.values(), fits[0])
    gradients = vmap(grad(_loss_of(networks[0])))
    for step in range(fits[0].steps):
        inputs, targets = batch_of(step)
        found = gradients(
            {name: value.detach() for name, value in weights.items()},
            buffers,
            inputs.reshape(len(fits), -1, *inputs.shape[1:]),
            targets.reshape(len(fits), -1),
        )
        for name, value in weights.items():
            value.grad = found[name].contiguous()
        optimizer.step()
        schedule.step()
    for k, (network, fit) in enumerate(zip(networks, fits, strict=True)):
        mine = {name: value[k].detach() for name, value in weights.items()}
        network.load_state_dict(mine, strict=False)
        finished(network, fit.steps)
    return networks


def stack_limit(fit: Fit) -> int:
    """Return how many fits of this kind a stack may have; 1 where they cannot be stacked.

    Batch norm's running statistics and dropout keep a network out, and so does whatever
    `torch.func.vmap` does not do: one small step is tried, on the CPU. Large networks fill a GPU
    alone.

    Raises:
        ClassifierError: when there is no image, or the model cannot be built.
    """
    network = first_network(fit).train()
    if any(_is_left_out(module) for module in network.modules()):
        return 1
    a = network.architecture
    shape = (2, 2, a.planes, a.input_size, a.input_size)
    weights, buffers = stack_module_state([network, network])
    values = {name: value.detach() for name, value in weights.items()}
    targets = torch.zeros(shape[:2], dtype=torch.int64)
    try:
        vmap(grad(_loss_of(network)))(values, buffers, torch.zeros(shape), targets)
    except Exception:  # A network of the user's may do anything.
        return 1
    of_one = sum(value.numel() for value in network.parameters())
    return max(1, min(MOST, MOST_WEIGHTS // of_one))


def _is_left_out(module: nn.Module) -> bool:
    dropout = isinstance(module, nn.modules.dropout._DropoutNd)
    return dropout or getattr(module, "running_mean", None) is not None


def _loss_of(network: Classifier):  # type: ignore[no-untyped-def]  # vmap and grad take any
    """Return the loss of one classifier of a stack, as a function of its weights."""

    def loss(weights: Weights, buffers: Weights, inputs: Tensor, targets: Tensor) -> Tensor:
        logits = functional_call(network, (weights, buffers), (inputs,))
        return F.cross_entropy(logits, targets)

    return loss


def _together(fits: Sequence[Fit]) -> tuple[ImageRows, list[np.ndarray]]:
    """Return the images of all fits, each once, and for each fit the rows of its own among them."""
    sets: list[ImageSet] = []
    used: list[list[np.ndarray]] = []
    for fit in fits:
        for image_set, index in zip(fit.images.sets, fit.images.indices, strict=True):
            if not any(image_set is known for known in sets):
                sets.append(image_set)
                used.append([])
            used[_place(sets, image_set)].append(index)
    indices = [np.unique(np.concatenate(each)) for each in used]
    starts = np.cumsum([0, *map(len, indices)])
    rows = []
    for fit in fits:
        parts = []
        for image_set, index in zip(fit.images.sets, fit.images.indices, strict=True):
            k = _place(sets, image_set)
            parts.append(starts[k] + np.searchsorted(indices[k], index))
        rows.append(np.concatenate(parts))
    return ImageRows(sets, indices), rows


def _place(sets: Sequence[ImageSet], image_set: ImageSet) -> int:
    return next(k for k, known in enumerate(sets) if known is image_set)
