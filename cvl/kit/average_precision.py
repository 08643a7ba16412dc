"""Average precision by COCO's protocol: pycocotools matches, ranks and averages; here it is kept quiet and read."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

IOU_50, IOU_75 = 0, 5  # where they stand among COCO's thresholds .50, .55 … .95


@dataclass(frozen=True)
class Ranked:
    """What was found of one class, most certain first: score, and whether it is right at IoU .5."""

    truth: int
    scores: np.ndarray
    right: np.ndarray

    def counts(self, confidences: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How many were found, and found right, at each of these confidences."""
        found = np.searchsorted(-self.scores, -confidences, side="right")
        return found, np.concatenate([[0], np.cumsum(self.right)])[found]

    def rates(self, confidence: float) -> dict[str, float]:
        """Precision, recall and F1 at a confidence; where nothing was found they are 0."""
        (found,), (right,) = self.counts(np.array([confidence]))
        return {
            "precision": float(right / max(1, found)),
            "recall": float(right / self.truth),
            "f1": float(2 * right / (found + self.truth)),
        }


def judge(
    truth: dict[str, Any], results: Sequence[dict[str, Any]], max_detections: int, *, kind: str = "bbox"
) -> COCOeval:
    """`results` against a COCO document, both with categories 1, 2, …; boxes (`segm`: masks) of all sizes alike."""
    with contextlib.redirect_stdout(io.StringIO()):
        known = _coco(truth)
        # loadRes() adds to what it is given, and takes no empty list.
        found = known.loadRes([dict(one) for one in results]) if results else _coco(truth | {"annotations": []})
        judged = COCOeval(known, found, kind)
        judged.params.areaRng, judged.params.areaRngLbl = [[0, 1e10]], ["all"]
        judged.params.maxDets = [max_detections]
        judged.evaluate()
        judged.accumulate()
    return judged


def _coco(document: dict[str, Any]) -> COCO:
    made = COCO()
    made.dataset = document
    made.createIndex()
    return made


def average(judged: COCOeval, category: int) -> dict[str, float]:
    """map (mean over IoU .50 to .95), map50 and map75 of a class that the truth has."""
    by_iou = judged.eval["precision"][:, :, category - 1, 0, 0].mean(axis=1)
    return {"map": float(by_iou.mean()), "map50": float(by_iou[IOU_50]), "map75": float(by_iou[IOU_75])}


def curve(judged: COCOeval, category: int) -> tuple[list[float], list[float]]:
    """Recall 0, .01 … 1 and COCO's precision there, at IoU .5."""
    return judged.params.recThrs.tolist(), judged.eval["precision"][IOU_50, :, category - 1, 0, 0].tolist()


def ranked(judged: COCOeval, category: int) -> Ranked:
    """All pictures together."""
    pictures = len(judged.params.imgIds)
    entries = judged.evalImgs[(category - 1) * pictures : category * pictures]
    seen = [entry for entry in entries if entry]  # None: neither truth nor anything found
    counted = ~np.concatenate([np.zeros(0, bool), *(one["dtIgnore"][IOU_50].astype(bool) for one in seen)])
    scores = np.concatenate([np.zeros(0), *(one["dtScores"] for one in seen)])[counted]
    right = np.concatenate([np.zeros(0), *(one["dtMatches"][IOU_50] for one in seen)])[counted] > 0
    order = np.argsort(-scores, kind="stable")
    return Ranked(sum(len(one["gtIds"]) for one in seen), scores[order], right[order])


def best_confidence(classes: Sequence[Ranked]) -> float:
    """Where the mean of the classes' F1 is highest, of equals the highest; 1 where nothing was found."""
    confidences = np.unique(np.concatenate([one.scores for one in classes]))[::-1]
    if not len(confidences):
        return 1.0
    total = np.zeros(len(confidences))
    for one in classes:
        found, right = one.counts(confidences)
        total += 2 * right / (found + one.truth)
    return float(confidences[total.argmax()])
