"""The final judgement of a model: by the kit's evaluator, which judges what any detector finds in the same way."""

from __future__ import annotations

from pathlib import Path

from checkpoint import Detector
from dataset import View
from find import find

from cvl.kit import detection, meters
from cvl.kit.detection import Judged, Model


def judge(
    detector: Detector,
    view: View,
    split: str,
    folder: Path,
    *,
    device: str,
    confidence: float,
    image_size: int | None = None,
) -> Judged:
    """`detector` on a split; `folder` is the run's, and gets evaluation/ with metrics, predictions and truth."""
    screens, classes = view.data.splits[split], view.data.classes
    files = [screen.path for screen in screens]
    options = {"device": device, "image_size": image_size}
    found = find(detector, files, confidence=detection.FLOOR, **options)
    judged = detection.judged(screens, found, classes, confidence=confidence)

    _, latency = detection.timed(
        lambda file: find(detector, [file], confidence=confidence, **options), files[: detection.TIMED], device=device
    )
    about = Model(
        name=str(detector.config["MODEL"]),
        parameters=sum(weight.numel() for weight in detector.model.parameters()),
        latency_ms=round(latency, 2),
        image_size=image_size or detector.image_size,
        device=device,
        hardware=meters.hardware(device),
        memory_gb=round(meters.peak_memory_gb(device), 3),
    )
    detection.write(
        folder, split, judged.scores, classes=classes, screens=screens, found=found, at=judged.at, model=about
    )
    return judged
