"""Which pictures: those that SOURCE names, some of a split, and what of them can be read."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

from PIL import Image, UnidentifiedImageError

from cvl.errors import DataError
from cvl.formats import boxes, pictures
from cvl.kit import drawing, run, samples

T = TypeVar("T")


class _Pictured(Protocol):
    @property
    def path(self) -> Path: ...


def named(wanted: str | None, sample: Callable[[], Mapping[str, Sequence[_Pictured]]]) -> list[Path]:
    """The pictures that SOURCE names, a file or a folder; unset: those of test, else of val, of the `sample`."""
    if wanted is None:
        splits = sample()
        return [picture.path for picture in splits.get("test") or splits["val"]]
    path = Path(wanted)
    if not path.exists():
        raise DataError(f"SOURCE {path}: there is no such file or folder", hint="a picture, or a folder of pictures")
    found = pictures.listing(path) if path.is_dir() else [path]
    if not found:
        hint = f"known are {', '.join(sorted(pictures.SUFFIXES))}"
        raise DataError(f"SOURCE {path}: no picture in it or below", hint=hint)
    return found


def readable(files: Sequence[Path], skipped: list[dict[str, str]]) -> Iterator[tuple[Path, Image.Image]]:
    """Each file and its picture, upright; what cannot be read is said and added to `skipped`. DataError: none can."""
    for path in files:
        try:
            image = drawing.upright(path)
        except Exception as error:  # Pillow raises whatever its decoders raise
            skipped.append({"file": str(path), "reason": f"not a readable picture ({_reason(error)})"})
            run.say(f"left out: {path}: {skipped[-1]['reason']}")
        else:
            yield path, image
    if len(skipped) == len(files):
        raise DataError(f"SOURCE: none of {len(files)} file(s) could be read as a picture", hint="PNG, JPEG or WebP")


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "of no known kind"
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def spread(items: Sequence[T], count: int) -> list[T]:
    """At most `count` of the items, at even distances."""
    count = min(count, len(items))
    return [items[i * len(items) // count] for i in range(count)]


def some(items: Sequence[T], count: int | None, seed: int) -> tuple[T, ...]:
    """At most `count` of the items (None: all), drawn by `seed`, in their order."""
    if not count or count >= len(items):
        return tuple(items)
    keep = set(random.Random(seed).sample(range(len(items)), count))
    return tuple(item for i, item in enumerate(items) if i in keep)


def boxed(
    data_dir: str | None,
    sample: str,
    *,
    needs: Sequence[str] = ("train", "val"),
    max_bad: int = 0,
    max_train: int | None = None,
    seed: int = 0,
) -> boxes.BoxDataset:
    """DATA_DIR (unset: the shipped `sample`) checked and said, with `max_train` pictures of train drawn by `seed`.

    DataError where there is more wrong with it than `max_bad`, or where a split of `needs` has no box.
    """
    data = boxes.read(data_dir or samples.folder(sample))
    boxes.check(data, max_bad)
    for note in data.notes:
        run.say(note)
    if data.problems:
        run.say(f"{len(data.problems)} fault(s) left out, up to MAX_BAD={max_bad}, such as {data.problems[0]}")
    data = replace(data, splits={**data.splits, "train": some(data.splits.get("train", ()), max_train, seed)})
    for split in needs:
        if not any(picture.boxes for picture in data.splits.get(split, ())):
            raise DataError(f"no labelled picture in {split}", hint="the preset `data` shows what was found")
    counts = ", ".join(f"{len(found)} {split}" for split, found in data.splits.items() if found)
    run.say(f"data: {counts}; {len(data.classes)} classes")
    return data


def of_split(data_dir: str | None, sample: str, split: str, count: int) -> list[boxes.Picture]:
    """`count` pictures with boxes' labels, spread over a split of DATA_DIR (unset: the shipped `sample`)."""
    splits = boxes.read(data_dir or samples.folder(sample)).splits
    found = splits.get(split, ())
    if not found:
        raise DataError(f"there is no picture in {split}", hint=f"SPLIT is one of {', '.join(splits)}")
    return spread(found, count)
