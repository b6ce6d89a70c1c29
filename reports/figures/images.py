"""Pictures: samples by class, epochs under one another, reconstructions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from reports.figures.sheets import ROOM, ImageRow, draw_rows, gap_between
from reports.figures.style import house_style, plain

_MOST_EPOCHS = 8
_COLLAGE_COLUMNS = 12
_PAIR_COLUMNS = 16
_ENOUGH_COLUMNS = 8
# Room for the rows' labels, in pixels of the PNG.
_LABEL_WIDTH = 156


@house_style
def sample_grid(
    groups: Mapping[str, tuple[NDArray[np.uint8], NDArray[np.integer[Any]]]],
    class_names: Sequence[str],
    *,
    per_class: int = 8,
) -> Figure:
    """Images by class, a row a class and the groups side by side.

    Args:
        groups: heading -> (uint8 N x H x W x C images with C 1 or 3, which may be memory-mapped, N
            labels); for example ``{"Generated": (...), "Real": (...)}``. One size for all.
        class_names: names in label order. Classes for which there is no room are left out, and the
            figure says how many.
        per_class: images of a class in each group, the first ones; fewer where they are large.

    Returns:
        The figure; absent images are left blank. In its PNG every pixel of an image is a square of
        whole pixels.

    Raises:
        ReportError: no image.
    """
    side = next(iter(groups.values()))[0].shape[2]
    n = min(per_class, max(1, _fitting(side, per_class * len(groups)) // len(groups)))
    rows = [
        ImageRow(
            tuple(
                np.asarray(images[np.flatnonzero(labels == label)[:n]])
                for images, labels in groups.values()
            ),
            plain(name),
        )
        for label, name in enumerate(class_names)
    ]
    headings = [plain(title, 40) for title in groups]
    return draw_rows("sample grid", rows, [n] * len(groups), headings=headings, noun="classes")


@house_style
def epoch_collage(
    grids: Mapping[int, NDArray[np.uint8]],
    scores: Mapping[int, float],
    best_epoch: int | None = None,
) -> Figure:
    """What the generator made of the same noise at different epochs, one row an epoch.

    Args:
        grids: epoch, one or more -> uint8 M x H x W x C images with C 1 or 3, drawn from the same
            noise in the same order; one size for all. The epochs of `chosen_epochs` are shown, and
            the first 12 images of each, or as many as the page holds side by side.
        scores: epoch -> FID; an epoch without one, or with NaN, is shown without.
        best_epoch: the epoch whose weights were kept; its row is framed.

    Returns:
        The figure. In its PNG every pixel of an image is a square of whole pixels.

    Raises:
        ReportError: no image.
    """
    epochs = chosen_epochs(list(grids), best_epoch)
    n = min(len(grids[epoch]) for epoch in epochs)
    rows = []
    for epoch in epochs:
        score = scores.get(epoch, np.nan)
        label = f"epoch {epoch}" + ("" if np.isnan(score) else f"\nFID {score:.1f}")
        is_best = epoch == best_epoch
        rows.append(ImageRow((grids[epoch][:n],), label + "\nkept" * is_best, framed=is_best))
    return _labelled_rows("epoch collage", rows, _COLLAGE_COLUMNS)


def chosen_epochs(
    epochs: Sequence[int], best_epoch: int | None = None, most: int = _MOST_EPOCHS
) -> list[int]:
    """Which epochs a collage shows: evenly spaced, the first, best and last among them.

    Args:
        epochs: all there are, in any order.
        best_epoch: shown in place of its nearest neighbour; ignored where it is not among them.
        most: epochs to choose, at least 3.

    Returns:
        The chosen ones in order; all where there are no more than ``most``.
    """
    known = sorted(set(epochs))
    if len(known) <= most:
        return known
    places = np.linspace(0, len(known) - 1, most).round().astype(int).tolist()
    if best_epoch in known:
        best = known.index(best_epoch)
        if best not in places:
            # Never the first or the last.
            nearest = min(range(1, most - 1), key=lambda i: abs(places[i] - best))
            places[nearest] = best
    return [known[place] for place in sorted(places)]


@house_style
def reconstructions(pairs: NDArray[np.uint8], drawn: NDArray[np.uint8]) -> Figure:
    """What an autoencoder makes of real images, and what it makes of noise.

    Args:
        pairs: uint8 2 x N x H x W x C with C 1 or 3, real images and their reconstructions. At
            most 16 are shown, evenly spaced where there are more.
        drawn: uint8 M x H x W x C, images decoded from noise; the first ones are shown.

    Returns:
        The figure: three rows. In its PNG every pixel of an image is a square of whole pixels.

    Raises:
        ReportError: no image.
    """
    n = min(pairs.shape[1], _fitting(pairs.shape[3], _PAIR_COLUMNS))
    spread = np.arange(n) * pairs.shape[1] // max(1, n)
    rows = [
        ImageRow((pairs[0, spread],), "Real"),
        ImageRow((pairs[1, spread],), "Reconstructed"),
        ImageRow((drawn[:n],), "From noise"),
    ]
    return _labelled_rows("reconstructions", rows, n)


@house_style
def near_duplicates(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Figure:
    """Pairs of images that look nearly the same, each pair in a column.

    Args:
        first: uint8 N x H x W x C with C 1 or 3, the nearest pair first.
        second: the same shape, the other image of each pair.

    Returns:
        The figure, of as many pairs as fit.

    Raises:
        ReportError: no pair.
    """
    rows = [ImageRow((first,), "One"), ImageRow((second,), "The other")]
    return _labelled_rows("near duplicates", rows, _PAIR_COLUMNS)


def _fitting(side: int, most: int) -> int:
    """How many images fit side by side: at twice their size if those are enough."""
    gap = gap_between(side)
    room = ROOM - _LABEL_WIDTH
    twice, once = ((room // scale - gap) // (side + gap) for scale in (2, 1))
    return max(1, min(most, twice if twice >= min(most, _ENOUGH_COLUMNS) else once))


def _labelled_rows(what: str, rows: Sequence[ImageRow], most: int) -> Figure:
    """Rows of one group of images, at most so many side by side."""
    side = rows[0].groups[0].shape[2]
    longest = max(len(row.groups[0]) for row in rows)
    return draw_rows(what, rows, [min(longest, _fitting(side, most))])
