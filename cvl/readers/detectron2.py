"""metrics.json of Detectron2: JSON lines with `iteration`, from 0; what evaluation adds stands in rows of its own.

Losses are medians of the last 20 iterations, NaN is an AP without ground truth. A resume appends: from the iteration on
that training rows go back to, what stood there before is void.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

from cvl.readers import lines as line_numbers
from cvl.readers.base import Collector, Reading, json_object, real, whole
from cvl.readers.texts import lines

NAME = "detectron2"
_FILE = "metrics.json"
_HEAD = 65536
_STEP = "iteration"
_BATCH = 1000
_TRAINING = "total_loss"  # other rows come late: evaluation with an iteration before that of the training row above it

Numbered = tuple[int, int, dict[str, object]]  # step, line, the rest of the row


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
    for path in paths:
        batch: list[Numbered] = []
        for numbered in _rows(path, collector):
            if len(batch) == _BATCH or (batch and numbered[0] <= batch[-1][0]):
                _add(collector, path, batch)
                batch = []
            if _TRAINING in numbered[2]:
                collector.at(numbered[0])
            batch.append(numbered)
        _add(collector, path, batch)
    return collector.reading()


def line(path: Path, point: tuple[int, float | None], name: str) -> int | None:
    return line_numbers.in_objects(path, (_STEP,), point, name)


def _rows(path: Path, collector: Collector) -> Iterator[Numbered]:
    for _, line, text, complete in lines([path], collector):
        row = json_object(text)
        step = whole(row.pop(_STEP, None)) if row is not None else None
        if row is not None and step is not None:
            yield step, line, row
        elif not complete:
            collector.skip(path, line, "torn line at the end")
        else:
            collector.skip(path, line, "not a JSON object" if row is None else f"no whole number `{_STEP}`")


def _add(collector: Collector, path: Path, batch: list[Numbered]) -> None:
    """Rows by rising step: in whatever order their points are added, none replaces another."""
    groups: dict[tuple[str, ...], list[Numbered]] = {}
    for numbered in batch:
        groups.setdefault(tuple(numbered[2]), []).append(numbered)
    for names, rows in groups.items():
        steps, numbers, _ = zip(*rows, strict=True)
        epochs = [math.nan] * len(rows)
        for name, column in zip(names, zip(*(row.values() for _, _, row in rows), strict=True), strict=True):
            if set(map(type, column)) == {float}:
                collector.extend(path, name, steps, epochs, column)
            else:
                _add_checked(collector, path, name, zip(steps, numbers, column, strict=True))


def _add_checked(collector: Collector, path: Path, name: str, cells: Iterable[tuple[int, int, object]]) -> None:
    for step, line, raw in cells:
        value = real(raw)
        if value is None:
            collector.skip(path, line, f"{name} is not a number")
        else:
            collector.add(path, name, (step, math.nan, value))
