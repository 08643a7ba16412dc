"""The numbers in TensorBoard's events: simple values, and tensors of one element."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cvl.readers.base import Collector
from cvl.readers.protobuf import Malformed, fields, signed, varint
from cvl.readers.tfrecord import TAIL, Broken, frames, sound

_STEP, _SUMMARY, _SESSION = 2, 5, 7  # fields of an event
_TAG, _SIMPLE, _TENSOR = 1, 2, 8  # of a value in a summary
_DTYPE, _SHAPE, _CONTENT = 1, 2, 4  # of a tensor
_START = 1  # a session's status
_FLOAT = struct.Struct("<f")
# TensorFlow's number of a type -> how `content` holds it, and the field that holds it where there is no content.
_TYPES = {
    **{1: ("<f", 5), 2: ("<d", 6), 3: ("<i", 7), 4: ("<B", 7), 5: ("<h", 7), 6: ("<b", 7), 9: ("<q", 10)},
    **{17: ("<H", 7), 19: ("<e", 13), 22: ("<I", 16), 23: ("<Q", 17)},
}


class Event(NamedTuple):
    step: int
    scalars: tuple[tuple[str, float], ...]
    restart: bool = False  # what was logged from `step` on no longer counts


def events(path: Path, collector: Collector, start: int = 0) -> Iterator[tuple[int, Event]]:
    """(where the next one begins, event) of those that hold numbers or take them back, from `start` on.

    What is wrong with others goes to `collector`.
    """
    tags: dict[bytes, str] = {}
    try:
        for after, frame in frames(path, start=start):
            try:
                event = _plain(frame, tags) or _event(frame[:-TAIL])
            except Malformed:
                collector.skip(path, 0, "records that are no events, left out")
                continue
            if event.scalars or event.restart:
                if sound(frame):
                    yield after, event
                else:
                    collector.skip(path, 0, "records with a wrong checksum, left out")
    except Broken as error:
        collector.skip(path, 0, str(error))
    except OSError as error:
        collector.skip(path, 0, f"cannot be read: {error.strerror}")


def _plain(frame: bytes, tags: dict[bytes, str]) -> Event | None:
    """The most frequent event without a walk through it: time, step, one value; `tags` by what stands between."""
    if frame[:1] != b"\x09" or len(frame) < 32:
        return None
    step, at = varint(frame, 10) if frame[9] == 0x10 else (0, 9)
    head = frame[at : -TAIL - 4]
    tag = tags.get(head)
    if tag is None:
        tag = _plain_tag(head)
        if tag is None:
            return None
        tags[head] = tag
    return Event(signed(step), ((tag, _FLOAT.unpack_from(frame, len(frame) - TAIL - 4)[0]),))


def _plain_tag(head: bytes) -> str | None:
    """The tag of a summary of one simple value, of which `head` is all but the last four bytes, the float."""
    size = len(head) - 7
    if not 0 <= size < 119 or head[-1] != 0x15 or head[:6] != bytes((0x2A, size + 9, 0x0A, size + 7, 0x0A, size)):
        return None
    return head[6:-1].decode(errors="replace")


def _event(data: bytes) -> Event:
    step, restart = 0, False
    scalars: list[tuple[str, float]] = []
    for field, number, content in fields(data):
        if field == _STEP:
            step = signed(number)
        elif field == _SUMMARY:
            scalars += _scalars(content)
        elif field == _SESSION:
            restart = any(field == 1 and status == _START for field, status, _ in fields(content))
    return Event(step, tuple(scalars), restart)


def _scalars(summary: bytes) -> Iterator[tuple[str, float]]:
    for field, _, value in fields(summary):
        if field == 1:
            parts = {part: content for part, _, content in fields(value)}
            number = _float(parts[_SIMPLE]) if _SIMPLE in parts else _element(parts.get(_TENSOR, b""))
            if number is not None:
                yield parts.get(_TAG, b"").decode(errors="replace"), number


def _float(content: bytes) -> float:
    if len(content) != 4:
        raise Malformed("a float of another size")
    return float(_FLOAT.unpack(content)[0])


def _element(tensor: bytes) -> float | None:
    """The number in a tensor; None where it holds another count of them, or no numbers."""
    parts: dict[int, tuple[int, bytes]] = {}
    for field, number, content in fields(tensor):
        if field in parts:
            return None
        parts[field] = number, content
    dtype = parts.get(_DTYPE, (0, b""))[0]
    if dtype not in _TYPES or any(size != 1 for size in _shape(parts.get(_SHAPE, (0, b""))[1])):
        return None
    layout, listed = _TYPES[dtype]
    if _CONTENT in parts:
        return _number(layout, parts[_CONTENT][1])
    return _listed(layout, *parts[listed]) if listed in parts else None


def _number(layout: str, content: bytes) -> float | None:
    return float(struct.unpack(layout, content)[0]) if len(content) == struct.calcsize(layout) else None


def _listed(layout: str, number: int, content: bytes) -> float | None:
    """The only number of a list: floats as they are, of the others a varint, which is the bits of a half."""
    if layout in ("<f", "<d"):
        return _number(layout, content)
    end = 0
    if content:
        number, end = varint(content, 0)
    if end != len(content):
        return None
    if layout == "<e":
        return _number(layout, struct.pack("<H", number & 0xFFFF))
    return float(signed(number) if layout.islower() else number)


def _shape(content: bytes) -> Iterator[int]:
    for field, _, dimension in fields(content):
        if field == 2:
            yield next((number for part, number, _ in fields(dimension) if part == 1), 0)
