"""JSON lines, or one list of JSON objects, of any tool: numbers by name, those of inner objects as `outer/inner`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from cvl.readers import growing, lines
from cvl.readers.base import START, Collector, Place, Reading, json_object, number, one_run, real, whole
from cvl.readers.growing import Scan
from cvl.readers.objects import Names, Row, collect, elements, first_element
from cvl.readers.resumes import Following
from cvl.readers.texts import head, opening

NAME = "jsonl"
_STEPS = ("step", "global_step", "iteration", "iter", "it")
_ENDINGS = ("*.jsonl", "*.ndjson", "*.json")
_NAMES = Names(_STEPS)
_COUNTS = {*_STEPS, "epoch"}
_DEPTH = 8  # objects within objects
_LIST = r"\s*\["


def find(folder: Path) -> list[Path]:
    """The newest file; where one counts its steps or epochs, those that do not are no logs."""
    paths = [path for ending in _ENDINGS for path in folder.glob(ending) if path.is_file()]
    found = {path: set(numbers) for path in paths if (numbers := dict(_numbers(_first(path))))}
    counted = {path: names for path, names in found.items() if names & _COUNTS}
    chosen = counted or {path: names for path, names in found.items() if path.suffix != ".json"}
    logged = {path: names - _COUNTS - {"time"} for path, names in chosen.items()}
    return one_run({path: names for path, names in logged.items() if names})


def _first(path: Path) -> Row:
    """The first object; that a .json has more than one line is what tells it from other JSON."""
    text, lines = opening(path), head(path)
    if match := re.match(_LIST, text):
        return first_element(text[match.end() :])
    enough = path.suffix != ".json" or (len(lines) > 1 and json_object(lines[1]))
    return (enough and json_object(lines[0]) if lines else None) or {}


def read(paths: list[Path]) -> Reading:
    return growing.read(scan, paths)


def scan(_: list[Path]) -> Scan:
    return _Rows(Following())


def line(path: Path, point: tuple[int, float | None], name: str) -> int | None:
    return lines.in_objects(path, _STEPS, point, name)


class _Rows(Scan):
    def take(self, path: Path, start: Place) -> Iterator[Place]:
        if start == START:
            self.collector.begin(by_epoch=not any(name in _STEPS for name, _ in _numbers(_first(path))))
        if re.match(_LIST, opening(path)):
            elements(path, _LIST, partial(_add, self.collector, path, False), self.collector)
        else:
            yield from collect(path, start, _NAMES, partial(_add, self.collector, path, True), self.collector)


def _add(collector: Collector, path: Path, lines: bool, at: int, row: Row) -> None:
    """`at` counts the rows; it is the step of those that have none."""
    numbers = dict(_numbers(row))
    named = next((name for name in _STEPS if name in numbers), None)
    step = at if named is None else whole(numbers.pop(named))
    if step is None:
        collector.skip(path, at if lines else 0, f"no whole number `{named}`")
        return
    epoch = numbers.pop("epoch", math.nan)
    for name, value in numbers.items():
        collector.add(path, name, (step, epoch, value))
    for name, raw in row.items():
        if raw is not None and name in collector and name not in numbers:
            collector.skip(path, at if lines else 0, f"{name} is not a number")


def _numbers(row: Row, prefix: str = "", depth: int = _DEPTH) -> Iterator[tuple[str, float]]:
    for name, raw in row.items():
        if isinstance(raw, dict):
            yield from _numbers(raw, f"{prefix}{name}/", depth - 1) if depth else ()
        elif (value := number(raw) if isinstance(raw, str) else real(raw)) is not None:
            yield prefix + name, value
