"""What Keras' CSVLogger writes: a row an epoch, from 0, names sorted, any separator; a resume appends its rows."""

from __future__ import annotations

import re
from pathlib import Path

from cvl.readers import growing, lines
from cvl.readers.base import Reading, number, one_run
from cvl.readers.delimited import Layout, Table, layout, split
from cvl.readers.resumes import Following
from cvl.readers.texts import head

NAME = "keras"


def find(folder: Path) -> list[Path]:
    paths = [path for ending in ("*.csv", "*.log", "*.tsv") for path in folder.glob(ending) if path.is_file()]
    return one_run({path: set(form.names[1:]) for path in paths if (form := _layout(path))})


def read(paths: list[Path]) -> Reading:
    return growing.read(scan, paths)


def scan(_: list[Path]) -> Table:
    return Table(_layout, Following(sure=True))


def line(path: Path, point: tuple[int, float | None], name: str) -> int | None:
    return lines.in_table(path, _layout(path), point, name)


def _layout(path: Path) -> Layout | None:
    """As CSVLogger writes it: the epoch, then sorted names with the loss among them (those of `val_` may come last)."""
    lines = head(path)
    separator = re.match(r"epoch([^\w\"\r])", lines[0]) if len(lines) > 1 else None
    if not separator:
        return None
    form = layout(lines[0], separator[1], ("epoch",), ("epoch",))
    own = [name for name in form.names[1:] if not name.startswith("val_")]
    first = split(lines[1], form.delimiter)
    starts = len(first) == len(form.names) and number(first[0]) == 0
    return form if starts and "loss" in own and own == sorted(own) and "step" not in own else None
