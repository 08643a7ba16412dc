"""Makes pictures of cracked roads with exact masks: real textures, drawn cracks, and much that only looks like one.

    cvl run unet-crack-segmentation generate                                             96, 24 and 24 pictures
    NUM_PICTURES=2000,200,200 SEED=1 OUTPUT_DIR=my-cracks python generate.py             to train on before real ones
    cvl run unet-crack-segmentation train --data my-cracks

Result: <split>/images (JPEG), <split>/masks (1 bit PNG) and generated.json. The splits use different parts of the
textures. Picture i of a split depends on SEED, its split and i alone: the same seed and versions give the same bytes,
and more pictures begin with the same ones.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from zlib import crc32

import numpy as np
from pavement import road
from PIL import Image
from textures import BANDS

from cvl import params as parameters
from cvl.errors import JobError, UsageError
from cvl.kit import run
from cvl.kit.runlog import write_text

PACKAGES = ("numpy", "scipy", "scikit-image", "pillow")
RECORD = "generated.json"


@dataclass(frozen=True)
class Recipe:
    """What all pictures of a data set share; `size` is (height, width), `empty` the share without a crack."""

    seed: int
    size: tuple[int, int]
    empty: float
    quality: int


@dataclass(frozen=True)
class Made:
    """One picture as the record keeps it; `share` of the pixels are crack."""

    file: str
    kind: str
    distractors: tuple[str, ...]
    share: float


def main() -> None:
    params = parameters.load(__file__)
    recipe = Recipe(params.SEED, size(params.PICTURE_SIZE), params.EMPTY_SHARE, params.JPEG_QUALITY)
    numbers = counts(params.NUM_PICTURES)
    root = new_folder(params.OUTPUT_DIR or "outputs/cracks")
    try:
        made = list(progress(generate(root, recipe, numbers, workers=params.NUM_WORKERS), sum(numbers.values())))
        write_record(root, recipe, made)
    except OSError as error:
        raise JobError(
            f"OUTPUT_DIR {root}: {error.strerror or error}", hint="is there room, and may you write?"
        ) from None
    print("\n".join(table(made)))
    print(root)


def generate(root: Path, recipe: Recipe, numbers: dict[str, int], *, workers: int = 0) -> Iterator[Made]:
    """Writes every picture with its mask; in `workers` processes (0: in this one)."""
    jobs = [(split, i) for split, count in numbers.items() for i in range(count)]
    for split in numbers:
        for part in ("images", "masks"):
            (root / split / part).mkdir(parents=True, exist_ok=True)
    make = partial(_make, root, recipe)
    if not workers:
        yield from map(make, jobs)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(make, jobs, chunksize=4)


def _make(root: Path, recipe: Recipe, job: tuple[str, int]) -> Made:
    split, number = job
    rng = np.random.default_rng([recipe.seed, crc32(split.encode()), number])
    made = road(rng, split, recipe.size, empty=recipe.empty)
    name = f"{split}-{number:05d}"
    picture = root / split / "images" / f"{name}.jpg"
    Image.fromarray(made.picture).save(picture, quality=recipe.quality)
    Image.fromarray(made.mask).save(root / split / "masks" / f"{name}.png", optimize=True)
    share = round(float(made.mask.mean()), 5)
    return Made(picture.relative_to(root).as_posix(), made.kind, made.distractors, share)


def new_folder(name: str) -> Path:
    """The folder to write to; one that already holds a data set is refused, since two would mix."""
    root = Path(name)
    for split in BANDS:
        if (root / split).exists():
            raise UsageError(f"OUTPUT_DIR {root}: it already holds {split}/", hint="name a new folder, or remove it")
    return root


def size(text: str) -> tuple[int, int]:
    """(height, width) of `320` or `320,480`."""
    words = [word.strip() for word in str(text).split(",")]
    if len(words) > 2 or not all(word.isdecimal() and 64 <= int(word) <= 4096 for word in words):
        raise UsageError(f"PICTURE_SIZE: {text!r} is no size", hint="64 to 4096 pixels: PICTURE_SIZE=320 or 320,480")
    return int(words[0]), int(words[-1])


def counts(text: str) -> dict[str, int]:
    """Pictures by split of `96,24,24` (train, val, test)."""
    words = [word.strip() for word in str(text).split(",")]
    if len(words) != len(BANDS) or not all(word.isdecimal() for word in words) or not any(map(int, words)):
        raise UsageError(f"NUM_PICTURES: {text!r} is not three numbers", hint="train, val, test: NUM_PICTURES=96,24,24")
    return {split: int(word) for split, word in zip(BANDS, words, strict=True) if int(word)}


def write_record(root: Path, recipe: Recipe, made: list[Made]) -> None:
    """generated.json, the last file written: seed, parameters, versions, and what is on each picture."""
    versions = {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
    head = {"generator": Path(__file__).name, **asdict(recipe), "versions": versions, "bands": BANDS}
    keys = "".join(f' "{name}": {json.dumps(value)},\n' for name, value in head.items())
    pictures = ",\n".join(f"  {json.dumps(asdict(one))}" for one in made)
    write_text(root / RECORD, f'{{\n{keys} "pictures": [\n{pictures}\n ]\n}}\n')


def table(made: list[Made]) -> list[str]:
    """Pictures, share of crack pixels and kinds of crack of each split."""
    lines = [f"{'split':<8}{'pictures':>9}{'crack':>9}   kinds"]
    for split in BANDS:
        mine = [one for one in made if one.file.startswith(f"{split}/")]
        if mine:
            kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(Counter(one.kind for one in mine).items()))
            lines.append(f"{split:<8}{len(mine):>9}{sum(one.share for one in mine) / len(mine):>9.2%}   {kinds}")
    return lines


def progress(made: Iterator[Made], total: int) -> Iterator[Made]:
    """Passes on what is made and counts it on a terminal."""
    for number, one in enumerate(made, 1):
        if sys.stderr.isatty():
            print(f"\rgenerate: {number}/{total}", end="" if number < total else os.linesep, file=sys.stderr)
        yield one


if __name__ == "__main__":
    run.main(main)
