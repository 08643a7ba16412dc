"""Predictions as boxes, the screens with the most mistakes first, and the curves of the run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from dataset import View
from library import YOLO

from cvl.formats.boxes import Box, Picture
from cvl.kit import drawing
from cvl.kit.drawing import Comparison, Found

CONFIDENCE = 0.25


def find(model: YOLO, files: Sequence[Path], *, image_size: int, confidence: float = CONFIDENCE) -> list[list[Found]]:
    """What `model` finds on each file, in pixels of the picture, most certain first."""
    return [boxes_of(model.predict(str(f), imgsz=image_size, conf=confidence, verbose=False)) for f in files]


def boxes_of(results: Any) -> list[Found]:
    """What the library's predict() found on one picture."""
    (result,) = results
    rows = zip(result.boxes.xyxy.tolist(), result.boxes.cls.tolist(), result.boxes.conf.tolist(), strict=True)
    return [Found(Box(int(label), *corners), score) for corners, label, score in rows]


def worst_first(weights: Path, view: View, split: str, folder: Path, *, image_size: int, count: int = 8) -> None:
    """Truth beside predictions for the `count` screens with the lowest F1."""
    screens = view.data.splits[split]
    found = find(YOLO(weights), view.links[split], image_size=image_size)
    compared = [drawing.compare(screen.boxes, boxes) for screen, boxes in zip(screens, found, strict=True)]
    draw_worst(screens, compared, view.data.classes, folder, prefix=split, count=count)


def draw_worst(
    screens: Sequence[Picture],
    compared: Sequence[Comparison],
    classes: Sequence[str],
    folder: Path,
    *,
    prefix: str,
    count: int,
) -> None:
    """The `count` screens with the lowest F1: <prefix>_01_<name>.png is the worst."""
    order = sorted(range(len(screens)), key=lambda i: compared[i].f1)
    for rank, i in enumerate(order[:count], 1):
        file = screens[i].path
        image = drawing.side_by_side(drawing.upright(file), compared[i], classes, title=file.name)
        drawing.save(image, folder / f"{prefix}_{rank:02d}_{file.stem}.png")


def curves(rows: Iterable[dict[str, Any]], file: Path) -> None:
    """Losses, mAP, precision and recall over the epochs."""
    means = {"mAP50": "val/map50", "mAP": "val/map"}
    rates = {"precision": "val/precision", "recall": "val/recall"}
    drawing.run_curves(rows, {"mAP on val": means, "Precision and recall on val": rates}, file)
