"""What the data sets have in common: splits and problems; and what one of boxes is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, TypeVar

from cvl.errors import DataError

VAL_SHARE = 0.2  # of the training pictures, where a data set brings no validation split
_KEPT = ("test", "val", "train")  # where a picture of two splits stays, the first of these
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}
TOLERANCE = 1e-3  # of the picture's side: rounding of label tools, clipped without a word
FORMS = (
    "YOLO (data.yaml, or images/ beside labels/) or COCO (annotations/instances_<split>.json, "
    "<split>/_annotations.coco.json, <split>.json, one .json)"
)


@dataclass(frozen=True)
class Box:
    """A labelled rectangle in pixels, `x1` and `y1` exclusive; `label` counts from 0.

    `outline` is what it holds, as polygons (x, y, x, y, …), where the labels say so.
    """

    label: int
    x0: float
    y0: float
    x1: float
    y1: float
    outline: tuple[tuple[float, ...], ...] = field(default=(), kw_only=True)


@dataclass(frozen=True)
class Picture:
    """A picture file and what is on it; no boxes means background."""

    path: Path
    width: int
    height: int
    boxes: tuple[Box, ...] = ()
    digest: str = ""


class Item(Protocol):
    """A picture of any data set; `digest` stands for its content."""

    @property
    def path(self) -> Path: ...

    @property
    def digest(self) -> str: ...


AnyItem = TypeVar("AnyItem", bound=Item)


@dataclass(frozen=True)
class Problem:
    """Something wrong with one file of a data set."""

    file: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.message}"


@dataclass(frozen=True)
class BoxDataset:
    """Pictures by split. `problems` must be mended, `notes` say what was assumed."""

    classes: tuple[str, ...]
    splits: Mapping[str, tuple[Picture, ...]]
    problems: tuple[Problem, ...] = ()
    format: str = ""
    notes: tuple[str, ...] = ()


def existing(folder: str | Path, forms: str = FORMS) -> Path:
    """`folder` as a Path, or the DataError that says what is wrong with it; `forms` is what could be in it."""
    root = Path(folder)
    if not root.exists():
        raise DataError(
            f"{root}: there is no such folder", hint="give the folder of the data set, e.g. --data my-screens"
        )
    if not root.is_dir():
        raise DataError(f"{root}: is a file, not a folder", hint=f"give the folder that holds it: {root.parent}")
    if not any(root.iterdir()):
        raise DataError(f"{root}: is empty", hint=f"expected {forms}")
    return root


def refuse(problems: Sequence[Problem], max_bad: int) -> None:
    """Raises DataError naming the first problems where there are more than `max_bad`."""
    if len(problems) <= max_bad:
        return
    lines = [f"  {problem}" for problem in problems[:10]]
    if len(problems) > 10:
        lines.append(f"  … and {len(problems) - 10} more")
    raise DataError(
        f"{len(problems)} problem(s) in the data set:\n" + "\n".join(lines),
        hint="mend or remove these files, or set MAX_BAD to train without what is broken",
    )


def bounded(box: Box, width: int, height: int) -> Box:
    """`box` clipped to the picture; ValueError where it lies outside or has no area."""
    slack_x, slack_y = TOLERANCE * width, TOLERANCE * height
    if not all(abs(v) < float("inf") for v in (box.x0, box.y0, box.x1, box.y1)):
        raise ValueError("coordinates that are not finite")
    if box.x1 <= box.x0 or box.y1 <= box.y0:
        raise ValueError("a box without area")
    if box.x0 < -slack_x or box.y0 < -slack_y or box.x1 > width + slack_x or box.y1 > height + slack_y:
        raise ValueError(
            f"a box outside the picture: ({box.x0:.1f}, {box.y0:.1f}, {box.x1:.1f}, {box.y1:.1f}) on {width}x{height}"
        )
    return replace(box, x0=max(0.0, box.x0), y0=max(0.0, box.y0), x1=min(width, box.x1), y1=min(height, box.y1))


def finish(dataset: BoxDataset) -> BoxDataset:
    """`dataset` with a validation split and with the problems that only show across splits."""
    if not any(picture.boxes for pictures in dataset.splits.values() for picture in pictures):
        found = "; ".join(str(p) for p in dataset.problems[:3])
        raise DataError(
            f"no labelled box in the {dataset.format} data set" + (f" ({found})" if found else ""),
            hint="labels must lie beside the pictures in one of the known forms: " + FORMS,
        )
    splits, notes = with_validation(dataset.splits)
    splits, doubles = apart(splits)
    return replace(dataset, splits=splits, problems=(*dataset.problems, *doubles), notes=(*dataset.notes, *notes))


def with_validation(
    splits: Mapping[str, tuple[AnyItem, ...]],
) -> tuple[Mapping[str, tuple[AnyItem, ...]], tuple[str, ...]]:
    """The splits, with a part of `train` as `val` where there is none, and the note that says so.

    Identical pictures have one digest, so they stay on one side.
    """
    train = splits.get("train", ())
    if splits.get("val") or not train:
        return splits, ()
    keys = sorted({p.digest for p in train}, key=lambda d: hashlib.sha1(d.encode()).hexdigest())
    chosen = set(keys[: max(1, round(VAL_SHARE * len(keys)))]) if len(keys) > 1 else set()
    val = tuple(p for p in train if p.digest in chosen)
    note = f"no validation split: {len(val)} of {len(train)} training pictures, chosen by their content, serve as one"
    return {**splits, "train": tuple(p for p in train if p.digest not in chosen), "val": val}, (note,)


def apart(
    splits: Mapping[str, tuple[AnyItem, ...]],
) -> tuple[Mapping[str, tuple[AnyItem, ...]], list[Problem]]:
    """The splits without the pictures that another split has as well, and a problem for each.

    It stays where it is needed most: in test, else in val; left in both, training would see what it is judged by.
    """
    left: dict[str, tuple[AnyItem, ...]] = {}
    home: dict[str, tuple[str, AnyItem]] = {}
    problems: list[Problem] = []
    for split in sorted(splits, key=_KEPT.index):
        here = [item for item in splits[split] if home.get(item.digest, (split,))[0] == split]
        problems += [
            Problem(str(item.path), f"the same picture is in {split} and in {other} ({there.path.name})")
            for item in splits[split]
            for other, there in [home.get(item.digest, (split, item))]
            if other != split
        ]
        home |= {item.digest: (split, item) for item in here}
        left[split] = tuple(here)
    return {split: left[split] for split in splits}, problems
