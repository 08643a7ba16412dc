"""metrics.jsonl of our own examples: one object a line with `step`, `epoch`, `time` and metrics."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from cvl.contract import METRICS
from cvl.readers import growing, lines
from cvl.readers.base import Collector, Place, Reading, json_object, real, whole
from cvl.readers.growing import Scan
from cvl.readers.objects import Names, Row, collect
from cvl.readers.texts import head

NAME = "cvl_jsonl"
_HEAD = ("step", "epoch", "time")
_NAMES = Names(("step",), ("time",))


def find(folder: Path) -> list[Path]:
    """A file of that name, unless its first line is another tool's: an object without `step`, or a list."""
    path = folder / METRICS
    first = (head(path) or [""])[0]
    row = json_object(first)
    foreign = first.startswith("[") if row is None else "step" not in row
    return [path] if path.is_file() and not foreign else []


def read(paths: list[Path]) -> Reading:
    return growing.read(scan, paths)


def scan(_: list[Path]) -> Scan:
    return _Rows()


class _Rows(Scan):
    def take(self, path: Path, start: Place) -> Iterator[Place]:
        return collect(path, start, _NAMES, partial(_add, self.collector, path), self.collector)


def line(path: Path, point: tuple[int, float | None], name: str) -> int | None:
    return lines.in_objects(path, ("step",), point, name)


def _add(collector: Collector, path: Path, line: int, row: Row) -> None:
    step, epoch = whole(row.get("step")), real(row.get("epoch"))
    if step is None:
        collector.skip(path, line, "no whole number `step`")
        return
    for name, raw in row.items():
        if name in _HEAD:
            continue
        value = real(raw)
        if value is None:
            collector.skip(path, line, f"{name} is not a number")
        else:
            collector.add(path, name, (step, math.nan if epoch is None else epoch, value))
