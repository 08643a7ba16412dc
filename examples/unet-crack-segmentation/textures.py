"""Road surfaces of any size from the photographs that scikit-image ships (gravel, brick, grass: CC0).

Each photograph is cut into one band for each split, with a gap between them, so that no pixel of a test surface was
ever seen in training.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage import data

Field = NDArray[np.float32]

# Columns of the 512 px wide photographs.
BANDS = {"train": (0, 224), "val": (240, 368), "test": (384, 512)}
PHOTOGRAPHS = ("gravel", "brick", "grass")


def band(name: str, split: str) -> Field:
    """The part of photograph `name` that belongs to `split`, (512, width), grey levels 0 to 255."""
    first, end = BANDS[split]
    photograph: Field = getattr(data, name)()[:, first:end].astype(np.float32)
    return photograph


def surface(rng: Generator, name: str, split: str, size: tuple[int, int], *, scale: float) -> Field:
    """A surface of `size` (height, width), mean 0 and deviation 1, from patches of the photograph shrunk by `scale`.

    Patches overlap by half and are blended so that the variance stays what it is (Heitz and Neyret, High-Performance
    By-Example Noise using a Histogram-Preserving Blending Operator, 2018, equation 2).
    """
    source = _resized(band(name, split), scale)
    source = source - gaussian_filter(source, max(source.shape) / 4)
    side = min(48, *source.shape) // 2 * 2
    window = np.hanning(side + 2)[1:-1].astype(np.float32)
    weight = np.outer(window, window)
    height, width = (length + 2 * side for length in size)
    total, squares = np.zeros((2, height, width), np.float32)
    for top in range(0, height - side + 1, side // 2):
        for left in range(0, width - side + 1, side // 2):
            spot = slice(top, top + side), slice(left, left + side)
            total[spot] += weight * _patch(rng, source, side)
            squares[spot] += weight**2
    inner = slice(side, side + size[0]), slice(side, side + size[1])
    return standard(total[inner] / np.sqrt(squares[inner]))


def paving(rng: Generator, split: str, size: tuple[int, int]) -> Field:
    """A piece of the brick photograph, enlarged to `size`: paving with joints, mean 0 and deviation 1."""
    source = band("brick", split)
    short = min(source.shape)
    height = int(rng.uniform(0.7, 1) * short * size[0] / max(size))
    width = int(height * size[1] / size[0])
    top = rng.integers(source.shape[0] - height + 1)
    left = rng.integers(source.shape[1] - width + 1)
    piece = _turned(rng, source[top : top + height, left : left + width], square=size[0] == size[1])
    return standard(np.asarray(Image.fromarray(piece).resize(size[::-1], Image.Resampling.BICUBIC)))


def smooth(rng: Generator, size: tuple[int, int], grain: float) -> Field:
    """Random clouds of `grain` pixels, mean 0 and deviation 1."""
    step = max(1, int(grain / 3))
    small = rng.standard_normal((size[0] // step + 8, size[1] // step + 8), dtype=np.float32)
    clouds = Image.fromarray(gaussian_filter(small, grain / step))
    grown = clouds.resize((clouds.width * step, clouds.height * step), Image.Resampling.BICUBIC)
    return standard(np.asarray(grown)[: size[0], : size[1]])


def standard(field: NDArray[np.floating]) -> Field:
    """Mean 0, deviation 1."""
    scaled: Field = ((field - field.mean()) / (field.std() + 1e-6)).astype(np.float32)
    return scaled


def _resized(field: Field, scale: float) -> Field:
    size = round(field.shape[1] * scale), round(field.shape[0] * scale)
    return np.asarray(Image.fromarray(field).resize(size, Image.Resampling.LANCZOS))


def _patch(rng: Generator, source: Field, side: int) -> Field:
    top, left = (rng.integers(length - side + 1) for length in source.shape)
    return _turned(rng, source[top : top + side, left : left + side], square=True)


def _turned(rng: Generator, field: Field, *, square: bool) -> Field:
    """One of the eight (not square: four) ways to lay a piece down."""
    turns = int(rng.integers(4)) if square else 2 * int(rng.integers(2))
    turned = np.rot90(field, turns)
    return np.ascontiguousarray(turned[::-1] if rng.integers(2) else turned)
