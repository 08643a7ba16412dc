"""The library's own validation: what training goes by, and what best_model.pt must reach again from the disk.

The final table is the kit's (judging.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dataset import View
from library import YOLO

from cvl.kit.detection import Scores


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
