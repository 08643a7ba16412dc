"""Run files of Weights & Biases, offline and online: a LevelDB log of protocol-buffer records."""

from __future__ import annotations

import math
from pathlib import Path

from cvl.readers.base import Collector, Reading, number, whole
from cvl.readers.leveldb import HEAD, records
from cvl.readers.protobuf import Malformed, fields

NAME = "wandb"
_HISTORY, _ITEM = 2, 1  # fields of a record, of its history
_KEY, _NESTED_KEY, _VALUE = 1, 2, b"\x82\x01"  # fields of an item; the value's with its kind, as it is written


def find(folder: Path) -> list[Path]:
    """The files of the newest run: one, or one for each time it was resumed under its id."""
    patterns = ("run-*.wandb", "*run-*-*/run-*.wandb", "wandb/*run-*-*/run-*.wandb")
    files = [path for pattern in patterns for path in folder.glob(pattern) if _is_log(path)]
    started = {
        path.parent.name.removeprefix("offline-"): path for path in sorted(files)
    }  # one that was sent is there twice
    files = [started[name] for name in sorted(started)]
    return [path for path in files if path.name == files[-1].name]


def read(paths: list[Path]) -> Reading:
    collector = Collector()
    names: dict[bytes, str] = {}
    for path in paths:
        begun = False
        try:
            for record in records(path, collector):
                rows = _rows(collector, path, record, names)
                if rows and not begun:
                    _begin(collector, path, rows[0][0])
                begun = begun or bool(rows)
                for step, epoch, row in rows:
                    for name, value in row.items():
                        collector.add(path, name, (step, epoch, value))
        except OSError as error:
            collector.skip(path, 0, f"cannot be read: {error.strerror}")
    return collector.reading()


def _is_log(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(HEAD)) == HEAD
    except OSError:
        return False


def _begin(collector: Collector, path: Path, step: int) -> None:
    """A file after the first is a resume: from its first step on what the others have is void.

    Without its server the tool counts from 0 again unless it is told the step, so that a file cannot say what goes on.
    """
    voided = collector.forget(step)
    if voided and step == 0:
        why = "its steps begin again at 0, as a resume without the server does: what earlier files logged is left out"
        collector.skip(path, 0, why)


def _rows(
    collector: Collector, path: Path, record: bytes, names: dict[bytes, str]
) -> list[tuple[int, float, dict[str, float]]]:
    """(step, epoch, numbers by name) of the record's history."""
    try:
        rows = [_row(content, names) for field, _, content in fields(record) if field == _HISTORY]
    except Malformed:
        collector.skip(path, 0, "records that cannot be understood, left out")
        return []
    stepped = [(whole(row.pop("_step", None)), row.pop("epoch", math.nan), row) for row in rows]
    if any(step is None for step, *_ in stepped):
        collector.skip(path, 0, "records without a whole number `_step`, left out")
    return [(step, epoch, row) for step, epoch, row in stepped if step is not None]


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
