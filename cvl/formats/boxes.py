"""Boxes on pictures, whatever form they came in: read, check, count."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

from cvl.errors import DataError
from cvl.formats import coco, yolo
from cvl.formats.dataset import FORMS, Box, BoxDataset, Picture, Problem, existing, refuse
from cvl.formats.pictures import SUFFIXES

__all__ = ["Box", "BoxDataset", "Picture", "Problem", "check", "read", "stats"]


def read(folder: str | Path) -> BoxDataset:
    """The data set in `folder`, its form detected; DataError where nothing can be read at all."""
    root = existing(folder)
    if yolo.recognises(root):
        return yolo.read(root)
    if coco.recognises(root):
        return coco.read(root)
    count = sum(path.suffix.lower() in SUFFIXES for path in root.rglob("*"))
    found = f"{count} picture(s) and no labels" if count else "no pictures"
    raise DataError(f"{root}: no data set of boxes recognised, there are {found}", hint=f"expected {FORMS}")


def check(dataset: BoxDataset, max_bad: int = 0) -> None:
    """Raises DataError naming the first problems where there are more than `max_bad`."""
    refuse(dataset.problems, max_bad)


def stats(dataset: BoxDataset) -> dict[str, Any]:
    """Pictures, boxes per class and box sizes (square root of the area, px) of every split."""
    return {
        "format": dataset.format,
        "classes": list(dataset.classes),
        "problems": len(dataset.problems),
        "splits": {name: _split_stats(dataset.classes, pictures) for name, pictures in dataset.splits.items()},
    }


def _split_stats(classes: tuple[str, ...], pictures: tuple[Picture, ...]) -> dict[str, Any]:
    boxes = [box for picture in pictures for box in picture.boxes]
    count = Counter(box.label for box in boxes)
    sides = sorted(((b.x1 - b.x0) * (b.y1 - b.y0)) ** 0.5 for b in boxes)
    return {
        "images": len(pictures),
        "background": sum(not picture.boxes for picture in pictures),
        "boxes": len(boxes),
        "per_class": {name: count[i] for i, name in enumerate(classes)},
        "box_px": {"min": sides[0], "median": median(sides), "max": sides[-1]} if sides else {},
    }
