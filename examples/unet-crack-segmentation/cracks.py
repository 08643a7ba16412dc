"""The shape of cracks: branching random walks and networks, as lines of varying width and depth.

Lengths are pixels of the finished picture. A crack wanders about its direction, is ragged from step to step, swells
and narrows, breaks off for a few pixels, and sheds branches that are thinner than itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.signal import lfilter
from scipy.spatial import Voronoi

Array = NDArray[np.float64]
STEP = 2.0
FINE = 4  # lines are drawn this much larger: Pillow draws them one pixel, here a quarter, wider than asked for
MARGIN = 0.45  # of a pixel at least on each side of the opening still belongs to the mask, as people draw it
THINNEST = 1.8  # width of the mask of a hairline
DEEPEST = 255
KINDS = {"single": 0.4, "branching": 0.32, "double": 0.12, "network": 0.16}


@dataclass(frozen=True)
class Line:
    """Points (n, 2) as x, y; the width of the opening and how dark it is (0 to 1) at each."""

    points: Array
    width: Array
    depth: Array


@dataclass(frozen=True)
class Nature:
    """What the lines of one picture have in common."""

    width: float
    depth: float
    wander: float  # radians
    ragged: float  # radians from step to step
    gaps: float  # share of the length


def nature(rng: Generator) -> Nature:
    """Hairlines to open cracks, faint to dark."""
    return Nature(
        width=float(np.clip(rng.lognormal(0.6, 0.35), 1.0, 4.5)),
        depth=float(rng.uniform(0.4, 0.95)),
        wander=float(rng.uniform(0.15, 0.5)),
        ragged=float(rng.uniform(0.25, 0.7)),
        gaps=float(rng.choice([0.0, 0.04, 0.1])),
    )


def lines(rng: Generator, kind: str, size: tuple[int, int], like: Nature) -> list[Line]:
    """The lines of one of KINDS on a picture of `size` (height, width)."""
    if kind == "network":
        return _network(rng, size, like)
    found = []
    for _ in range(2 if kind == "double" else 1):
        start, heading = _entrance(rng, size)
        length = rng.uniform(0.8, 1.8) * max(size)
        found += _walk(rng, start, heading, length, like, branches=2 if kind == "branching" else 0)
    return found


def draw(lines: list[Line], size: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Darkness (0 to 1, partly covered pixels in proportion) and mask, both of `size` (height, width)."""
    dark, mask = (Image.new("L", (size[1] * FINE, size[0] * FINE)) for _ in range(2))
    for line in sorted(lines, key=lambda line: float(line.depth.mean())):
        _stroke(dark, line.points, line.width, line.depth)
        shown = np.where(line.depth > 0, np.maximum(line.width + 2 * MARGIN, THINNEST), 0)
        _stroke(mask, line.points, shown, np.ones_like(line.depth))
    darkness, covered = (
        np.asarray(layer.resize(size[::-1], Image.Resampling.BOX), np.float32) for layer in (dark, mask)
    )
    return darkness / DEEPEST, covered >= DEEPEST / 2


def _entrance(rng: Generator, size: tuple[int, int]) -> tuple[Array, float]:
    """A point on the edge, or now and then inside, and a direction across the picture."""
    height, width = size
    heading = rng.uniform(0, 2 * np.pi)
    centre = np.array([width, height]) * rng.uniform(0.2, 0.8, 2)
    back = rng.uniform(0.2, 0.35) if rng.random() < 0.25 else 1.0
    return centre - back * 0.75 * max(size) * np.array([np.cos(heading), np.sin(heading)]), heading


