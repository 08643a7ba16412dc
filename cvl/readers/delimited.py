"""Columns of delimited text: a block at once where it is plain, cell by cell where it is not."""

from __future__ import annotations

import csv
import math
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import compress, count
from pathlib import Path

from cvl.readers import numbers
from cvl.readers.base import START, Collector, Place, Reading, Series, number, whole
from cvl.readers.growing import Scan
from cvl.readers.texts import blocks, decoded, lines_of

_ABSENT = ("NA", "N/A", "None", "null")


@dataclass(frozen=True)
class Layout:
    """The header of a file: `step` and `epoch` are the columns of that meaning, if any."""

    names: tuple[str, ...]
    delimiter: str
    step: str | None
    epoch: str | None

    def metrics(self) -> list[str]:
        """A step is no metric; an epoch is, so that rows without one can be told theirs."""
        return [name for name in dict.fromkeys(self.names) if name not in ("", self.step)]


@dataclass(frozen=True)
class Rows:
    """Some rows, as a list of cells for each column; `plain` where no cell holds a quote or an underscore."""

    path: Path
    lines: Sequence[int]
    cells: dict[str, list[str]]
    plain: bool

    def part(self, of: slice) -> Rows:
        return Rows(self.path, self.lines[of], {name: cells[of] for name, cells in self.cells.items()}, self.plain)


def layout(header: str, delimiter: str, steps: Sequence[str], epochs: Sequence[str]) -> Layout:
    names = tuple(cell.strip() for cell in split(header, delimiter))
    lower = {name.lower(): name for name in reversed(names)}
    step = next((lower[name] for name in steps if name in lower), None)
    return Layout(names, delimiter, step, next((lower[name] for name in epochs if name in lower), None))


def split(line: str, delimiter: str) -> list[str]:
    """The cells of a line, none where it is no such text."""
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


class Table(Scan):
    """Every number of the files; rows without steps are counted from 1, those of one step share their epoch."""

    def __init__(self, layout_of: Callable[[Path], Layout | None], collector: Collector | None = None) -> None:
        super().__init__(collector)
        self._layout_of = layout_of
        self._epochs: dict[str | None, None] = {}

    def take(self, path: Path, start: Place) -> Iterator[Place]:
        if form := self._layout_of(path):
            if start == START:
                self.begin(path, form)
            self._epochs.setdefault(form.epoch)
            for first, block, after in blocks(path, self.collector, start):
                _take(path, first, block, form, self.collector)
                if after:
                    yield after

    def begin(self, path: Path, form: Layout) -> None:
        """`path` is taken from its beginning."""
        self.collector.begin(by_epoch=form.step is None)

    def reading(self) -> Reading:
        reading = self.collector.reading()
        for epochs in [reading.series.pop(name) for name in self._epochs if name in reading.series]:
            for series in reading.series.values():
                _join(series, epochs)
        return reading


def _join(series: Series, epochs: Series) -> None:
    if not math.isnan(sum(series.epoch)):
        return
    for i in compress(count(), map(math.isnan, series.epoch)):
        place = bisect_left(epochs.step, series.step[i])
        if place < len(epochs) and epochs.step[place] == series.step[i]:
            series.epoch[i] = epochs.value[place]


def _take(path: Path, first: int, block: bytes, form: Layout, collector: Collector) -> None:
    if first == 1:
        _, end, block = block.partition(b"\n")
        first = 2
        if not end:
            collector.skip(path, 1, "torn line at the end")
    if block and not _numbers_alone(path, first, block, form, collector):
        _add(_plain(path, first, block, form) or _careful(path, first, block, form, collector), form, collector)


def _numbers_alone(path: Path, first: int, block: bytes, form: Layout, collector: Collector) -> bool:
    """Takes a block in which each cell is a number, and each step a whole one; False where it is another."""
    try:
        columns = numbers.columns(decoded(first, block), form.delimiter, len(form.names))
        if columns is None:
            return False
        cells = dict(zip(form.names, columns, strict=True))
        steps = numbers.wholes(cells[form.step] if form.step else range(first - 1, first - 1 + len(columns[0])))
        values = {name: numbers.floats(column) for name, column in cells.items()}
    except (TypeError, ValueError, OverflowError):
        return False
    epochs = values[form.epoch] if form.epoch else array("d", [math.nan]) * len(steps)
    collector.columns(path, steps, epochs, {name: values[name] for name in form.metrics()})
    return True


