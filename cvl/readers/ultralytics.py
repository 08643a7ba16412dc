"""results.csv of Ultralytics: a row an epoch, from 1; an epoch may come again after a resume."""

from __future__ import annotations

from pathlib import Path

from cvl.readers import lines as line_numbers
from cvl.readers.base import Collector, Reading, number, whole
from cvl.readers.delimited import layout
from cvl.readers.texts import head, lines

NAME = "ultralytics"
_FILE = "results.csv"


def find(folder: Path) -> list[Path]:
    path = folder / _FILE
    try:
        with path.open("rb") as file:
            head = file.readline(65536).removeprefix(b"\xef\xbb\xbf")
    except OSError:
        return []
    return [path] if head.split(b",")[0].strip() == b"epoch" else []


def read(paths: list[Path]) -> Reading:
    collector = Collector()
    header: list[str] = []
    for path, line, text, complete in lines(paths, collector):
        cells = [cell.strip() for cell in text.split(",")]
        if cells[0] == "epoch":
            header = cells if complete else []
        elif header and len(cells) == len(header):
            _add(collector, path, line, list(zip(header, cells, strict=True)), complete)
        else:
            collector.skip(path, line, _why(header, complete))
    return collector.reading()


def line(path: Path, point: tuple[int, float | None], name: str) -> int | None:
    return line_numbers.in_table(path, layout((head(path) or [""])[0], ",", ("epoch",), ("epoch",)), point, name)


def _why(header: list[str], complete: bool) -> str:
    if not complete:
        return "torn line at the end"
    return "another number of cells than the header" if header else "no header above it"


def _add(collector: Collector, path: Path, line: int, cells: list[tuple[str, str]], complete: bool) -> None:
    epoch = whole(number(cells[0][1]))
    if epoch is None:
        collector.skip(path, line, "no whole number `epoch`")
        return
    if not complete:  # its last cell may lack digits
        collector.skip(path, line, f"torn line at the end, {cells.pop()[0]} left out")
    for name, text in cells[1:]:
        value = number(text)
        if value is not None:
            collector.add(path, name, (epoch, float(epoch), value))
        elif text:
            collector.skip(path, line, f"{name} is not a number")
