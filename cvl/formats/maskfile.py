"""One mask file: which of its pixels are foreground, and what keeps it from being a mask."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps

BRIGHT = 128  # a JPEG has no two values: from here on it is foreground
_GREY = slice(64, 192)  # neither black nor white: 0.02 of a crack mask at JPEG quality 10, 0.95 of a picture of asphalt
_GREY_SHARE = 0.25
_DARK = 16  # as bright as JPEG makes the black of a mask
_WIDE = frozenset({"I", "F"})


@dataclass(frozen=True)
class Look:
    """What one look at a mask found; `damage` says why it cannot be used.

    `foreground` is a share of the pixels. `other` is the value of the foreground where that is neither 1 nor 255.
    """

    width: int = 0
    height: int = 0
    digest: str = ""
    foreground: float = 0.0
    jpeg: bool = False
    other: int | None = None
    damage: str = ""


def load(path: Path) -> Image.Image:
    """The mask as it is displayed, in mode L: 0 and 255. It is taken for sound, `look` says whether it is."""
    with Image.open(path) as image:
        lowest = BRIGHT if image.format == "JPEG" else 1
        return _grey(image).point([255 * (value >= lowest) for value in range(256)])


def look(path: Path) -> Look:
    """Size as displayed, content hash, share of foreground, or damage."""
    try:
        data = path.read_bytes()
    except OSError as error:
        return Look(damage=f"cannot be read: {error.strerror}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(BytesIO(data)) as image:
                jpeg, mode, grey = image.format == "JPEG", image.mode, _grey(image)
    except Exception as error:  # Pillow raises whatever its decoders raise
        return Look(damage=f"not a readable mask ({type(error).__name__})")
    counts = grey.histogram()
    damage = "a mask of more than 8 bits a pixel" if _wide(mode) else _damage(counts, jpeg=jpeg)
    return Look(
        *grey.size,
        digest=hashlib.blake2b(data, digest_size=16).hexdigest(),
        foreground=sum(counts[BRIGHT if jpeg else 1 :]) / sum(counts),
        jpeg=jpeg,
        other=None if jpeg else _other(counts),
        damage=damage,
    )


def _grey(image: Image.Image) -> Image.Image:
    """In mode L, the orientation of EXIF applied; a palette counts by its colours."""
    return ImageOps.exif_transpose(image).convert("L")


def _wide(mode: str) -> bool:
    return mode.split(";")[0] in _WIDE


def _values(counts: list[int]) -> list[int]:
    return [value for value, count in enumerate(counts) if count]


def _other(counts: list[int]) -> int | None:
    bright = [value for value in _values(counts) if value]
    return bright[0] if len(bright) == 1 and bright[0] not in (1, 255) else None


def _damage(counts: list[int], *, jpeg: bool) -> str:
    """Why these values are no mask; nothing where they are one."""
    values = _values(counts)
    if jpeg:
        return _damage_jpeg(counts, values[-1])
    if (len(values) == 1 and values[0] in (0, 1, 255)) or (len(values) == 2 and values[0] == 0):
        return ""
    named = ", ".join(map(str, values[:3])) + (", …" if len(values) > 3 else "")
    return f"{len(values)} value(s) ({named}): a mask has 0, and 1 or 255 where the foreground is"


def _damage_jpeg(counts: list[int], brightest: int) -> str:
    if _DARK <= brightest < BRIGHT:
        return f"a JPEG whose brightest value is {brightest}: foreground is {BRIGHT} and more"
    grey = sum(counts[_GREY]) / sum(counts)
    return f"a JPEG that is grey on {grey:.0%} of its pixels: a photograph?" if grey > _GREY_SHARE else ""
