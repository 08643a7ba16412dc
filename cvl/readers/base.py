"""What every log reader gives: series of numbers, and what was wrong with the files as data."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import compress, islice
from operator import lt
from pathlib import Path
from typing import Protocol

_PART = 1 << 16  # points


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

    def extend(self, steps: Sequence[int], epochs: Sequence[float], values: Sequence[float]) -> None:
        follows = not self.step or not steps or steps[0] > self.step[-1]
        self.rising = self.rising and follows and all(map(lt, steps, islice(steps, 1, None)))
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

    def add(self, path: Path, name: str, point: tuple[int, float, float]) -> None:
        """A point (step, epoch, value) of metric `name`."""
        self._of(path, name).add(*point)

    def extend(
        self, path: Path, name: str, steps: Sequence[int], epochs: Sequence[float], values: Sequence[float]
    ) -> None:
        """Many points of metric `name` at once, as columns of one length."""
        self._of(path, name).extend(steps, epochs, values)

    def forget(self, step: int) -> None:
        """Take back every point from `step` on: training began again there."""
        for points in self._points.values():
            points.forget(step)

    def _of(self, path: Path, name: str) -> Points:
        if name not in self._points:
            self._points[name] = Points(str(path))
        return self._points[name]

    def skip(self, path: Path, line: int, why: str) -> None:
        """`line`, from 1 (0: the whole file), was left out."""
        seen = self._problems.setdefault((str(path), why), [line, 0])
        seen[1] += 1

    def reading(self) -> Reading:
        problems = (
            Problem(file, f"line {line}: {why}{f' (and {count - 1} more lines)' if count > 1 else ''}" if line else why)
            for (file, why), (line, count) in self._problems.items()
        )
        series = {name: points.series(name) for name, points in self._points.items() if points.step}
        return Reading(series, tuple(problems))


def lines(paths: Iterable[Path], collector: Collector) -> Iterator[tuple[Path, int, str, bool]]:
    """(path, line number, text, whether the line is complete) of every readable line that is not empty."""
    for path in paths:
        try:
            with path.open("rb") as file:
                for number, raw in enumerate(file, 1):
                    try:
                        text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
                    except UnicodeDecodeError:
                        collector.skip(
                            path, number, "not UTF-8 text" if raw.endswith(b"\n") else "torn line at the end"
                        )
                        continue
                    if text.strip():
                        yield path, number, text.strip("\r\n"), raw.endswith(b"\n")
        except OSError as error:
            collector.skip(path, 0, f"cannot be read: {error.strerror}")


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
