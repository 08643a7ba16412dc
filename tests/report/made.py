"""A run folder of an example with rules, and a log that fails some of them."""

from __future__ import annotations

import json
import math
from pathlib import Path

from PIL import Image

from cvl import runs, verdict
from cvl.judge import Judgement
from cvl.runs import Record

MANIFEST = """\
name: toy
capability: perception/object_detection
stability: stable
tasks: [object_detection]
frameworks: [none]
description: Made up.
presets:
  train: {command: [python, train.py], description: Train}
  data: {command: [python, data.py], description: Look at the data}
parameters:
  NUM_EPOCHS: {type: integer, default: 30, description: Epochs}
  MODEL: {type: string, default: tiny, description: Model}
verification:
  metrics:
    train_loss: {key: train/loss, kind: loss}
    val_loss: {key: val/loss, kind: loss}
    map50: {key: val/map50, better: higher}
  presets:
    train:
      - finite: [train_loss]
      - trend: {metric: train_loss, ratio_max: 0.8}
      - range: {metric: map50, at: best, min: 0.5, max: 1.0}
      - gap: {metrics: [train_loss, val_loss], diff_max: 2}
      - each: {metric: map50, min: 0.1}
      - above: {metric: map50}
"""


def rows(*, epochs: int = 30, nan_at: int = 0) -> list[dict[str, float]]:
    """A loss that falls, a metric that rises, and a NaN at the step `nan_at`."""
    found: list[dict[str, float]] = [{"step": 0, "epoch": 0, "baseline/map50": 0.05}]
    for n in range(1, epochs + 1):
        loss = math.nan if n == nan_at else 5 * math.exp(-n / 10) + 1
        score = 0.8 * (1 - math.exp(-n / 8))
        values = {"train/loss": loss, "val/loss": loss + 0.2, "val/map": score / 2, "val/map50": score}
        classes = {"val/map50/button": score, "val/map50/link": score / 3}
        found.append({"step": n * 10, "epoch": n, **values, **classes, "perf/images_per_s": 40.0})
    return found


def run_folder(root: Path, log: list[dict[str, float]] | None = None, **record: object) -> Path:
    """`outputs/train-1` of a catalogue in `root`, with its record, pictures and an evaluation."""
    example = root / "examples" / "toy"
    folder = example / "outputs" / "train-1"
    (folder / "visualizations").mkdir(parents=True)
    (example / "example.yaml").write_text(MANIFEST, encoding="utf-8")
    lines = [json.dumps({"time": 0.0, **row}) + "\n" for row in (rows() if log is None else log)]
    (folder / "metrics.jsonl").write_text("".join(lines), encoding="utf-8")
    Image.new("RGB", (1600, 900), "navy").save(folder / "visualizations" / "0000.png")
    evaluation(folder, {"split": "test", "metrics": {"map50": 0.71}, "groups": {"button": {"n": 9, "map50": 0.8}}})
    facts: dict[str, object] = {
        "status": "done",
        "exit_code": 0,
        "parameters": {
            "NUM_EPOCHS": {"value": 30, "source": "default"},
            "MODEL": {"value": "small", "source": "environment"},
        },
        "hardware": {"cpu": "Abacus 9", "cores": 2, "memory_gb": 8.0, "gpus": [], "system": "Linux"},
        "device": "cpu",
        "split_sizes": {"train": 12, "val": 3},
        "started": "2026-01-02T03:04:05+00:00",
        "ended": "2026-01-03T03:04:05+00:00",
        "seconds": 671.6,
        "environment": {"python_version": "3.11.7", "packages": {"numpy": "1.26.4"}},
        "notes": ["the first of its kind"],
        "verdict": "pass",
        "images_per_s": 40.0,
        "peak_memory_gb": 1.5,
    }
    runs.save(folder, Record(folder.name, "toy", **{"preset": "train", **facts, **record}))  # type: ignore[arg-type]
    return folder


def evaluation(folder: Path, content: object) -> None:
    (folder / "evaluation").mkdir(exist_ok=True)
    (folder / "evaluation" / "metrics.json").write_text(json.dumps(content), encoding="utf-8")


def judged(root: Path, log: list[dict[str, float]] | None = None, **record: object) -> Judgement:
    return verdict.of_folder(run_folder(root, log, **record))
