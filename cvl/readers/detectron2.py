"""metrics.json of Detectron2: JSON lines with `iteration`, from 0; what evaluation adds stands in rows of its own.

Losses are medians of the last 20 iterations, NaN is an AP without ground truth. A resume appends: from the iteration on
that training rows go back to, what stood there before is void.
"""

from __future__ import annotations

import math
from pathlib import Path

from cvl.readers.base import Collector, Reading, json_object, lines, real, whole

NAME = "detectron2"
_FILE = "metrics.json"
_HEAD = 65536
_STEP = "iteration"
_TRAINING = "total_loss"  # other rows come late: evaluation with an iteration before that of the training row above it


def find(folder: Path) -> list[Path]:
    path = folder / _FILE
    try:
        with path.open("rb") as file:
            head = file.readline(_HEAD)
    except OSError:
        return []
    row = json_object(head.decode("utf-8-sig", "replace"))
    return [path] if row and whole(row.get(_STEP)) is not None else []


def read(paths: list[Path]) -> Reading:
    collector = Collector()
    for path, number, text, complete in lines(paths, collector):
        row = json_object(text)
        step = whole(row.pop(_STEP, None)) if row is not None else None
        if row is not None and step is not None:
            _add(collector, path, number, row, step)
        elif not complete:
            collector.skip(path, number, "torn line at the end")
        else:
            collector.skip(path, number, "not a JSON object" if row is None else f"no whole number `{_STEP}`")
    return collector.reading()


def _add(collector: Collector, path: Path, number: int, row: dict[str, object], step: int) -> None:
    if _TRAINING in row:
        collector.at(step)
    for name, raw in row.items():
        value = real(raw)
        if value is None:
            collector.skip(path, number, f"{name} is not a number")
        else:
            collector.add(path, name, (step, math.nan, value))
