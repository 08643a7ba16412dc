"""Talking to a person: talk goes to stderr, data to stdout."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from itertools import zip_longest

_GAP = "  "
SPACES = re.compile(r"(\s+)")
SPACES_AND_SLASHES = re.compile(r"(\s+|(?<=/)(?=\w))")  # for paths that nobody copies


def say(text: str) -> None:
    """One line of talk."""
    print(text, file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """Names in logs are foreign text: no escape sequence reaches a terminal or a page, no line feed breaks a table."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def terminal_width() -> int:
    """Of the terminal that stdout is; endless where it is none, for what programs read is not wrapped."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize


def columns(rows: Sequence[Sequence[str]], *, indent: str = "", width: int | None = None) -> str:
    """Rows as left-aligned columns within `width` (the terminal's, unless given), wrapped between words.

    Where not even the longest words fit side by side, the cells without room go on in the next line.
    """
    room = (width or terminal_width()) - len(indent)
    widths = fitted(rows, room)
    if fits(widths, room):
        lines = [line for row in rows for line in _beside(row, widths)]
    else:
        widths = fitted(rows, sys.maxsize)
        lines = [line for row in rows for line in _flowing(row, widths, room)]
    return "\n".join((indent + line).rstrip() for line in lines)


def fitted(rows: Sequence[Sequence[str]], room: int, breaks: re.Pattern[str] = SPACES) -> list[int]:
    """Widths of columns for `room`: the widest give way, but none to less than its longest word."""
    cells = list(zip(*rows, strict=False))
    widths = [max(map(len, column)) for column in cells]
    least = [max(len(word) for cell in column for word in breaks.split(cell)) for column in cells]
    while not fits(widths, room) and (wide := [i for i, width in enumerate(widths) if width > least[i]]):
        widths[max(wide, key=widths.__getitem__)] -= 1
    return widths


def fits(widths: Sequence[int], room: int) -> bool:
    """Whether columns of these widths and the gaps between them have room."""
    return sum(widths) + len(_GAP) * (len(widths) - 1) <= room


def wrap(text: str, width: int, breaks: re.Pattern[str] = SPACES) -> list[str]:
    """The lines of `text`; a word that is longer than `width` stays whole."""
    if len(text) <= width:
        return [text]

    class Wrapper(textwrap.TextWrapper):
        wordsep_simple_re = breaks

    return Wrapper(max(width, 1), break_long_words=False, break_on_hyphens=False).wrap(text)


def paragraph(text: str, *, indent: str = "", width: int | None = None) -> str:
    """`text` within `width` (the terminal's, unless given), indented further from its second line on."""
    first, *rest = wrap(text, (width or terminal_width()) - len(indent) - len(_GAP))
    return "\n".join([indent + first, *(indent + _GAP + line for line in rest)])


def _beside(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    cells = [wrap(cell, width) for cell, width in zip(row, widths, strict=False)]
    for line in zip_longest(*cells, fillvalue=""):
        yield _GAP.join(part.ljust(width) for part, width in zip(line, widths, strict=True))


def _flowing(row: Sequence[str], widths: Sequence[int], room: int) -> Iterator[str]:
    line = ""
    for cell, width in zip(row, widths, strict=False):
        if line and len(line) + len(_GAP) + len(cell) > room:
            yield line
            line = _GAP
        line += (_GAP if line else "") + cell.ljust(width)
    yield line
