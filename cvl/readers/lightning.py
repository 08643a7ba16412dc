"""metrics.csv of Lightning's CSVLogger: sparse rows, of which those of one step belong together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cvl.readers import growing, lines
from cvl.readers.base import Reading, number, whole
from cvl.readers.delimited import Layout, Table, layout, split
from cvl.readers.texts import head

NAME = "lightning"
_FILE = "metrics.csv"
_PLACES = ("version_*", "lightning_logs/version_*")


def find(folder: Path) -> list[Path]:
    """That of the newest version, after those that it continues: only a resume begins in a later epoch."""
    found = [path for place in ("", *_PLACES) for path in folder.glob(f"{place}/{_FILE}".lstrip("/")) if _layout(path)]
    chosen: list[Path] = []
    for path in sorted(found, key=_version, reverse=True):
        if not chosen or _first_epoch(path) < _first_epoch(chosen[0]):
            chosen.insert(0, path)
    return chosen


def read(paths: list[Path]) -> Reading:
    return growing.read(scan, paths)


def scan(_: list[Path]) -> Table:
    return _Versions(_layout)


def line(path: Path, point: tuple[int, float | None], name: str) -> int | None:
    return lines.in_table(path, _layout(path), point, name)


class _Versions(Table):
    def begin(self, path: Path, _: Layout) -> None:
        if (step := _first_step(path)) is not None:
            self.collector.forget(step)


def _layout(path: Path) -> Layout | None:
    lines = head(path)
    form = layout(lines[0], ",", ("step",), ("epoch",)) if lines else None
    return form if form and form.step else None


def _version(path: Path) -> int:
    found = re.fullmatch(r"version_(\d{1,9})", path.parent.name)
    return int(found[1]) if found else -1


def _first_epoch(path: Path) -> float:
    return next(_numbers(path, "epoch"), 0.0)


def _first_step(path: Path) -> int | None:
    """Where the run of a file began: what other files have from there on is of a stretch that was given up."""
    return whole(next(_numbers(path, "step"), None))


def _numbers(path: Path, wanted: str) -> Iterator[float]:
    names, *rows = (split(line, ",") for line in head(path))
    found = (number(cell) for row in rows for name, cell in zip(names, row, strict=False) if name.strip() == wanted)
    yield from (value for value in found if value is not None)
