"""What a model finds over a whole split: kept while it is validated, counted, written as COCO results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from library import DetectionValidator

from cvl.formats.boxes import Box
from cvl.kit.drawing import Comparison, Found
from cvl.kit.runlog import write_text


class Collector(DetectionValidator):
    """The library's validator, which also keeps what was found: name of the picture -> boxes in its pixels."""

    def __init__(self, kept: dict[str, list[Found]], **options: Any) -> None:
        super().__init__(**options)
        self.kept = kept

    def update_metrics(self, preds: list[dict[str, Any]], batch: dict[str, Any]) -> None:
        super().update_metrics(preds, batch)
        for i, pred in enumerate(preds):
            target = self._prepare_batch(i, batch)
            scaled = self.scale_preds(pred, target)
            rows = zip(scaled["bboxes"].tolist(), scaled["cls"].tolist(), scaled["conf"].tolist(), strict=True)
            boxes = [Found(Box(int(label), *corners), score) for corners, label, score in rows]
            self.kept[Path(target["im_file"]).name] = boxes


def confident(found: Sequence[Found], confidence: float) -> list[Found]:
    """What is certain enough, each box under its most certain class only: validation gives it one for each class."""
    best: dict[tuple[float, ...], Found] = {}
    for item in sorted(found, key=lambda item: -item.score):
        if item.score >= confidence:
            best.setdefault((item.box.x0, item.box.y0, item.box.x1, item.box.y1), item)
    return list(best.values())


def count(compared: Sequence[Comparison]) -> dict[str, float]:
    """Boxes found right, found wrong and missed over all pictures; a rate without anything to count is 0."""
    right = sum(len(c.matched) for c in compared)
    wrong = sum(len(c.found) for c in compared) - right
    missed = sum(len(c.truth) for c in compared) - right
    return {
        "right": right,
        "wrong": wrong,
        "missed": missed,
        "precision": right / max(1, right + wrong),
        "recall": right / max(1, right + missed),
        "f1": 2 * right / max(1, 2 * right + wrong + missed),
    }


def write_coco(found: Sequence[Sequence[Found]], file: Path) -> None:
    """COCO results, one a line; picture and class numbers count from 1, as in cvl.formats.coco."""
    lines = [json.dumps(_result(number, item)) for number, boxes in enumerate(found, 1) for item in boxes]
    write_text(file, "[\n" + ",\n".join(lines) + "\n]\n")


def _result(number: int, item: Found) -> dict[str, Any]:
    box = item.box
    corners = (box.x0, box.y0, box.x1 - box.x0, box.y1 - box.y0)
    return {
        "image_id": number,
        "category_id": box.label + 1,
        "bbox": [round(value, 3) for value in corners],
        "score": round(item.score, 5),
    }
