"""What a detector is worth on a split: mAP, precision, recall and F1, overall and for each class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataset import View
from library import YOLO

# The pair that `best` may go by and that is logged again from the checkpoint on disk.
HEADLINES = ("map", "map50")


@dataclass(frozen=True)
class Scores:
    """Fractions 0–1. `groups` holds every class of the data set; one without a box in the split has only `n`: 0."""

    metrics: dict[str, float]
    groups: dict[str, dict[str, float]]

    def table(self) -> str:
        """A line for each class, most frequent first."""
        lines = [f"{'class':<16}{'n':>6}{'mAP50':>8}{'mAP75':>8}{'mAP':>8}{'P':>8}{'R':>8}{'F1':>8}"]
        columns = ("map50", "map75", "map", "precision", "recall", "f1")
        for name, group in sorted(self.groups.items(), key=lambda item: -item[1]["n"]):
            cells = "".join(f"{group[key]:8.3f}" if key in group else f"{'–':>8}" for key in columns)
            lines.append(f"{name:<16}{group['n']:>6.0f}{cells}")
        cells = "".join(f"{self.metrics[key]:8.3f}" for key in columns)
        total = sum(group["n"] for group in self.groups.values())
        return "\n".join([*lines, f"{'all':<16}{total:>6.0f}{cells}"])

    def as_json(self, split: str) -> dict[str, Any]:
        """The content of evaluation/metrics.json."""
        return {"split": split, "metrics": self.metrics, "groups": self.groups}


def evaluate(
    model: YOLO | Path, view: View, split: str, *, image_size: int, batch_size: int, folder: Path, **options: Any
) -> Scores:
    """Runs `model` over a split of the view; `folder` takes what the library writes."""
    found = (model if isinstance(model, YOLO) else YOLO(model)).val(
        data=str(view.config),
        split=split,
        imgsz=image_size,
        batch=batch_size,
        project=str(folder),
        name=split,
        exist_ok=True,
        **{"plots": False, "verbose": False, "workers": 0, **options},
    )
    return scores(found)


def scores(found: Any) -> Scores:
    """From the library's DetMetrics. F1 is that of mean precision and recall."""
    box = found.box
    precision, recall = float(box.mp), float(box.mr)
    metrics = {
        "map": float(box.map),
        "map50": float(box.map50),
        "map75": float(box.map75),
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall) if precision + recall else 0.0,
    }
    counts = found.nt_per_class if found.nt_per_class is not None else [0] * len(found.names)
    groups: dict[str, dict[str, float]] = {name: {"n": int(counts[i])} for i, name in found.names.items()}
    for row, label in enumerate(box.ap_class_index):
        p, r, map50, map_ = (float(value) for value in box.class_result(row))
        groups[found.names[int(label)]] |= {
            "map50": map50,
            "map75": float(box.all_ap[row, 5]),
            "map": map_,
            "precision": p,
            "recall": r,
            "f1": float(box.f1[row]),
        }
    return Scores(metrics, groups)
