"""What a model finds over a whole split: kept while the library validates it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from dataset import View
from library import YOLO, DetectionValidator
from scoring import evaluate

from cvl.formats.boxes import Box
from cvl.kit.detection import FLOOR
from cvl.kit.drawing import Found


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


def collect(model: YOLO, view: View, split: str, **options: Any) -> list[list[Found]]:
    """Every box that the model finds on a split down to the kit's FLOOR, picture by picture."""
    kept: dict[str, list[Found]] = {}
    evaluate(model, view, split, validator=partial(Collector, kept), conf=FLOOR, **options)
    return [kept[link.name] for link in view.links[split]]
