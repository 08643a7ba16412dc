"""Columns of delimited text: a block at once where it is plain, cell by cell where it is not."""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

from cvl.readers.base import Collector, blocks, decoded, lines_of, number, whole

_ABSENT = ("NA", "N/A", "None", "null")


@dataclass(frozen=True)
class Layout:
    """The header of a file: `step` and `epoch` are the columns of that meaning, if any."""

    names: tuple[str, ...]
    delimiter: str
    step: str | None
    epoch: str | None


@dataclass(frozen=True)
class Rows:
    """Some rows, as a list of cells for each column; `plain` where no cell holds a quote or an underscore."""

    path: Path
    lines: Sequence[int]
    cells: dict[str, list[str]]
    plain: bool


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


def collect(path: Path, form: Layout, collector: Collector) -> None:
    """Takes every number of the file; rows of a file without steps are counted from 1."""
    for first, block in blocks(path, collector):
        if first == 1:
            _, end, block = block.partition(b"\n")
            first = 2
            if not end:
                collector.skip(path, 1, "torn line at the end")
        if block:
            _add(_plain(path, first, block, form) or _careful(path, first, block, form, collector), form, collector)


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
    if not steps:
        return
    epochs = array("d", [math.nan]) * len(steps)
    if form.epoch is not None:
        for i, value in zip(*_numbers(rows, form.epoch, collector), strict=True):
            epochs[i] = value
    dense: dict[str, Sequence[float]] = {}
    for name in form.names:
        if name in ("", form.step, form.epoch):
            continue
        found, values = _numbers(rows, name, collector)
        if len(found) == len(steps):
            dense[name] = values
        elif found:
            collector.extend(rows.path, name, [steps[i] for i in found], [epochs[i] for i in found], values)
    collector.columns(rows.path, steps, epochs, dense)


def _stepped(rows: Rows, form: Layout, collector: Collector) -> tuple[Rows, Sequence[int]]:
    """The rows that have a step, and the steps."""
    if form.step is None:
        return rows, array("q", (line - 1 for line in rows.lines))
    cells = rows.cells[form.step]
    if rows.plain:
        with suppress(ValueError, OverflowError):
            return rows, array("q", map(int, cells))
    steps = [whole(number(cell)) for cell in cells]
    for line, step in zip(rows.lines, steps, strict=True):
        if step is None:
            collector.skip(rows.path, line, f"no whole number `{form.step}`")
    keep = [i for i, step in enumerate(steps) if step is not None]
    kept = {name: [cells[i] for i in keep] for name, cells in rows.cells.items()}
    return Rows(rows.path, [rows.lines[i] for i in keep], kept, rows.plain), [
        step for step in steps if step is not None
    ]


def _numbers(rows: Rows, name: str, collector: Collector) -> tuple[Sequence[int], Sequence[float]]:
    """(indices, values) of the cells of a column that hold a number."""
    cells = rows.cells[name]
    if rows.plain:
        with suppress(ValueError):
            return range(len(cells)), array("d", map(float, cells))
    cells = list(map(str.strip, cells))
    filled = list(compress(range(len(cells)), cells))
    if rows.plain:
        with suppress(ValueError):
            return filled, array("d", map(float, filter(None, cells)))
    values = {i: value for i in filled if (value := number(cells[i])) is not None}
    if values or name in collector:  # a column of words is no metric
        for i in filled:
            if i not in values and cells[i] not in _ABSENT:
                collector.skip(rows.path, rows.lines[i], f"{name} is not a number")
    return list(values), array("d", values.values())
