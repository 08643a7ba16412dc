"""Records in blocks as LevelDB writes its log, behind the head of a W&B run file."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from cvl.readers.base import Collector

HEAD = b":W&B\xe1\xbe\x00"  # name, magic, version 0
_BLOCK = 32768
_PART = struct.Struct("<IHB")  # checksum, length, type
_FULL, _FIRST, _LAST = 1, 2, 4  # types; 3 stands between a first and a last
_MOST = 512  # parts of a record; numbers need one or two


class _Broken(ValueError):
    """The rest of a block cannot be read."""


def records(path: Path, collector: Collector) -> Iterator[bytes]:
    """Whole records, put together from their parts in the blocks."""
    parts: list[bytes] = []
    with path.open("rb") as file:
        at = file.seek(len(HEAD))
        while block := file.read(_BLOCK - at):
            try:
                for kind, part in _parts(block, at + len(block) < _BLOCK):
                    parts = [part] if kind in (_FULL, _FIRST) else [*parts[-_MOST:], part] if parts else []
                    if kind in (_FULL, _LAST) and parts:
                        yield b"".join(parts)
                        parts = []
            except _Broken as error:
                collector.skip(path, 0, str(error))
                parts = []
            at = 0
    if parts:
        collector.skip(path, 0, "torn record at the end")


def _parts(block: bytes, short: bool) -> Iterator[tuple[int, bytes]]:
    """(type, data) of each part in a block; the last block may be `short`."""
    at = 0
    while len(block) - at >= _PART.size:
        checksum, size, kind = _PART.unpack_from(block, at)
        end = at + _PART.size + size
        if not (checksum or size or kind):
            return
        if short and end > len(block):
            break
        part = block[at + _PART.size : end]
        if zlib.crc32(part, zlib.crc32(bytes((kind,)))) != checksum:
            raise _Broken("records with a wrong checksum, left out")
        yield kind, part
        at = end
    if short and at < len(block):
        raise _Broken("torn record at the end")
