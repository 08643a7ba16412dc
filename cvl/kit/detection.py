"""What a detector is worth: one evaluator for every framework, and the files that say it.

Fractions 0–1. Where two runs were judged on the same truth (`truth` in evaluation/metrics.json is the SHA-256 of
ground_truth.json) their numbers compare, whatever found the boxes.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from cvl import contract
from cvl.errors import DataError
from cvl.formats import coco
from cvl.formats.boxes import BoxDataset, Picture
from cvl.kit import drawing
from cvl.kit.drawing import Comparison, Found
from cvl.kit.runlog import Row, write_json, write_text

# The pair that `best` may go by and that is logged again from the checkpoint on disk.
HEADLINES = ("map", "map50")
# COCO's 100 of a class on a picture are few where pictures are screens.
MAX_DETECTIONS = 300
# Every detector is asked for its boxes down to here: lists that end elsewhere would not compare.
FLOOR = 0.001
WARM_UP = 2
TIMED = 50  # pictures are enough for a median
_COLUMNS = ("map50", "map75", "map", "precision", "recall", "f1")

T = TypeVar("T")


@dataclass(frozen=True)
class Scores:
    """`groups` holds every class of the data set; one without a box in the split has only `n`: 0.

    Precision, recall and F1 are those at `confidence`; `curves` are recall and precision at IoU .5 by class.
    """

    metrics: dict[str, float]
    groups: dict[str, dict[str, float]]
    curves: dict[str, tuple[list[float], list[float]]] = field(default_factory=dict)
    confidence: float | None = None

    def table(self) -> str:
        """A line for each class, most frequent first."""
        lines = [f"{'class':<16}{'n':>6}{'mAP50':>8}{'mAP75':>8}{'mAP':>8}{'P':>8}{'R':>8}{'F1':>8}"]
        for name, group in sorted(self.groups.items(), key=lambda item: -item[1]["n"]):
            cells = "".join(f"{group[key]:8.3f}" if key in group else f"{'–':>8}" for key in _COLUMNS)
            lines.append(f"{name:<16}{group['n']:>6.0f}{cells}")
        cells = "".join(f"{self.metrics[key]:8.3f}" for key in _COLUMNS)
        total = sum(group["n"] for group in self.groups.values())
        return "\n".join([*lines, f"{'all':<16}{total:>6.0f}{cells}"])

    def as_json(self, split: str) -> dict[str, Any]:
        """What evaluation/metrics.json says of the quality."""
        return {"split": split, "metrics": self.metrics, "groups": self.groups}


@dataclass(frozen=True)
class Model:
    """What was evaluated, and its cost: `latency_ms` from `timed`, `memory_gb` the peak of the process in GiB."""

    name: str
    parameters: int
    latency_ms: float
    image_size: int | str
    device: str
    hardware: str
    memory_gb: float


@dataclass(frozen=True)
class Judged:
    """`compared` and `at` go by the boxes that are certain enough: what a user would see."""

    scores: Scores
    compared: list[Comparison]
    at: dict[str, float]


def judged(
    screens: Sequence[Picture], found: Sequence[Sequence[Found]], classes: Sequence[str], *, confidence: float
) -> Judged:
    """`evaluate` over all boxes, and what those of at least `confidence` come to."""
    certain = [confident(boxes, confidence) for boxes in found]
    compared = [drawing.compare(screen.boxes, boxes) for screen, boxes in zip(screens, certain, strict=True)]
    return Judged(evaluate(screens, found, classes), compared, {"confidence": confidence, **count(compared)})


def evaluate(
    screens: Sequence[Picture],
    found: Sequence[Sequence[Found]],
    classes: Sequence[str],
    *,
    max_detections: int = MAX_DETECTIONS,
) -> Scores:
    """COCO's protocol by pycocotools: at most `max_detections` boxes of a class on a picture, boxes of all sizes.

    `found` goes down to a confidence of FLOOR.

    Precision, recall and F1 are at IoU .5 and at the confidence where the mean of the classes' F1 is highest. That is
    Ultralytics' choice too; here F1 is neither interpolated nor smoothed over the confidences, and the precision of a
    class of which nothing is found is 0, not 1. The overall F1 is that of mean precision and mean recall. Means go over
    the classes that `screens` have; none at all is a DataError.
    """
    from cvl.kit import average_precision as ap

    count = {name: sum(box.label == i for s in screens for box in s.boxes) for i, name in enumerate(classes)}
    present = {name: number for number, name in enumerate(classes, 1) if count[name]}
    if not present:
        raise DataError(f"no box on any of {len(screens)} pictures: there is nothing to find")
    judged = ap.judge(_truth(classes, screens), _results(found), max_detections)
    ranked = {name: ap.ranked(judged, number) for name, number in present.items()}
    confidence = ap.best_confidence(list(ranked.values()))
    groups: dict[str, dict[str, float]] = {name: {"n": count[name]} for name in classes}
    for name, number in present.items():
        groups[name] |= ap.average(judged, number) | ranked[name].rates(confidence)
    metrics = {key: sum(groups[name][key] for name in present) / len(present) for key in _COLUMNS}
    precision, recall = metrics["precision"], metrics["recall"]
    metrics["f1"] = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return Scores(metrics, groups, {name: ap.curve(judged, number) for name, number in present.items()}, confidence)


def baseline(data: BoxDataset) -> dict[str, float]:
    """The row `baseline/map50`: what a guess scores that puts the boxes of any screen of train on each screen of val.

    Whoever scores no more has not looked at the screens. Drawn always the same way.
    """
    draw = random.Random(0)
    sources = [screen.boxes for screen in data.splits["train"]]
    screens = data.splits["val"]
    found = [[Found(box, 1.0) for box in draw.choice(sources)] for _ in screens]
    return {"baseline/map50": evaluate(screens, found, data.classes).metrics["map50"]}


def confident(found: Sequence[Found], confidence: float) -> list[Found]:
    """What is certain enough, each box under its most certain class only: some detectors give it one for each class."""
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


def summary(scores: Scores, at: dict[str, float]) -> str:
    """What the table does not say: classes without a box in the split, and the counts at a confidence."""
    absent = [name for name, group in scores.groups.items() if not group["n"]]
    return "\n".join(
        [
            *([f"without a box in this split: {', '.join(absent)}"] if absent else []),
            f"at confidence {at['confidence']:g}: {at['right']} right, {at['wrong']} wrong, {at['missed']} missed; "
            f"precision {at['precision']:.3f}, recall {at['recall']:.3f}, F1 {at['f1']:.3f}",
        ]
    )


def entry(path: Path, size: tuple[int, int], found: Iterable[Found], classes: Sequence[str], drawn: str) -> Row:
    """What predictions.json of the preset `predict` says of one picture (width, height); a box is x0, y0, x1, y1."""
    rows = [
        {
            "class": classes[item.box.label],
            "score": round(item.score, 4),
            "box": [round(side, 1) for side in (item.box.x0, item.box.y0, item.box.x1, item.box.y1)],
        }
        for item in found
    ]
    return {"file": str(path), "width": size[0], "height": size[1], "boxes": rows, "drawn": drawn}


def line(name: str, found: Iterable[Found], classes: Sequence[str]) -> str:
    """What is said of it."""
    counts = Counter(classes[item.box.label] for item in found)
    text = ", ".join(f"{number} {label}" for label, number in counts.most_common())
    return f"{name}: {text or 'nothing found'}"


def timed(find: Callable[[Path], T], files: Sequence[Path], *, device: str) -> tuple[list[T], float]:
    """What `find` gives for each file, and the median of its time in ms: from the file on disk to its boxes.

    Picture by picture; the first ones are found once more beforehand, since they also pay for setting up.
    """
    for file in files[:WARM_UP]:
        find(file)
    found, times = [], []
    for file in files:
        _wait(device)
        began = time.perf_counter()
        found.append(find(file))
        _wait(device)
        times.append(1000 * (time.perf_counter() - began))
    return found, median(times)


def _wait(device: str) -> None:
    """A GPU works on after the call has returned."""
    if device == "cuda":
        import torch

        torch.cuda.synchronize()


def write(
    folder: Path,
    split: str,
    scores: Scores,
    *,
    classes: Sequence[str],
    screens: Sequence[Picture],
    found: Sequence[Sequence[Found]],
    at: dict[str, float],
    model: Model,
) -> None:
    """predictions.json, ground_truth.json and, last, metrics.json in the folder `evaluation` of a run."""
    file = folder / contract.EVALUATION
    write_coco(found, file.with_name("predictions.json"))
    truth = write_truth(classes, screens, file.with_name("ground_truth.json"))
    write_json(file, scores.as_json(split) | {"at_confidence": at, "model": asdict(model), "truth": truth})


def write_coco(found: Sequence[Sequence[Found]], file: Path) -> None:
    """COCO results, one a line; picture and class numbers count from 1, as in cvl.formats.coco."""
    write_text(file, "[\n" + ",\n".join(map(json.dumps, _results(found))) + "\n]\n")


def write_truth(classes: Sequence[str], screens: Sequence[Picture], file: Path) -> str:
    """What `found` was judged by, as a COCO document; gives the SHA-256 of the file."""
    write_json(file, _truth(classes, screens))
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _truth(classes: Sequence[str], screens: Sequence[Picture]) -> dict[str, Any]:
    return coco.document(tuple(classes), [(screen.path.name, screen) for screen in screens])


def _results(found: Sequence[Sequence[Found]]) -> list[dict[str, Any]]:
    """Rounded before they are judged: whoever judges predictions.json gets the same numbers."""
    return [_result(number, item) for number, boxes in enumerate(found, 1) for item in boxes]


def _result(number: int, item: Found) -> dict[str, Any]:
    box = item.box
    corners = (box.x0, box.y0, box.x1 - box.x0, box.y1 - box.y0)
    return {
        "image_id": number,
        "category_id": box.label + 1,
        "bbox": [round(value, 3) for value in corners],
        "score": round(item.score, 5),
    }
