"""Tables of nothing but numbers, read at once by the parser of JSON, which is written in C."""

from __future__ import annotations

import json
import re
import struct
from array import array
from collections.abc import Sequence

_ROW_ENDS = ",null,"
_WORDS = ("l", "u")  # one of them is in `null`, `true` and `false`, which JSON knows and tables do not
_MINUS_ZERO = re.compile(r"-0(?![.\d])")  # JSON reads a whole number, which has no sign where it is zero


def columns(text: str, delimiter: str, width: int) -> list[Sequence[float]] | None:
    """The columns of whole lines of `width` numbers each; None where they may hold anything else.

    After each line comes a `null`, and no cell is one. So where every `width` numbers are followed by one, and
    there are no more of them than lines, no line is shorter or longer than another.
    """
    rows = text.count("\n")
    if not text.endswith("\n") or any(word in text for word in _WORDS) or ("-0" in text and _MINUS_ZERO.search(text)):
        return None
    if delimiter != ",":
        if "," in text:
            return None
        text = text.replace(delimiter, ",")
    try:
        cells = json.loads("[" + text.replace("\n", _ROW_ENDS)[:-1] + "]")
    except (ValueError, RecursionError):
        return None
    if len(cells) != rows * (width + 1) or cells[width :: width + 1].count(None) != rows:
        return None
    return [cells[i :: width + 1] for i in range(width)]


def floats(column: Sequence[float]) -> array[float]:
    """A column of numbers; TypeError, ValueError or OverflowError where it holds anything else."""
    try:  # twice as fast as what array() does
        return array("d", struct.pack(f"{len(column)}d", *column))
    except struct.error as error:
        raise TypeError(str(error)) from None


def wholes(column: Sequence[float]) -> array[int]:
    """A column of whole numbers; TypeError or OverflowError where it holds anything else."""
    return array("q", column)  # type: ignore[arg-type]  # it refuses floats
