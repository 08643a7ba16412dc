"""What every log reader gives: series of numbers, and what was wrong with the files as data."""

from __future__ import annotations

import json
import math
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import compress, islice
from operator import lt
from pathlib import Path
from typing import NamedTuple, Protocol

_PART = 1 << 16  # points


class Place(NamedTuple):
    """Where something begins in a file: its byte, from 0, and its line, from 1."""

    offset: int
    line: int


START = Place(0, 1)


@dataclass(frozen=True)
class Series:
    """One metric over time: parallel arrays by rising step; `epoch` is NaN where the log has none."""

    name: str
    file: str
    step: array[int]
    epoch: array[float]
    value: array[float]

    def __len__(self) -> int:
        return len(self.value)


@dataclass(frozen=True)
class Problem:
    """Something in `file` that was left out, in words."""

    file: str
    message: str


@dataclass(frozen=True)
class Reading:
    """All that one reader found."""

    series: dict[str, Series]
    problems: tuple[Problem, ...] = ()


class Reader(Protocol):
    """A log format. `find` looks at one folder; `read` takes the files of one run, oldest first, and never raises."""

    NAME: str

    def find(self, folder: Path) -> list[Path]: ...

    def read(self, paths: list[Path]) -> Reading: ...


@dataclass
class Points:
    """One metric while it is read; of two points with one step the later counts."""

    file: str
    step: array[int] = field(default_factory=lambda: array("q"))
    epoch: array[float] = field(default_factory=lambda: array("d"))
    value: array[float] = field(default_factory=lambda: array("d"))
    rising: bool = True

    def add(self, step: int, epoch: float, value: float) -> None:
        self.rising = self.rising and (not self.step or step > self.step[-1])
        self.step.append(step)
        self.epoch.append(epoch)
        self.value.append(value)

    def extend(self, steps: Sequence[int], epochs: Sequence[float], values: Sequence[float], rising: bool) -> None:
        follows = not self.step or not steps or steps[0] > self.step[-1]
        self.rising = self.rising and follows and rising
        self.step.extend(steps)
        self.epoch.extend(epochs)
        self.value.extend(values)

    def forget(self, step: int) -> None:
        """Take back every point from `step` on."""
        if self.rising:
            first = bisect_left(self.step, step)
            del self.step[first:], self.epoch[first:], self.value[first:]
        else:
            kept = bytes(each < step for each in self.step)
            self.epoch, self.value = array("d", compress(self.epoch, kept)), array("d", compress(self.value, kept))
            self.step = array("q", compress(self.step, kept))

    def series(self, name: str) -> Series:
        if not self.rising:
            order = _order(self.step)
            self.epoch = array("d", map(self.epoch.__getitem__, order))
            self.value = array("d", map(self.value.__getitem__, order))
            self.step = array("q", map(self.step.__getitem__, order))
            self.rising = True
        return Series(name, self.file, self.step, self.epoch, self.value)


def _order(steps: array[int]) -> array[int]:
    """Where each step was written last, by rising step; sorted in parts, so that few numbers are objects at a time."""
    parts = (range(start, min(start + _PART, len(steps))) for start in range(0, len(steps), _PART))
    sorted_parts = [array("q", sorted(part, key=steps.__getitem__)) for part in parts]
    order = array("q")
    for index in merge(*sorted_parts, key=steps.__getitem__):
        if order and steps[order[-1]] == steps[index]:
            order[-1] = index
        else:
            order.append(index)
    return order


