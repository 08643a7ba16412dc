"""Event files of TensorBoard from any writer: a resume adds a file, `add_scalars` and Keras add folders."""

from __future__ import annotations

import math
import os
import struct
from array import array
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cvl.readers import growing
from cvl.readers.base import Collector, Place, Reading, Series
from cvl.readers.growing import Scan
from cvl.readers.tfevent import events
from cvl.readers.tfrecord import Broken, frames

NAME = "tensorboard"
_INNER = ("runs/*", "lightning_logs/version_*", "version_*")  # where writers make a folder for each run
_PARTS = ("train", "validation", "val", "eval", "test")  # folders that are one run together
_BATCH = 1 << 10  # events
Columns = dict[str, tuple[list[int], list[float]]]
Dated = list[tuple[float, Path]]


def find(folder: Path) -> list[Path]:
    runs = [_run(folder)]
    if not runs[0]:
        runs = [_run(inner) for pattern in _INNER for inner in folder.glob(pattern)]
    return [path for _, path in max(filter(None, runs), key=lambda run: run[-1], default=[])]


def read(paths: list[Path]) -> Reading:
    return growing.read(scan, paths)


def scan(paths: list[Path]) -> Scan:
    parents = [path.parent.parent if path.parent.name in _PARTS else path.parent for path in paths]
    return _Events(Path(os.path.commonpath(parents or [Path()])))


class _Events(Scan):
    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root

    def take(self, path: Path, start: Place) -> Iterator[Place]:
        for after, columns in _batches(path, start.offset, self.collector):
            for tag, (steps, values) in columns.items():
                name = tag if path.parent == self._root else _name(path.parent.name, tag)
                self.collector.extend(path, name, steps, array("d", [math.nan]) * len(steps), values)
            if after:
                yield Place(after, 0)

    def reading(self) -> Reading:
        return _understood(super().reading())


def _run(folder: Path) -> Dated:
    """The event files of one run, by the time of their first event."""
    files = _dated(folder, "*tfevents*")
    for started, path in _dated(folder, "*/*tfevents*"):
        if path.parent.name in _PARTS or (files and _line(path.parent.name, _first_tag(path))):
            files.append((started, path))
    return sorted(files)


def _dated(folder: Path, pattern: str) -> Dated:
    found = ((_started(path), path) for path in folder.glob(pattern) if path.is_file())
    return [(started, path) for started, path in found if started is not None]


def _started(path: Path) -> float | None:
    """The time of the first event; None where the file does not begin with one."""
    with suppress(OSError, Broken):
        _, frame = next(frames(path, 4096), (0, b""))
        if frame[:1] == b"\x09" and len(frame) > 12:
            return float(struct.unpack_from("<d", frame, 1)[0])
    return None


def _first_tag(path: Path) -> str:
    return next((tag for _, event in events(path, Collector()) for tag, _ in event.scalars), "")


def _line(folder: str, tag: str) -> str:
    """Which of the lines that `add_scalars` draws under `tag` is in `folder`; empty where it is none."""
    start = tag.replace("/", "_") + "_"
    return folder[len(start) :] if tag and folder.startswith(start) else ""


def _name(folder: str, tag: str) -> str:
    line = _line(folder, tag)
    return f"{tag}/{line}" if line else f"{folder}/{tag}"


def _batches(path: Path, start: int, collector: Collector) -> Iterator[tuple[int, Columns]]:
    """(where the next one begins, or 0; the scalars) of each batch of events."""
    columns: Columns = {}
    for count, (after, (step, scalars, restart)) in enumerate(events(path, collector, start), 1):
        if restart:
            yield 0, columns
            columns = {}
            collector.forget(step)
        for tag, value in scalars:
            steps, values = columns.setdefault(tag, ([], []))
            steps.append(step)
            values.append(value)
        if not count % _BATCH:
            yield after, columns
            columns = {}
    yield 0, columns


def _understood(reading: Reading) -> Reading:
    """Lightning's `epoch`, logged at every step, as the epoch of the points; without its place-holder `hp_metric`."""
    epoch = reading.series.pop("epoch", None)
    for series in reading.series.values():
        if epoch is not None:
            _join(series, epoch)
    if "hp_metric" in reading.series and set(reading.series["hp_metric"].value) == {-1.0}:
        del reading.series["hp_metric"]
    return reading


def _join(series: Series, epoch: Series) -> None:
    at = 0
    for i, step in enumerate(series.step):
        while at < len(epoch) and epoch.step[at] < step:
            at += 1
        if at < len(epoch) and epoch.step[at] == step:
            series.epoch[i] = epoch.value[at]
