"""Logs that a resume appends to: where steps go back, what was logged from there on before is void.

Not every step that goes back is a resume: some tools count anew in each epoch, two processes may write one file. Where
the log cannot tell, all of it stays, of equal steps the last counts, and the reader says why.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from operator import le
from pathlib import Path

from cvl.readers.base import Collector, Points, Problem, Reading

_FEW = 2  # resumes that need no further proof
_SHARE = 10  # more than one in so many rows is no resume
_SAME_UNIT = 2  # a series this many times as far as another counts something else: steps, not epochs


class Following(Collector):
    """Takes back what a resume made void; in each file by itself, as two files of a run go side by side.

    `sure`: whatever goes back is a resume. `across`: rows of all metrics come in the order of time, so that where one
    goes back the others do.
    """

    def __init__(self, *, sure: bool = False, across: bool = True) -> None:
        super().__init__()
        self._sure, self._across, self._by_epoch = sure, across, False
        self._before: dict[str, Points] = {}  # what the files before this one logged
        self._turns: dict[str, int] = {}
        self._longest = 0
        self._file = Path()
        self._unlike = ""
        self._rising: Sequence[float] = ()  # looked at last, and all of it rises

    def begin(self, *, by_epoch: bool = False) -> None:
        self._by_epoch = by_epoch
        for name, points in self._points.items():
            if name in self._before:
                self._before[name].extend(points.step, points.epoch, points.value, points.rising)
            else:
                self._before[name] = points
        self._points = {}

    def __contains__(self, name: str) -> bool:
        return name in self._points or name in self._before

    def parts(self, steps: Sequence[int], epochs: Sequence[float]) -> Iterator[slice]:
        """The stretches in which nothing goes back."""
        counts: Sequence[float] = epochs if self._by_epoch else steps
        if self._unlike or self._rise(counts) or all(map(le, counts, islice(counts, 1, None))):
            yield slice(0, len(steps))
            return
        ends = [i for i in range(1, len(counts)) if counts[i] < counts[i - 1]]
        yield from map(slice, [0, *ends], [*ends, len(steps)])

    def add(self, path: Path, name: str, point: tuple[int, float, float]) -> None:
        self._look(path, name, point[0], point[1])
        super().add(path, name, point)

    def columns(
        self, path: Path, steps: Sequence[int], epochs: Sequence[float], values: Mapping[str, Sequence[float]]
    ) -> None:
        for part in self.parts(steps, epochs) if steps else ():
            rows = steps, epochs, values
            if part != slice(0, len(steps)):
                rows = steps[part], epochs[part], {name: column[part] for name, column in values.items()}
            for name in values:
                self._look(path, name, rows[0][0], rows[1][0])
            super().columns(path, *rows)

    def settle(self) -> None:
        """Not where epochs are followed: steps may then be in any order, and theirs is what tells what goes back."""
        if self._unlike or not self._by_epoch:
            super().settle()

    def reading(self) -> Reading:
        self.begin()
        self._points = self._before
        found = super().reading()
        self._longest = max(map(len, found.series.values()), default=0)
        return found

    def doubt(self) -> Problem | None:
        turns = max(self._turns.values(), default=0)
        why = self._unlike
        if not why and not self._sure and turns > _FEW and turns * _SHARE > self._longest:
            why = f"steps go back {turns} times, as where several processes write"
        return Problem(str(self._file), f"{why}: of equal steps the last one counts") if why else None

    def _rise(self, counts: Sequence[float]) -> bool:
        if counts is not self._rising and super()._rise(counts):
            self._rising = counts
        return counts is self._rising

    def _look(self, path: Path, name: str, step: int, epoch: float) -> None:
        points = self._points.get(name)
        if points is None or not points.step or self._unlike:
            return
        if self._by_epoch:
            if epoch < points.epoch[-1]:
                first = next(i for i, known in enumerate(points.epoch) if known >= epoch)
                self._turn(path, name, points.step[first], f"epochs go back from {points.epoch[-1]:g} to {epoch:g}")
        elif step < points.step[-1]:
            self._unlike, self._file = "" if self._sure else _unlike(points, step, epoch), path
            if not self._unlike:
                self._turn(path, name, step, f"steps go back from {points.step[-1]} to {step}")

    def _turn(self, path: Path, name: str, step: int, what: str) -> None:
        """A resume at `step`, seen first in metric `name`; others go with it where they count the same."""
        self._turns[name] = self._turns.get(name, 0) + 1
        self._file = path
        farthest = _SAME_UNIT * max(self._points[name].step[-1], 1)
        for other, points in self._points.items():
            if other == name or (self._across and points.step and step <= points.step[-1] <= farthest):
                points.forget(step)
        if not self._sure:
            self.skip(path, 0, f"{what}, as after a resume: what was logged from there on before is left out")


def follow(take: Callable[[Collector], None], *, across: bool) -> Reading:
    """What `take` gives to a collector, without what resumes made void; where that cannot be told, all of it."""
    following = Following(across=across)
    take(following)
    found, doubt = following.reading(), following.doubt()
    if doubt is None:
        return found
    collector = Collector()
    take(collector)
    everything = collector.reading()
    return Reading(everything.series, (*everything.problems, doubt))


def _unlike(points: Points, step: int, epoch: float) -> str:
    """Why going back to `step` is no resume; empty where it can be one."""
    if epoch > points.epoch[-1]:
        return "steps are counted anew in each epoch"
    if step <= points.step[0] and math.isnan(epoch):
        return f"steps begin again at {step}: another run, or counted anew in each epoch"
    return ""
