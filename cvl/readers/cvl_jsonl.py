"""metrics.jsonl of our own examples: one object a line with `step`, `epoch`, `time` and metrics."""

from __future__ import annotations

import math
from pathlib import Path

from cvl.contract import METRICS
from cvl.readers.base import Collector, Reading, json_object, lines, real, whole

NAME = "cvl_jsonl"
_HEAD = ("step", "epoch", "time")


def find(folder: Path) -> list[Path]:
    return [path for path in (folder / METRICS,) if path.is_file()]


def read(paths: list[Path]) -> Reading:
    collector = Collector()
    for path, number, text, complete in lines(paths, collector):
        row = json_object(text)
        step = whole(row.get("step")) if row is not None else None
        if row is not None and step is not None:
            _add(collector, path, number, row, step)
        elif not complete:
            collector.skip(path, number, "torn line at the end")
        else:
            collector.skip(path, number, "not a JSON object" if row is None else "no whole number `step`")
    return collector.reading()


def _add(collector: Collector, path: Path, number: int, row: dict[str, object], step: int) -> None:
    epoch = real(row.get("epoch"))
    for name, raw in row.items():
        if name in _HEAD:
            continue
        value = real(raw)
        if value is None:
            collector.skip(path, number, f"{name} is not a number")
        else:
            collector.add(path, name, (step, math.nan if epoch is None else epoch, value))
