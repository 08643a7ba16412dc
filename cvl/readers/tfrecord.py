"""Frames of TensorFlow's record files: length, its checksum, data, its checksum; checksums are masked CRC-32C."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

HEAD, TAIL = 12, 4
LARGEST = 1 << 24  # bytes; pictures and graphs may be larger, numbers are not


class Broken(ValueError):
    """Nothing after this place can be read."""


def frames(path: Path, chunk: int = 1 << 20, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """(where the next one begins, data with its checksum behind it) of each frame from `start` on.

    Larger ones are left out. OSError, or Broken where the rest is lost.

    Only the length is checked here; `sound` checks the data of those that are wanted.
    """
    lengths: dict[bytes, int] = {}
    rest = b""
    with path.open("rb") as file:
        file.seek(start)
        while more := file.read(chunk):
            data, at = rest + more, 0
            begins = file.tell() - len(data)
            while len(data) - at >= HEAD:
                head = data[at : at + HEAD]
                length = lengths.get(head)
                if length is None:
                    length = lengths[head] = _length(head)
                end = at + HEAD + length + TAIL
                if length > LARGEST:
                    file.seek(end - len(data), 1)
                    data, at = b"", 0
                elif end > len(data):
                    break
                else:
                    yield begins + end, data[at + HEAD : end]
                    at = end
            rest = data[at:]
        torn = rest or file.tell() > file.seek(0, 2)
    if torn:
        raise Broken("torn record at the end")


def sound(frame: bytes) -> bool:
    """Whether the data is what was written."""
    return _masked(frame[:-TAIL]) == frame[-TAIL:]


def _length(head: bytes) -> int:
    if _masked(head[:8]) != head[8:]:
        raise Broken("the checksum of a record's length is wrong, the rest is left out")
    length = int.from_bytes(head[:8], "little")
    if length >> 48:
        raise Broken(f"a record of {length} bytes, the rest is left out")
    return length


def _masked(data: bytes) -> bytes:
    crc, table = 0xFFFFFFFF, _TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (0x82F63B78 * (byte & 1))
    return byte


_TABLE = tuple(map(_entry, range(256)))
