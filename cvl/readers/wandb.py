"""Run files of Weights & Biases, offline and online: a LevelDB log of protocol-buffer records."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from cvl.readers.base import Collector, Reading, number, whole
from cvl.readers.protobuf import Malformed, fields

NAME = "wandb"
_HEAD = b":W&B\xe1\xbe\x00"  # name, magic, version 0
_BLOCK = 32768
_PART = struct.Struct("<IHB")  # checksum, length, type
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_MOST = 512  # parts of a record; numbers need one or two
_HISTORY, _ITEM = 2, 1  # fields of a record, of its history
_KEY, _NESTED_KEY, _VALUE = 1, 2, b"\x82\x01"  # fields of an item; the value's with its kind, as it is written


class _Broken(ValueError):
    """The rest of a block cannot be read."""


def find(folder: Path) -> list[Path]:
    """The files of the newest run: one, or one for each time it was resumed under its id."""
    patterns = ("run-*.wandb", "*run-*-*/run-*.wandb", "wandb/*run-*-*/run-*.wandb")
    files = [path for pattern in patterns for path in folder.glob(pattern) if _is_log(path)]
    files.sort(key=lambda path: path.parent.name.removeprefix("offline-"))
    return [path for path in files if path.name == files[-1].name]


def read(paths: list[Path]) -> Reading:
    collector = Collector()
    names: dict[bytes, str] = {}
    for path in paths:
        try:
            for record in _records(path, collector):
                _add(collector, path, record, names)
        except OSError as error:
            collector.skip(path, 0, f"cannot be read: {error.strerror}")
    return collector.reading()


def _is_log(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(_HEAD)) == _HEAD
    except OSError:
        return False


def _records(path: Path, collector: Collector) -> Iterator[bytes]:
    """Whole records, put together from their parts in the blocks."""
    parts: list[bytes] = []
    with path.open("rb") as file:
        at = file.seek(len(_HEAD))
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


def _add(collector: Collector, path: Path, record: bytes, names: dict[bytes, str]) -> None:
    try:
        rows = [_row(content, names) for field, _, content in fields(record) if field == _HISTORY]
    except Malformed:
        collector.skip(path, 0, "records that cannot be understood, left out")
        return
    for row in rows:
        step = whole(row.pop("_step", None))
        if step is None:
            collector.skip(path, 0, "records without a whole number `_step`, left out")
            continue
        epoch = row.pop("epoch", math.nan)
        for name, value in row.items():
            collector.add(path, name, (step, epoch, value))


def _row(history: bytes, names: dict[bytes, str]) -> dict[str, float]:
    """The numbers of a step by name, without those that describe a picture or a histogram."""
    row: dict[str, float] = {}
    objects: list[str] = []
    for field, _, item in fields(history):
        head, _, text = item.rpartition(_VALUE)
        if field != _ITEM or not head or len(text) > 127 or text[:1] != bytes((len(text) - 1,)):
            continue  # not a number: none is longer
        name = names.get(head)
        if name is None:
            name = names[head] = _name(head)
        if name.endswith("/_type"):
            objects.append(name.removesuffix("_type"))
        value = number(text[1:].decode(errors="replace")) if name else None
        if value is not None:
            row[name] = value
    return {name: value for name, value in row.items() if not name.startswith(tuple(objects))} if objects else row


def _name(head: bytes) -> str:
    """The name that an item's keys spell; empty for those of the tool itself."""
    try:
        keys = [key.decode(errors="replace") for field, _, key in fields(head) if field in (_KEY, _NESTED_KEY)]
    except Malformed:
        return ""
    name = "/".join(keys)
    return "" if name.startswith("_") and name != "_step" else name
