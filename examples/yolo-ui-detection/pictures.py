"""Predictions as boxes, and the curves of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from library import YOLO

from cvl.formats.boxes import Box
from cvl.kit import drawing
from cvl.kit.drawing import Found

CONFIDENCE = 0.25


def finder(model: YOLO, *, image_size: int, confidence: float = CONFIDENCE) -> Callable[[Path], list[Found]]:
    """Gives what `model` finds on a file, in pixels of the picture, most certain first."""
    return lambda file: boxes_of(model.predict(str(file), imgsz=image_size, conf=confidence, verbose=False))


def boxes_of(results: Any) -> list[Found]:
    """What the library's predict() found on one picture."""
    (result,) = results
    rows = zip(result.boxes.xyxy.tolist(), result.boxes.cls.tolist(), result.boxes.conf.tolist(), strict=True)
    return [Found(Box(int(label), *corners), score) for corners, label, score in rows]


def curves(rows: Iterable[dict[str, Any]], file: Path) -> None:
    """Losses, mAP, precision and recall over the epochs."""
    means = {"mAP50": "val/map50", "mAP": "val/map"}
    rates = {"precision": "val/precision", "recall": "val/recall"}
    drawing.run_curves(rows, {"mAP on val": means, "Precision and recall on val": rates}, file)
