"""Where in a text log a point stands: the number of its line, for those who want to look."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from cvl.readers.base import Collector, json_object, number, real, whole
from cvl.readers.delimited import Layout, split
from cvl.readers.texts import lines

_LARGEST = 1 << 24  # bytes of a file that is looked through
Cells = tuple[int, float | None, dict[str, float | None]]  # line, step, numbers by name


def in_table(path: Path, form: Layout | None, point: tuple[int, float | None], name: str) -> int | None:
    """The last line with the (step, value) `point` of `name`; a value of None is any."""
    return _last(_table(path, form), point, name) if form else None


def in_objects(path: Path, steps: Sequence[str], point: tuple[int, float | None], name: str) -> int | None:
    """As `in_table`, in JSON lines; the step is the first of `steps` that is there."""
    return _last(_objects(path, steps), point, name)


def _last(rows: Iterator[Cells], point: tuple[int, float | None], name: str) -> int | None:
    step, value = point
    found = None
    for line, at, cells in rows:
        if at == step and (value is None or _same(cells.get(name), value)):
            found = line
    return found


def _same(found: float | None, wanted: float) -> bool:
    return found is not None and (found == wanted or (math.isnan(found) and math.isnan(wanted)))


def _table(path: Path, form: Layout) -> Iterator[Cells]:
    for line, text in _lines(path):
        cells = split(text, form.delimiter)
        if len(cells) == len(form.names) and line > 1:
            row = {name: number(cell.strip()) for name, cell in zip(form.names, cells, strict=True)}
            yield line, row[form.step] if form.step else line - 1, row


def _objects(path: Path, steps: Sequence[str]) -> Iterator[Cells]:
    for line, text in _lines(path):
        row = json_object(text) or {}
        step = next((whole(row[name]) for name in steps if name in row), None)
        yield line, step, {name: real(raw) for name, raw in row.items()}


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    if path.is_file() and path.stat().st_size <= _LARGEST:
        yield from ((line, text) for _, line, text, _ in lines([path], Collector()))
