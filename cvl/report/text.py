"""A judgement for a person at a terminal."""

from __future__ import annotations

import io
import shutil
import sys

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cvl import console as terminal
from cvl.console import SPACES_AND_SLASHES, printable
from cvl.judge import Judgement
from cvl.rules import Status, Verdict

_MARKS = {
    Status.PASS: ("✓", "green"),
    Status.FAIL: ("✗", "bold red"),
    Status.WARN: ("!", "yellow"),
    Status.NOT_RUN: ("–", "dim"),
    Status.NOT_COMPARABLE: ("–", "dim"),
}
_TITLES = ("", "rule", "metric", "wanted", "found", "where")
_ASCII = str.maketrans({"✓": "+", "✗": "x", "–": "-", "…": "..", "≤": "<=", "≥": ">=", "×": "x", "→": "->", "±": "+-"})
_WORDS = {"pass": "bold green", "fail": "bold red"}


def render(judgement: Judgement, *, width: int | None = None, colour: bool | None = None) -> str:
    """At most 100 columns; width and colour are the terminal's unless they are given."""
    console = Console(
        file=io.StringIO(),
        width=min(width or shutil.get_terminal_size().columns, 100),
        force_terminal=sys.stdout.isatty() if colour is None else colour,
        no_color=False if colour else None,  # None: NO_COLOR decides
        highlight=False,
        markup=False,
        emoji=False,
    )
    with console.capture() as captured:
        _print(console, judgement)
    text = "\n".join(line.rstrip() for line in captured.get().rstrip().split("\n"))
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(_ASCII).encode(encoding, "replace").decode(encoding)
    return text


def _print(console: Console, judgement: Judgement) -> None:
    if judgement.verdicts:
        console.print(_table(judgement.verdicts, console.width))
        console.print()
    for verdict in judgement.verdicts:
        _explain(console, verdict)
    for problem in judgement.problems:
        console.print(Text(f"note: {printable(problem)}", "dim"))
    if judgement.rating:
        console.print(Text(f"rating: {printable(judgement.rating)}"))
    for note in judgement.notes:
        console.print(Padding(Text(printable(note)), (0, 0, 0, 8)))
    console.print(Text(f"verdict: {judgement.outcome}", _WORDS.get(judgement.outcome.word, "bold")))


def _table(verdicts: tuple[Verdict, ...], room: int) -> Table:
    """Wrapped between words, and inside of them only where the terminal is too narrow for words side by side."""
    rows = [_cells(verdict) for verdict in verdicts]
    widths = terminal.fitted([_TITLES, *rows], room, SPACES_AND_SLASHES)
    narrow = not terminal.fits(widths, room)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for title, width, share in zip(_TITLES, widths, (None, None, 2, 3, 3, 3), strict=True):
        table.add_column(title, overflow="fold", ratio=share if narrow else None, width=None if narrow else width)
    for verdict, row in zip(verdicts, rows, strict=True):
        lines = (
            "\n".join(terminal.wrap(cell, width, SPACES_AND_SLASHES)) for cell, width in zip(row, widths, strict=True)
        )
        style = _MARKS[verdict.status][1]
        table.add_row(*(Text(line, style if i == 0 else "") for i, line in enumerate(lines)))
    return table


def _cells(verdict: Verdict) -> tuple[str, ...]:
    cells = (verdict.rule, verdict.metric, verdict.wanted, verdict.found, str(verdict.where))
    return _MARKS[verdict.status][0], *map(printable, cells)


def _explain(console: Console, verdict: Verdict) -> None:
    """Why, and what usually causes it."""
    if (verdict.status is Status.PASS and not verdict.hint) or not (verdict.reason or verdict.hint):
        return
    mark, style = _MARKS[verdict.status]
    title = Text(f"{mark} {verdict.rule} {printable(verdict.metric)}".rstrip(), style)
    console.print(title + Text(f": {printable(verdict.reason)}" if verdict.reason else ""))
    if verdict.hint:
        console.print(Padding(Text(f"hint: {printable(verdict.hint)}"), (0, 0, 0, 2)))
