"""Any text table with a header: cells separated by comma, semicolon or tab, at least one number in the first row."""

from __future__ import annotations

from pathlib import Path

from cvl.readers import growing, lines
from cvl.readers.base import Reading, number, one_run
from cvl.readers.delimited import Layout, Table, layout, split
from cvl.readers.resumes import Following
from cvl.readers.texts import head

NAME = "csv"
_STEPS = ("step", "global_step", "iteration", "iter", "it")
_EPOCHS = ("epoch",)


def find(folder: Path) -> list[Path]:
    """The newest table; where one counts its steps or epochs, those that do not are no logs."""
    paths = [path for ending in ("*.csv", "*.tsv") for path in folder.glob(ending) if path.is_file()]
    found = {path: form for path in paths if (form := _layout(path))}
    counted = {path: form for path, form in found.items() if form.step or form.epoch}
    return one_run({path: set(form.names) - {form.step, form.epoch} for path, form in (counted or found).items()})


def read(paths: list[Path]) -> Reading:
    return growing.read(scan, paths)


def scan(_: list[Path]) -> Table:
    return Table(_layout, Following())


def line(path: Path, point: tuple[int, float | None], name: str) -> int | None:
    return lines.in_table(path, _layout(path), point, name)


def _layout(path: Path) -> Layout | None:
    lines = head(path)
    if len(lines) < 2:
        return None
    delimiter = max(",;\t", key=lines[0].count)
    form = layout(lines[0], delimiter, _STEPS, _EPOCHS)
    first = [number(cell) for cell in split(lines[1], delimiter)]
    named = len(form.names) > 1 and all(number(name) is None for name in form.names)
    return form if named and len(first) == len(form.names) and any(value is not None for value in first) else None