def _walk(rng: Generator, start: Array, heading: float, length: float, like: Nature, branches: int) -> list[Line]:
    steps = max(8, int(length / STEP))
    angles = heading + like.wander * _drift(rng, steps, 15) + like.ragged * rng.standard_normal(steps)
    points = start + STEP * np.cumsum(np.stack([np.cos(angles), np.sin(angles)], 1), 0)
    found = [_opened(rng, points, like)]
    for at in rng.integers(steps // 6, steps, int(rng.integers(1, 5)) if branches else 0):
        turn = rng.choice([-1, 1]) * rng.uniform(0.4, 1.2)
        thinner = Nature(like.width * rng.uniform(0.4, 0.85), like.depth * 0.85, like.wander, like.ragged, like.gaps)
        child = length * rng.uniform(0.15, 0.5)
        found += _walk(rng, points[at], angles[: at + 1][-8:].mean() + turn, child, thinner, branches - 1)
    return found


def _network(rng: Generator, size: tuple[int, int], like: Nature) -> list[Line]:
    """Alligator cracking: the borders of Voronoi cells in a part of the picture, made ragged."""
    cell = rng.uniform(0.14, 0.3) * max(size)
    centres = rng.uniform(-cell, np.array(size[::-1]) + cell, (int(np.prod(np.array(size) + 2 * cell) / cell**2), 2))
    centres[:, 0] *= rng.uniform(1, 1.6)  # cells longer in one direction
    cells = Voronoi(centres)
    heart = np.array(size[::-1]) * rng.uniform(0.2, 0.8, 2)
    reach = rng.uniform(0.3, 0.7) * max(size)
    found = []
    for first, last in cells.ridge_vertices:
        ends = cells.vertices[[first, last]]
        if first < 0 or np.linalg.norm(ends.mean(0) - heart) > reach or rng.random() < 0.15:
            continue
        share = Nature(like.width * rng.uniform(0.55, 1), like.depth * rng.uniform(0.75, 1), 0, 0, like.gaps)
        found.append(_opened(rng, _ragged(rng, ends, like), share, taper=False))
    return found


def _ragged(rng: Generator, ends: Array, like: Nature) -> Array:
    """The way from one end to the other, bent at random; both ends stay."""
    distance = float(np.linalg.norm(ends[1] - ends[0]))
    steps = max(2, int(distance / STEP))
    along = np.linspace(0, 1, steps)[:, None]
    bend = np.cumsum(like.wander * _drift(rng, steps, 8) + like.ragged * rng.standard_normal(steps)) * STEP
    bridge = bend - bend[0] - (bend[-1] - bend[0]) * along[:, 0]
    across = np.array([ends[0, 1] - ends[1, 1], ends[1, 0] - ends[0, 0]]) / max(distance, 1e-6)
    bent: Array = ends[0] + along * (ends[1] - ends[0]) + 0.6 * bridge[:, None] * across
    return bent


def _opened(rng: Generator, points: Array, like: Nature, *, taper: bool = True) -> Line:
    """Width and depth along the way: slow swelling, fine crumbling, spalled spots, gaps, a thin end."""
    n = len(points)
    width = like.width * np.exp(0.35 * _drift(rng, n, 20) + 0.25 * rng.standard_normal(n))
    for at in rng.integers(0, n, rng.poisson(n / 120)):
        width[at : at + int(rng.integers(2, 5))] += rng.uniform(1, 3.5)
    if taper:
        width *= np.minimum(1, np.linspace(1, 0.35, n) * 2)
    depth = np.clip(like.depth * (1 + 0.25 * _drift(rng, n, 12)), 0.25, 1)
    if like.gaps:
        drift = _drift(rng, n, 5)
        depth[drift < np.quantile(drift, like.gaps)] = 0
    return Line(points, np.clip(width, 0.7, 9), depth)


def _drift(rng: Generator, n: int, memory: float) -> Array:
    """A random walk that returns to 0, deviation 1; it forgets over `memory` steps."""
    keep = np.exp(-1 / memory)
    noise = rng.standard_normal(n + int(3 * memory))
    drift: Array = lfilter([np.sqrt(1 - keep**2)], [1, -keep], noise)[-n:]
    return drift


def _stroke(layer: Image.Image, points: Array, width: Array, shade: Array) -> None:
    """A line with round joints; where width or shade is 0 nothing is drawn."""
    pen = ImageDraw.Draw(layer)
    for (x0, y0), (x1, y1), thick, level in zip(
        points[:-1] * FINE, points[1:] * FINE, width[1:] * FINE, shade[1:], strict=True
    ):
        if thick > 0 and level > 0:
            fill, radius = round(level * DEEPEST), thick / 2
            pen.line((x0, y0, x1, y1), fill=fill, width=max(1, round(thick)))
            pen.ellipse((x1 - radius, y1 - radius, x1 + radius, y1 + radius), fill=fill)
