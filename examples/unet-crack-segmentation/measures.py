"""What a mask says about its cracks: how much of the picture, how long, how wide, where. All lengths in pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.morphology import skeletonize

_TOUCHING = np.ones((3, 3), dtype=int)  # corners touch as well
_STRAIGHT, _DIAGONAL = ((0, 1), (1, 0)), ((1, 1), (1, -1))


@dataclass(frozen=True)
class Crack:
    """Pixels that touch; `box` is x0, y0, x1, y1, the latter two exclusive."""

    box: tuple[int, int, int, int]
    pixels: int
    length: float

    @property
    def width(self) -> float:
        """The mean: area by length."""
        return self.pixels / self.length


def cracks(found: np.ndarray) -> list[Crack]:
    """The cracks on a mask (H, W) of booleans, longest first."""
    labels, count = ndimage.label(found, structure=_TOUCHING)
    pixels = np.bincount(labels.ravel(), minlength=count + 1)
    lengths = _lengths(labels, count)
    made = [
        Crack((across.start, down.start, across.stop, down.stop), int(pixels[label]), float(lengths[label]))
        for label, (down, across) in enumerate(ndimage.find_objects(labels), 1)
    ]
    return sorted(made, key=lambda crack: -crack.length)


def _lengths(labels: np.ndarray, count: int) -> np.ndarray:
    """Of the centre line of each label: 1 from a pixel to one beside it, √2 to a diagonal one that nothing else
    connects, and 1 for the half pixels at both ends."""
    lines = np.where(skeletonize(labels > 0), labels, 0)
    lengths = np.ones(count + 1)
    for step in _STRAIGHT:
        here, there = _pairs(lines, step)
        lengths += np.bincount(here[(here > 0) & (there > 0)], minlength=count + 1)
    for step in _DIAGONAL:
        here, there = _pairs(lines, step)
        between = _corners(lines, step)
        joined = (here > 0) & (there > 0) & ~between
        lengths += np.sqrt(2) * np.bincount(here[joined], minlength=count + 1)
    return lengths


def _pairs(lines: np.ndarray, step: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Each pixel and the one that is `step` (rows down, columns right) away."""
    down, right = step
    height, width = lines.shape
    rows, columns = slice(0, height - down), slice(max(0, -right), width - max(0, right))
    moved = slice(columns.start + right, columns.stop + right)
    return lines[rows, columns], lines[down:, moved]


def _corners(lines: np.ndarray, step: tuple[int, int]) -> np.ndarray:
    """Whether one of the two pixels that touch both of a diagonal pair is on a line."""
    _, right = step
    upper, lower = lines[:-1], lines[1:]
    if right > 0:
        return (upper[:, 1:] > 0) | (lower[:, :-1] > 0)
    return (upper[:, :-1] > 0) | (lower[:, 1:] > 0)
