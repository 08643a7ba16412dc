"""Protocol-buffer messages taken apart without their definitions: numbers, and bytes that may be messages again."""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_WIDTHS = {FIXED64: 8, FIXED32: 4}


class Malformed(ValueError):
    """The bytes are no message."""


def fields(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(field, number, content) of each field: `number` is that of a varint, `content` the bytes of any other kind."""
    at, end = 0, len(data)
    while at < end:
        key, at = (data[at], at + 1) if data[at] < 128 else varint(data, at)
        kind, number, size = key & 7, 0, 0
        if kind == BYTES:
            size, at = (data[at], at + 1) if at < end and data[at] < 128 else varint(data, at)
        elif kind == VARINT:
            number, at = varint(data, at)
        elif kind in _WIDTHS:
            size = _WIDTHS[kind]
        else:
            raise Malformed(f"a field of kind {kind}")
        if key < 8 or at + size > end:
            raise Malformed("a field without a number, or over the end")
        yield key >> 3, number, data[at : at + size]
        at += size


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, and where the next thing begins."""
    number = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number & 0xFFFFFFFFFFFFFFFF, at
    raise Malformed("a number without an end")


def signed(number: int) -> int:
    """A varint as the int64 it stands for."""
    return number - (1 << 64) if number >> 63 else number
