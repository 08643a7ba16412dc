"""Picture files: find them, and look at many at once for size, content and damage."""

from __future__ import annotations

import hashlib
import os
import shutil
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TypeVar

from PIL import Image, ImageOps

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
Look = TypeVar("Look")
_ORIENTATION = 0x0112  # EXIF; 5 to 8 turn the picture on its side


@dataclass(frozen=True)
class Seen:
    """What one look at a file found; `damage` says why it cannot be used."""

    width: int = 0
    height: int = 0
    digest: str = ""
    damage: str = ""


def listing(folder: Path) -> list[Path]:
    """Every picture under `folder`, sorted."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))


def look(paths: Iterable[Path]) -> dict[Path, Seen]:
    """Size as displayed (EXIF orientation applied), content hash and damage of each file, read in threads."""
    return each(_look, paths)


def each(function: Callable[[Path], Look], paths: Iterable[Path]) -> dict[Path, Look]:
    """What `function` finds in each file, in threads: Pillow decodes without the interpreter's lock."""
    unique = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(max_workers=min(8, 2 * (os.cpu_count() or 1))) as pool:
        return dict(zip(unique, pool.map(function, unique), strict=True))


def load(path: Path) -> Image.Image:
    """The picture as it is displayed (EXIF orientation applied), in RGB, 8 bits a channel."""
    with Image.open(path) as image:
        turned = ImageOps.exif_transpose(image)
    if turned.mode.startswith("I;16"):  # Pillow would make white of all above 255
        turned = turned.point(lambda value: value * (1 / 257)).convert("L")
    return turned.convert("RGB")


def copy(source: Path, folder: Path, taken: set[str]) -> str:
    """Puts `source` into `folder` under its own name, or a numbered one where `taken`; the name it got."""
    name, number = source.name, 1
    while Path(name).stem in taken:
        number += 1
        name = f"{source.stem}-{number}{source.suffix}"
    taken.add(Path(name).stem)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / name
    if not (target.exists() and target.samefile(source)):
        shutil.copyfile(source, target)
    return name


def _look(path: Path) -> Seen:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Seen(damage="no such picture")
    except OSError as error:
        return Seen(damage=f"cannot be read: {error.strerror}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            width, height = _size(data)
    except Exception as error:  # Pillow raises whatever its decoders raise
        return Seen(damage=f"not a readable picture ({type(error).__name__})")
    return Seen(width, height, hashlib.blake2b(data, digest_size=16).hexdigest())


def _size(data: bytes) -> tuple[int, int]:
    with Image.open(BytesIO(data)) as image:
        if image.format == "JPEG" and b"\xff\xd9" not in data[-1024:]:
            raise EOFError("cut off")  # verify() does not look at the end of a JPEG
        image.verify()  # nothing but the header may have been read before
    with Image.open(BytesIO(data)) as image:
        width, height = image.size
        sideways = image.getexif().get(_ORIENTATION, 1) >= 5
    return (height, width) if sideways else (width, height)
