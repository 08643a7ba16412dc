"""A run's pictures as data URIs, small enough for one page."""

from __future__ import annotations

import base64
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from cvl import contract

MAX_PICTURES = 12
MAX_BYTES = 1_300_000  # of all pictures together
SIDES = (800, 560, 400)
_MAX_PIXELS = 60_000_000
_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}


@dataclass(frozen=True)
class Picture:
    """`uri` is empty where the file could not be read; then `problem` says why."""

    name: str
    uri: str = ""
    width: int = 0
    height: int = 0
    problem: str = ""


def embedded(folder: Path) -> list[Picture]:
    """The first of `visualizations/` by name, as large as fits."""
    paths = sorted(p for p in (folder / contract.PICTURES).glob("*") if p.suffix.lower() in _SUFFIXES and p.is_file())
    shown = [path for path in paths if path.stem != "curves"][:MAX_PICTURES]
    found: list[Picture] = []
    for side in SIDES:
        found = [_small(path, side) for path in shown]
        if sum(len(picture.uri) for picture in found) <= MAX_BYTES:
            return found
    return list(_within(found))


def _within(found: list[Picture]) -> Iterator[Picture]:
    """As many as the page has room for."""
    left = MAX_BYTES
    for picture in found:
        left -= len(picture.uri)
        if left >= 0:
            yield picture


def _small(path: Path, side: int) -> Picture:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged metadata; a bomb is refused by its size
            with Image.open(path) as image:
                if image.width * image.height > _MAX_PIXELS:
                    return Picture(path.name, problem=f"too large ({image.width} × {image.height})")
                image.draft("RGB", (side, side))
                small = image.convert("RGB")
        small.thumbnail((side, side))
        out = BytesIO()
        small.save(out, "WEBP", quality=80)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return Picture(path.name, problem="damaged, or no picture")
    return Picture(path.name, f"data:image/webp;base64,{base64.b64encode(out.getvalue()).decode()}", *small.size)
