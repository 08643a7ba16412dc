"""One picture of a road: surface, what lies on it, cracks, light and camera, with the exact mask of the cracks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cracks
import numpy as np
import textures
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter, shift
from textures import Field, smooth

Size = tuple[int, int]
LEAST = 0.004  # share of the pixels that a picture with cracks has at least
PAVED = 0.08  # share of the pictures with joints of paving


@dataclass(frozen=True)
class Road:
    """A finished picture (height, width, 3) and its mask; `kind` of crack and the `distractors` drawn."""

    picture: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    kind: str
    distractors: tuple[str, ...]


def road(rng: Generator, split: str, size: Size, *, empty: float) -> Road:
    """A picture with textures of `split`; a share `empty` of all pictures has no crack."""
    kind = "none" if rng.random() < empty else str(rng.choice(list(cracks.KINDS), p=list(cracks.KINDS.values())))
    grain, grey = _surface(rng, split, size)
    drawn = tuple(name for name, (share, _) in DISTRACTORS.items() if rng.random() < share)
    for name in drawn:
        grey = DISTRACTORS[name][1](rng, grey)
    dark, mask = cracks.draw([], size) if kind == "none" else _crack(rng, kind, size)
    tint = _tint(rng, size)
    opened = _opened(rng, grey[..., None] * tint, dark, grain)
    return Road(_photograph(rng, opened), mask, kind, drawn)


def _crack(rng: Generator, kind: str, size: Size) -> tuple[Field, NDArray[np.bool_]]:
    """Darkness and mask; lines that hardly touch the picture are thrown away."""
    while True:
        dark, mask = cracks.draw(cracks.lines(rng, kind, size, cracks.nature(rng)), size)
        if mask.mean() >= LEAST:
            return dark, mask


def _surface(rng: Generator, split: str, size: Size) -> tuple[Field, Field]:
    """The grain alone (deviation 1) and the grey surface with its slow changes, in grey levels."""
    stones = textures.surface(rng, "gravel", split, size, scale=rng.uniform(0.14, 0.36))
    fine = textures.surface(rng, "grass", split, size, scale=rng.uniform(0.18, 0.4))
    grain = textures.standard(stones + rng.uniform(0, 1) * fine)
    grain += rng.uniform(0, 2) * np.clip(grain - 2, 0, None)  # a few stones that glitter
    strength = np.clip(rng.lognormal(2.45, 0.35), 4, 22)
    clouds = rng.uniform(1, 4) * smooth(rng, size, rng.uniform(3, 9)) + 4 * smooth(rng, size, rng.uniform(40, 120))
    if rng.random() < PAVED:
        clouds += rng.uniform(6, 16) * textures.paving(rng, split, size)
    grey = rng.uniform(105, 165) + strength * grain + clouds
    return grain, grey.astype(np.float32)


def _tint(rng: Generator, size: Size) -> Field:
    """Light that falls off to one side, and colour that drifts a little."""
    height, width = size
    direction = rng.uniform(-1, 1, 2)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    slope = direction[0] * (x / width - 0.5) + direction[1] * (y / height - 0.5)
    light = 1 + rng.uniform(0, 0.16) * slope
    colour = 1 + rng.normal(0, 0.015, 3) + 0.006 * np.stack([smooth(rng, size, 90) for _ in range(3)], -1)
    return (light[..., None] * colour).astype(np.float32)


def _opened(rng: Generator, road: Field, dark: Field, grain: Field) -> Field:
    """`road` with the openings: dark, softened, partly bridged by bright stones, one rim lit, some among brown dirt."""
    soft = gaussian_filter(dark, rng.uniform(0.3, 0.7))
    bridged = np.clip(soft * (1 - 0.22 * grain), 0, 1)
    lit = np.clip(shift(soft, rng.uniform(-1.5, 1.5, 2), order=1) - soft, 0, 1)
    brown = rng.uniform(0, 1) if rng.random() < 0.5 else 0.0
    dirt = 1 - brown * np.array([0, 0.1, 0.22], np.float32)
    strewn = np.clip(gaussian_filter(dark, rng.uniform(1.5, 3)), 0, 1) * rng.uniform(0, 0.35) * (brown > 0)
    road = road * (1 - strewn[..., None] * (1 - 0.7 * dirt))
    floor = rng.uniform(0.3, 0.6) * dirt
    opened: Field = road * (1 - bridged[..., None] * (1 - floor)) + rng.uniform(0, 18) * lit[..., None]
    return opened


def _photograph(rng: Generator, light: Field) -> NDArray[np.uint8]:
    """Focus, exposure and noise of a camera."""
    blur = rng.uniform(0.2, 0.9)
    focused = gaussian_filter(light, (blur, blur, 0))
    noisy = focused * rng.uniform(0.92, 1.08) + rng.normal(0, rng.uniform(0.5, 2.5), light.shape)
    return np.clip(noisy + 0.5, 0, 255).astype(np.uint8)


def _polygon(size: Size, corners: NDArray[np.floating], soft: float) -> Field:
    """1 inside, 0 outside, the border blurred over `soft` pixels."""
    layer = Image.new("L", size[::-1])
    ImageDraw.Draw(layer).polygon([(float(x), float(y)) for x, y in corners], fill=255)
    return gaussian_filter(np.asarray(layer, np.float32) / 255, soft)


def _strip(rng: Generator, size: Size, thick: float, soft: float) -> Field:
    """A straight strip across the picture."""
    angle = rng.uniform(0, np.pi)
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    centre = np.array(size[::-1]) * rng.uniform(0.1, 0.9, 2)
    reach = 2 * max(size)
    ends = [centre + s * reach * along + t * thick / 2 * across for s, t in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    return _polygon(size, np.array(ends), soft)


def _paint(rng: Generator, grey: Field) -> Field:
    """A worn white marking."""
    size = grey.shape
    worn = smooth(rng, size, rng.uniform(1.5, 4)) + smooth(rng, size, 25) > rng.uniform(-1.8, 0.4)
    cover = _strip(rng, size, rng.uniform(20, 90), 0.8) * gaussian_filter(worn.astype(np.float32), 0.7)
    return grey + rng.uniform(0.25, 0.75) * cover * (rng.uniform(195, 225) - grey)


def _shadow(rng: Generator, grey: Field) -> Field:
    """The edge of something large between the road and the sun."""
    size = grey.shape
    corners = rng.uniform(-0.3, 1.3, (4, 2)) * np.array(size[::-1])
    return grey * (1 - rng.uniform(0.12, 0.4) * _polygon(size, corners, rng.uniform(2, 10)))


def _wire(rng: Generator, grey: Field) -> Field:
    """The shadow of a cable or a twig: thin and dark like a crack, but even, smooth and soft."""
    steps = np.linspace(0, 1, 40)[:, None]
    a, b, c = rng.uniform(-0.2, 1.2, (3, 2)) * np.array(grey.shape[::-1])
    points = (1 - steps) ** 2 * a + 2 * steps * (1 - steps) * b + steps**2 * c
    layer = Image.new("L", grey.shape[::-1])
    ImageDraw.Draw(layer).line([tuple(map(float, p)) for p in points], fill=255, width=int(rng.integers(3, 8)))
    strength = rng.uniform(0.1, 0.22)
    return grey * (1 - strength * gaussian_filter(np.asarray(layer, np.float32) / 255, rng.uniform(1.5, 3)))


def _stain(rng: Generator, grey: Field) -> Field:
    """Oil or water: dark clouds with a ragged border."""
    clouds = smooth(rng, grey.shape, rng.uniform(12, 40))
    cover = gaussian_filter((clouds > rng.uniform(1.4, 2.2)).astype(np.float32), rng.uniform(1.5, 5))
    return grey * (1 - rng.uniform(0.1, 0.35) * cover)


def _spots(rng: Generator, grey: Field) -> Field:
    """Pebbles, leaves, chewing gum: small blots, lighter or darker."""
    marked = grey.copy()
    for _ in range(int(rng.integers(2, 12))):
        angles = np.sort(rng.uniform(0, 2 * np.pi, 7))
        radius = rng.uniform(1.5, 6) * rng.uniform(0.6, 1, 7)
        centre = rng.uniform(0, 1, 2) * np.array(grey.shape[::-1])
        corners = centre + radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], -1)
        marked *= 1 + rng.uniform(-0.4, 0.3) * _polygon(grey.shape, corners, 0.6)
    return marked


def _wear(rng: Generator, grey: Field) -> Field:
    """A lighter or darker wheel track."""
    return grey * (1 + rng.uniform(-0.1, 0.14) * _strip(rng, grey.shape, rng.uniform(40, 140), rng.uniform(8, 25)))


def _scratch(rng: Generator, grey: Field) -> Field:
    """A straight light scratch."""
    return grey * (1 + rng.uniform(0.08, 0.25) * _strip(rng, grey.shape, rng.uniform(1, 2.5), 0.5))


def _seal(rng: Generator, grey: Field) -> Field:
    """A joint filled with tar: dark, straight, of one width."""
    return grey * (1 - rng.uniform(0.15, 0.4) * _strip(rng, grey.shape, rng.uniform(4, 10), 0.9))


# How often each is drawn; none of them is a crack.
DISTRACTORS: dict[str, tuple[float, Callable[[Generator, Field], Field]]] = {
    "wear": (0.3, _wear),
    "seal": (0.06, _seal),
    "paint": (0.14, _paint),
    "stain": (0.3, _stain),
    "spots": (0.35, _spots),
    "scratch": (0.08, _scratch),
    "shadow": (0.15, _shadow),
    "wire": (0.1, _wire),
}