def _plain(path: Path, first: int, block: bytes, form: Layout) -> Rows | None:
    """The rows where no cell is quoted and every line is as long as the header.

    A line end starts the first cell of a row. Where all of them are there, no row is shorter or longer.
    """
    try:
        text = decoded(first, block)
    except UnicodeDecodeError:
        return None
    width, rows = len(form.names), text.count("\n")
    cells = text[:-1].replace("\n", f"{form.delimiter}\n").split(form.delimiter)
    if '"' in text or "_" in text or not text.endswith("\n") or len(cells) != rows * width:
        return None
    if "".join(cells[::width]).count("\n") != rows - 1:
        return None
    return Rows(path, range(first, first + rows), {name: cells[i::width] for i, name in enumerate(form.names)}, True)


def _careful(path: Path, first: int, block: bytes, form: Layout, collector: Collector) -> Rows:
    lines: list[int] = []
    rows: list[list[str]] = []
    for line, text, complete in lines_of(path, first, block, collector):
        row = split(text, form.delimiter)
        if tuple(cell.strip() for cell in row) == form.names:
            continue  # a resume wrote it again
        if len(row) != len(form.names):
            why = "another number of cells than the header" if complete else "torn line at the end"
            collector.skip(path, line, why)
            continue
        if not complete:  # its last cell may lack digits
            collector.skip(path, line, f"torn line at the end, {form.names[-1]} left out")
            row[-1] = ""
        lines.append(line)
        rows.append(row)
    return Rows(path, lines, {name: [row[i] for row in rows] for i, name in enumerate(form.names)}, False)


def _add(rows: Rows, form: Layout, collector: Collector) -> None:
    rows, steps = _stepped(rows, form, collector)
    epochs = _epochs(rows, form, collector)
    for part in collector.parts(steps, epochs):
        if part == slice(0, len(steps)):
            _add_part(rows, steps, epochs, form, collector)
        else:
            _add_part(rows.part(part), steps[part], epochs[part], form, collector)


def _add_part(rows: Rows, steps: Sequence[int], epochs: Sequence[float], form: Layout, collector: Collector) -> None:
    dense: dict[str, Sequence[float]] = {}
    for name in form.metrics():
        has, values = _numbers(rows, name, collector)
        if values and len(values) == len(steps):
            dense[name] = values
        elif values:
            some = array("q", compress(steps, has)), array("d", compress(epochs, has))
            collector.extend(rows.path, name, *some, values)
    collector.columns(rows.path, steps, epochs, dense)


def _epochs(rows: Rows, form: Layout, collector: Collector) -> Sequence[float]:
    has, values = _numbers(rows, form.epoch, collector) if form.epoch else ((), ())
    if len(values) == len(rows.lines):
        return values
    epochs = array("d", [math.nan]) * len(rows.lines)
    for i, epoch in zip(compress(count(), has), values, strict=True):
        epochs[i] = epoch
    return epochs


def _stepped(rows: Rows, form: Layout, collector: Collector) -> tuple[Rows, Sequence[int]]:
    """The rows that have a step, and the steps."""
    if form.step is None:
        return rows, array("q", (line - 1 for line in rows.lines))
    if rows.plain:
        with suppress(ValueError, OverflowError):
            return rows, array("q", map(int, rows.cells[form.step]))
    steps = [whole(number(cell)) for cell in rows.cells[form.step]]
    for line, step in zip(rows.lines, steps, strict=True):
        if step is None:
            collector.skip(rows.path, line, f"no whole number `{form.step}`")
    keep = [i for i, step in enumerate(steps) if step is not None]
    cells = {name: [column[i] for i in keep] for name, column in rows.cells.items()}
    kept = Rows(rows.path, [rows.lines[i] for i in keep], cells, rows.plain)
    return kept, [step for step in steps if step is not None]


def _numbers(rows: Rows, name: str, collector: Collector) -> tuple[Sequence[object], Sequence[float]]:
    """Which cells of a column hold a number (a truth for each), and the numbers."""
    cells = rows.cells[name]
    if rows.plain:
        with suppress(ValueError):
            return cells, array("d", map(float, cells))
    cells = list(map(str.strip, cells))
    if rows.plain:
        with suppress(ValueError):
            return cells, array("d", map(float, filter(None, cells)))
    values = list(map(number, cells))
    found = array("d", (value for value in values if value is not None))
    if found or name in collector:  # a column of words is no metric
        for line, cell, value in zip(rows.lines, cells, values, strict=True):
            if value is None and cell and cell not in _ABSENT:
                collector.skip(rows.path, line, f"{name} is not a number")
    return [value is not None for value in values], found
