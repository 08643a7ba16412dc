"""What a detector finds on pictures, in their own pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import screens
import torch
from checkpoint import Detector

from cvl.formats.boxes import Box
from cvl.kit.drawing import Found


def find(
    detector: Detector,
    files: Sequence[Path],
    *,
    device: str,
    confidence: float = 0.05,
    image_size: int | None = None,
) -> list[list[Found]]:
    """Boxes of at least `confidence` on each file, most certain first."""
    return [
        boxes_of(found)
        for found in instances(detector, files, device=device, confidence=confidence, image_size=image_size)
    ]


def instances(
    detector: Detector,
    files: Sequence[Path],
    *,
    device: str,
    confidence: float = 0.05,
    image_size: int | None = None,
) -> Iterator[Any]:
    """The library's Instances of each file, on the CPU: pred_boxes, scores, pred_classes, of Mask R-CNN pred_masks."""
    model = detector.model.to(device)
    with torch.no_grad(), judging(model, confidence):
        for file in files:
            (found,) = model([screens.as_input(file, detector.cfg, image_size)])
            yield found["instances"].to("cpu")


def boxes_of(found: Any) -> list[Found]:
    """The boxes of the library's Instances."""
    rows = zip(found.pred_boxes.tensor.tolist(), found.pred_classes.tolist(), found.scores.tolist(), strict=True)
    return sorted((Found(Box(label, *corners), score) for corners, label, score in rows), key=lambda item: -item.score)


@contextmanager
def judging(model: Any, confidence: float) -> Iterator[None]:
    """Evaluation mode, and boxes down to `confidence`; afterwards as it was."""
    training = model.training
    places = _thresholds(model)
    before = [getattr(part, name) for part, name in places]
    model.eval()
    for part, name in places:
        setattr(part, name, confidence)
    try:
        yield
    finally:
        for (part, name), value in zip(places, before, strict=True):
            setattr(part, name, value)
        model.train(training)


def _thresholds(model: Any) -> list[tuple[Any, str]]:
    """Where the library keeps its smallest score: each box predictor (cascade: several), or RetinaNet itself."""
    return [(part, "test_score_thresh") for part in model.modules() if hasattr(part, "test_score_thresh")]
