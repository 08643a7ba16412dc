"""JSON objects as columns: lines that are alike at once, the others one by one."""

from __future__ import annotations

import json
import math
import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TextIO

from cvl.readers.base import Collector, Place, json_object
from cvl.readers.texts import Block, blocks, decoded, lines_of

Row = dict[str, object]
Add = Callable[[int, Row], None]  # takes a row and its number, from 1
_NUMBERS = {int, float}
_PIECE = 1 << 16
_LARGEST = 1 << 24  # characters of one object
_TORN = object()
_GAP = re.compile(r"[\s,]*")


@dataclass(frozen=True)
class Names:
    """The step is the first of `steps` that is there, the epoch `epoch`; what `leave` names is no metric."""

    steps: Sequence[str]
    leave: Sequence[str] = ()


def collect(path: Path, start: Place, names_of: Names, add: Add, collector: Collector) -> Iterator[Place]:
    """Takes JSON lines from `start` on: those with nothing but numbers at once, the others through `add`.

    Stops where the file can grow without changing what was taken.
    """
    for block in blocks(path, collector, start):
        _collect(path, block, names_of, add, collector)
        if block.after:
            yield block.after


def _collect(path: Path, block: Block, names_of: Names, add: Add, collector: Collector) -> None:
    numbers, rows = _objects(path, block, collector)
    start = 0
    for names, alike in groupby(list(map(tuple, rows))):
        stop = start + sum(1 for _ in alike)
        step = next((name for name in names_of.steps if name in names), None)
        columns = _columns(rows[start:stop], step) if step else None
        if columns:
            for name in names_of.leave:
                columns[1].pop(name, None)
            epochs = columns[1].pop("epoch", None) or array("d", [math.nan]) * (stop - start)
            collector.columns(path, columns[0], epochs, columns[1])
        else:
            for number, row in zip(numbers[start:stop], rows[start:stop], strict=True):
                add(number, row)
        start = stop


def _columns(rows: Sequence[Row], step: str) -> tuple[array[int], dict[str, array[float]]] | None:
    """The steps and the other columns of rows that have the same names; None where they hold more than numbers."""
    columns = dict(zip(rows[0], zip(*map(dict.values, rows), strict=True), strict=True))
    if set(map(type, columns[step])) != {int} or any(set(map(type, cells)) - _NUMBERS for cells in columns.values()):
        return None
    try:
        return array("q", columns.pop(step)), {name: array("d", cells) for name, cells in columns.items()}
    except OverflowError:
        return None


def _objects(path: Path, block: Block, collector: Collector) -> tuple[Sequence[int], Sequence[Row]]:
    """The line numbers and the objects of a block."""
    rows = _together(block.first, block.data)
    if rows is not None:
        return range(block.first, block.first + len(rows)), rows
    found = dict(_one_by_one(path, block.first, block.data, collector))
    return list(found), list(found.values())


def _together(first: int, block: bytes) -> list[Row] | None:
    """The objects of a block in which every line is one."""
    try:
        text = decoded(first, block)
        rows: list[Row] = json.loads("[" + text[:-1].replace("\n", ",") + "]")
    except (ValueError, RecursionError):
        return None
    whole = text.endswith("\n") and len(rows) == text.count("\n") and set(map(type, rows)) == {dict}
    return rows if whole else None


def _one_by_one(path: Path, first: int, block: bytes, collector: Collector) -> Iterator[tuple[int, Row]]:
    for line, text, complete in lines_of(path, first, block, collector):
        row = json_object(text)
        if row is not None:
            yield line, row
        else:
            collector.skip(path, line, "not a JSON object" if complete else "torn line at the end")


def elements(path: Path, begin: str, add: Add, collector: Collector) -> None:
    """Takes, through `add`, the objects of the list that follows what matches `begin`, also where it is torn."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            text = file.read(_PIECE)
            found = re.search(begin, text)
            if not found:
                collector.skip(path, 0, "torn before its list")
                return
            for count, row in enumerate(_decoded(text[found.end() :], file), 1):
                if isinstance(row, dict):
                    add(count, row)
                else:
                    collector.skip(
                        path, 0, "torn within its list" if row is _TORN else "its list holds more than objects"
                    )
    except OSError as error:
        collector.skip(path, 0, f"cannot be read: {error.strerror}")


def first_element(text: str) -> Row:
    """The first object of the list that `text` is, after its bracket."""
    found = next(_decoded(text), None)
    return found if isinstance(found, dict) else {}


def _decoded(text: str, file: TextIO | None = None) -> Iterator[object]:
    """The elements of a list that begins in `text` and goes on in `file`; at last _TORN where it is torn."""
    decode, at = json.JSONDecoder().raw_decode, 0
    while True:
        gap = _GAP.match(text, at)
        at = gap.end() if gap else at
        if text.startswith("]", at):
            return
        try:
            found, at = decode(text, at)
        except (ValueError, RecursionError):
            more = file.read(max(_PIECE, len(text) - at)) if file and len(text) - at < _LARGEST else ""
            if not more:
                yield _TORN
                return
            text, at = text[at:] + more, 0
        else:
            yield found
