"""Talking to a person: talk goes to stderr, data to stdout."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def say(text: str) -> None:
    """One line of talk."""
    print(text, file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """Names in logs are foreign text: no escape sequence reaches a terminal or a page, no line feed breaks a table."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def columns(rows: Sequence[Sequence[str]], *, indent: str = "") -> str:
    """Rows as left-aligned columns; the last one runs free."""
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(len(rows[0]) - 1)] if rows else []
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append((indent + "  ".join([*cells, row[-1]])).rstrip())
    return "\n".join(lines)
