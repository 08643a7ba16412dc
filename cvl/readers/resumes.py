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

from cvl.readers.base import Collector, Points, Reading

_FEW = 2  # resumes that need no further proof
_SHARE = 10  # more than one in so many rows is no resume
_SAME_UNIT = 2  # a series this many times as far as another counts something else: steps, not epochs


class Following(Collector):
    """Takes back what a resume made void.

    `by_epoch`: the steps are the rows' numbers, the epoch tells. `sure`: whatever goes back is a resume. `across`: rows
    of all metrics come in the order of time, so that where one goes back the others do.
    """

    def __init__(self, *, by_epoch: bool = False, sure: bool = False, across: bool = True) -> None:
        super().__init__()
        self._by_epoch, self._sure, self._across = by_epoch, sure, across
        self._turns: dict[str, int] = {}
        self._file = Path()
        self._unlike = ""
        self._rising: Sequence[float] = ()  # looked at last, and nothing goes back in it

    def parts(self, steps: Sequence[int], epochs: Sequence[float]) -> Iterator[slice]:
        """The stretches in which nothing goes back."""
        counts: Sequence[float] = epochs if self._by_epoch else steps
        if counts is self._rising or self._unlike or all(map(le, counts, islice(counts, 1, None))):
            self._rising = counts
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

    def no_resume(self) -> tuple[Path, str] | None:
        """The file, and why its steps go back without a resume; None where each time it can be one."""
        turns, longest = (
            max(self._turns.values(), default=0),
            max((len(p.step) for p in self._points.values()), default=0),
        )
        if not self._unlike and not self._sure and turns > _FEW and turns * _SHARE > longest:
            self._unlike = f"steps go back {turns} times, as where several processes write"
        return (self._file, self._unlike) if self._unlike else None

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


def follow(take: Callable[[Collector], None], **options: bool) -> Reading:
    """What `take` gives to a collector, without what resumes made void; where that cannot be told, all of it."""
    following = Following(**options)
    take(following)
    unlike = following.no_resume()
    if unlike is None:
        return following.reading()
    collector = Collector()
    take(collector)
    collector.skip(unlike[0], 0, f"{unlike[1]}: of equal steps the last one counts")
    return collector.reading()


def _unlike(points: Points, step: int, epoch: float) -> str:
    """Why going back to `step` is no resume; empty where it can be one."""
    if epoch > points.epoch[-1]:
        return "steps are counted anew in each epoch"
    if step <= points.step[0] and math.isnan(epoch):
        return f"steps begin again at {step}: another run, or counted anew in each epoch"
    return ""
