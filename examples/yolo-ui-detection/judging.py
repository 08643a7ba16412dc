"""The final judgement of a model: by the kit's evaluator, which judges what any detector finds in the same way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import checkpoint
import pictures
from dataset import View
from findings import collect
from library import YOLO

from cvl.kit import detection, meters
from cvl.kit.detection import Judged, Model


def judge(
    model: YOLO,
    view: View,
    split: str,
    folder: Path,
    *,
    device: str,
    confidence: float,
    image_size: int,
    **options: Any,
) -> Judged:
    """`model` on a split; `folder` is the run's, and gets evaluation/ with metrics, predictions and truth."""
    parameters = sum(weight.numel() for weight in model.model.parameters())  # the library fuses layers when it finds
    files, screens, classes = view.links[split], view.data.splits[split], view.data.classes
    found = collect(model, view, split, image_size=image_size, folder=folder / "native", **options)

    judged = detection.judged(screens, found, classes, confidence=confidence)

    find = pictures.finder(model, image_size=image_size, confidence=confidence)
    _, latency = detection.timed(find, files[: detection.TIMED], device=device)
    about = Model(
        name=checkpoint.name(model),
        parameters=parameters,
        latency_ms=round(latency, 2),
        image_size=image_size,
        device=device,
        hardware=meters.hardware(device),
        memory_gb=round(meters.peak_memory_gb(device), 3),
    )
    detection.write(
        folder, split, judged.scores, classes=classes, screens=screens, found=found, at=judged.at, model=about
    )
    return judged
