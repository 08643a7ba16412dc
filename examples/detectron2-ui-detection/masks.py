"""Masks of Mask R-CNN: drawn, written as run lengths, and judged by COCO's protocol."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import find
import numpy as np
from checkpoint import Detector
from PIL import Image
from pycocotools import mask as run_lengths

from cvl.formats import coco
from cvl.formats.boxes import Box, Picture
from cvl.kit import average_precision as ap
from cvl.kit.detection import FLOOR, MAX_DETECTIONS
from cvl.kit.runlog import write_json

OPACITY = 0.4


def judge(
    detector: Detector,
    screens: Sequence[Picture],
    folder: Path,
    *,
    device: str,
    image_size: int,
) -> dict[str, float]:
    """Mask mAP, mAP50 and mAP75; `folder` gets masks.json (with those of each class) and mask_predictions.json."""
    found = []
    files = [screen.path for screen in screens]
    each = find.instances(detector, files, device=device, confidence=FLOOR, image_size=image_size)
    for number, instances in enumerate(each, 1):
        found += results(number, instances)
    judged = ap.judge(truth(screens, detector.classes), found, MAX_DETECTIONS, kind="segm")
    present = {box.label for screen in screens for box in screen.boxes}
    groups = {name: ap.average(judged, i + 1) for i, name in enumerate(detector.classes) if i in present}
    metrics = {key: sum(group[key] for group in groups.values()) / len(groups) for key in ("map", "map50", "map75")}
    write_json(folder / "mask_predictions.json", found)
    write_json(folder / "masks.json", {"metrics": metrics, "groups": groups})
    return metrics


def results(number: int, found: Any) -> list[dict[str, Any]]:
    """The library's Instances of picture `number` (from 1) as COCO results."""
    rows = zip(found.pred_masks.numpy(), found.pred_classes.tolist(), found.scores.tolist(), strict=True)
    return [
        {"image_id": number, "category_id": label + 1, "segmentation": encode(mask), "score": round(score, 5)}
        for mask, label, score in rows
    ]


def encode(mask: np.ndarray) -> dict[str, Any]:
    """A mask (H,W) as COCO's compressed run lengths: pycocotools.mask.decode() reads it."""
    made = run_lengths.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [int(side) for side in made["size"]], "counts": made["counts"].decode("ascii")}


def truth(screens: Sequence[Picture], classes: Sequence[str]) -> dict[str, Any]:
    """A COCO document in which every box has an outline, if only its own."""
    document = coco.document(tuple(classes), [(screen.path.name, screen) for screen in screens])
    boxes = (box for screen in screens for box in screen.boxes)
    for annotation, box in zip(document["annotations"], boxes, strict=True):
        annotation["segmentation"] = [list(polygon) for polygon in box.outline or (_rectangle(box),)]
    return document


def tint(image: Image.Image, masks: Iterable[tuple[np.ndarray, str]]) -> Image.Image:
    """A copy of `image` with each mask (H,W) shining through in its colour."""
    tinted = image.convert("RGB")
    for mask, colour in masks:
        shape = Image.fromarray(mask.astype(np.uint8) * round(255 * OPACITY))
        tinted.paste(Image.new("RGB", tinted.size, colour), (0, 0), shape)
    return tinted


def _rectangle(box: Box) -> tuple[float, ...]:
    return (box.x0, box.y0, box.x1, box.y0, box.x1, box.y1, box.x0, box.y1)
