"""Text files: their first lines, a block at a time, a line at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from cvl.readers.base import START, Collector, Place

_BLOCK = 1 << 16


def lines(paths: Iterable[Path], collector: Collector) -> Iterator[tuple[Path, int, str, bool]]:
    """(path, line number, text, whether the line is complete) of every readable line that is not empty."""
    for path in paths:
        for first, block, _ in blocks(path, collector):
            for number, text, complete in lines_of(path, first, block, collector):
                yield path, number, text, complete


class Block(NamedTuple):
    """Whole lines, from line `first`; the last line of a file may be torn.

    `after` is where the next block begins; None where lines written from now on would belong to this one.
    """

    first: int
    data: bytes
    after: Place | None


def blocks(path: Path, collector: Collector, start: Place = START) -> Iterator[Block]:
    """Every part of the file from `start`, where a block began."""
    offset, first = start
    try:
        with path.open("rb") as file:
            file.seek(offset)
            while data := file.read(_BLOCK):
                full = len(data) == _BLOCK
                data += b"" if data.endswith(b"\n") else file.readline()
                offset, count = offset + len(data), data.count(b"\n")
                ends = data.endswith(b"\n")
                yield Block(first, data, Place(offset, first + count) if full and ends else None)
                if not ends:
                    return  # what is written from now on would be half a line
                first += count
    except OSError as error:
        collector.skip(path, 0, f"cannot be read: {error.strerror}")


def lines_of(path: Path, first: int, block: bytes, collector: Collector) -> Iterator[tuple[int, str, bool]]:
    """(line number, text, whether the line is complete) of every readable line of `block` that is not empty."""
    for number, raw in enumerate(BytesIO(block), first):
        try:
            text = decoded(number, raw)
        except UnicodeDecodeError:
            collector.skip(path, number, "not UTF-8 text" if raw.endswith(b"\n") else "torn line at the end")
            continue
        if text.strip():
            yield number, text.strip("\r\n"), raw.endswith(b"\n")


def decoded(first: int, block: bytes) -> str:
    """Text that starts at line `first`."""
    return block.decode("utf-8-sig" if first == 1 else "utf-8")


def opening(path: Path) -> str:
    """The text that a file begins with; empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(_BLOCK).decode("utf-8-sig", errors="replace")
    except OSError:
        return ""


def head(path: Path) -> list[str]:
    """The complete ones of a file's first lines."""
    return opening(path).split("\n")[:-1]