class Collector:
    """Takes points and problems from a reader; equal problems of a file become one."""

    def __init__(self) -> None:
        self._points: dict[str, Points] = {}
        self._problems: dict[tuple[str, str], list[int]] = {}
        self._last = -(2**63)

    def begin(self, *, by_epoch: bool = False) -> None:
        """What comes now is of another file; `by_epoch`: its steps are the numbers of its rows, only epochs go back."""

    def add(self, path: Path, name: str, point: tuple[int, float, float]) -> None:
        """A point (step, epoch, value) of metric `name`."""
        self._of(path, name).add(*point)

    def extend(
        self, path: Path, name: str, steps: Sequence[int], epochs: Sequence[float], values: Sequence[float]
    ) -> None:
        """Many points of metric `name` at once, as columns of one length."""
        self.columns(path, steps, epochs, {name: values})

    def columns(
        self, path: Path, steps: Sequence[int], epochs: Sequence[float], values: Mapping[str, Sequence[float]]
    ) -> None:
        """Many points of many metrics, all with the same steps."""
        rising = self._rise(steps)
        for name, column in values.items():
            self._of(path, name).extend(steps, epochs, column, rising)

    def parts(self, steps: Sequence[int], epochs: Sequence[float]) -> Iterator[slice]:
        """The stretches of these rows that must be given one after the other: here all at once."""
        yield slice(0, len(steps))

    def __contains__(self, name: str) -> bool:
        """Whether metric `name` has a point yet."""
        return name in self._points

    def at(self, step: int) -> None:
        """Training is at `step`; where it was further, it went back, and what was logged from there on is void."""
        if step < self._last:
            for points in self._points.values():
                points.forget(step)
        self._last = step

    def forget(self, step: int) -> bool:
        """Take back every point from `step` on: training began again there. Whether there was one."""
        before = sum(len(points.step) for points in self._points.values())
        for points in self._points.values():
            points.forget(step)
        return before > sum(len(points.step) for points in self._points.values())

    def _rise(self, counts: Sequence[float]) -> bool:
        return all(map(lt, counts, islice(counts, 1, None)))

    def _of(self, path: Path, name: str) -> Points:
        if name not in self._points:
            self._points[name] = Points(str(path))
        return self._points[name]

    def skip(self, path: Path, line: int, why: str) -> None:
        """`line`, from 1 (0: the whole file), was left out."""
        seen = self._problems.setdefault((str(path), why), [line, 0])
        seen[1] += 1

    def settle(self) -> None:
        """Put what is there in order, so that no later reading has to."""
        for name, points in self._points.items():
            points.series(name)

    def reading(self) -> Reading:
        problems = (
            Problem(file, f"line {line}: {why}{f' (and {count - 1} more lines)' if count > 1 else ''}" if line else why)
            for (file, why), (line, count) in self._problems.items()
        )
        series = {name: points.series(name) for name, points in self._points.items() if points.step}
        return Reading(series, tuple(problems))

    def doubt(self) -> Problem | None:
        """Once all is read: why what was left out of it may not be void; None where nothing speaks for that."""
        return None


@dataclass
class Clock:
    """Steps over a whole run, from a log that counts anew in each epoch: an epoch starts where the last one ended."""

    epoch: float = math.nan
    step: int | None = None
    _starts: dict[float, int] = field(default_factory=dict)
    _position: int = 0
    _length: int = 0

    def tick(self, epoch: float, position: int, length: int = 0) -> int | None:
        """`position` in `epoch` is reached; `length` is that of an epoch, 0 where the log does not say it.

        A count that goes on from epoch to epoch is taken as it is. None where the step does not fit 64 bits.
        """
        if epoch not in self._starts:
            again = position <= self._position
            ended = self._length or self._position + (position == 0)
            self._starts[epoch] = self._starts.get(self.epoch, 0) + (ended if again and self.step is not None else 0)
        self.epoch, self._position, self._length = epoch, position, length
        self.step = whole(self._starts[epoch] + position)
        return self.step


def one_run(logged: Mapping[Path, set[str]]) -> list[Path]:
    """Of files with the names that each logs: the newest, and those that log other things, oldest first."""
    chosen: list[Path] = []
    names: set[str] = set()
    for path in sorted(logged, key=lambda path: (path.stat().st_mtime, path.name), reverse=True):
        if not names & logged[path]:
            chosen.insert(0, path)
            names |= logged[path]
    return chosen


def whole(raw: object) -> int | None:
    """`raw` as a step: a whole number that fits 64 bits."""
    if isinstance(raw, bool) or not isinstance(raw, (int, float)) or not abs(raw) < 2**63 or raw != int(raw):
        return None
    return int(raw)


def number(text: str) -> float | None:
    """The number that `text` spells, NaN and infinities included; None where it spells none."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def real(raw: object) -> float | None:
    """`raw` of a parsed file as a value; None where it is no number."""
    if isinstance(raw, bool) or not isinstance(raw, (int, float)):
        return None
    try:
        return float(raw)
    except OverflowError:
        return None


def json_object(text: str) -> dict[str, object] | None:
    """The JSON object that `text` spells; None where it spells none."""
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None
