"""scalars.json of MMEngine, in a new folder for each start of a run, and *.log.json of MMDetection 2.

A validation row says which epoch ended. It is put on the last iteration logged in that epoch (what follows the last
full logging interval is not in the log); where training counts iterations alone, its step is one already. A name that
training rows have too gets `val/` before it. MMDetection 2 counts iterations anew in each epoch: an epoch starts at the
last one logged before it. −1 is an AP or AR without ground truth, and left out. Where training goes back, by a resume,
what was logged from there on is void.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

from cvl.readers.base import Clock, Collector, Reading, json_object, real, whole
from cvl.readers.texts import lines

NAME = "mmengine"
_NEW, _OLD = ("vis_data/scalars.json", "[0-9]*/vis_data/scalars.json"), "*.log.json"
_HEAD = 65536
_NO_METRIC = re.compile(r"step|iter|epoch|mode|.*_copypaste")
_OF_COCO = re.compile(r"(^|[/_])m?A[PR]([sml@_\d]|$)")
Row = dict[str, object]
Place = tuple[int, float]  # step, epoch


def find(folder: Path) -> list[Path]:
    """Every start of the run, by its name, which is the time; the newer format where both are there."""
    new = [path for pattern in _NEW for path in folder.glob(pattern)]
    return sorted(filter(_known, new)) or sorted(filter(_known, folder.glob(_OLD)))


def _known(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            row = json_object(file.readline(_HEAD).decode("utf-8-sig", "replace"))
    except OSError:
        return False
    return row is not None and not row.keys().isdisjoint(("step", "mode", "env_info"))


def read(paths: list[Path]) -> Reading:
    collector, clock, trained = Collector(), Clock(), set[str]()
    for path, number, text, complete in lines(paths, collector):
        row = json_object(text)
        if row is None:
            collector.skip(path, number, "not a JSON object" if complete else "torn line at the end")
        elif "env_info" not in row:
            if row.get("mode", "train" if "iter" in row else "val") == "train":
                place = _trained(row, clock, collector)
                trained |= row.keys()
            else:
                place = _validated(row, clock)
                row = {f"val/{name}" if name in trained else name: raw for name, raw in _metrics(row)}
            if place is None:
                collector.skip(path, number, "no whole number `step`, nor `epoch` and `iter`")
            else:
                _add(collector, path, number, row, place)
    return collector.reading()


def _trained(row: Row, clock: Clock, collector: Collector) -> Place | None:
    step, epoch, position = whole(row.get("step")), real(row.get("epoch")), whole(row.get("iter"))
    if step is not None:
        clock.step, clock.epoch = step, math.nan if epoch is None else epoch
    elif epoch is not None and position is not None:
        step = clock.tick(epoch, position)
    if step is None:
        return None
    collector.at(step)
    return step, clock.epoch


def _validated(row: Row, clock: Clock) -> Place | None:
    ended = whole(row.get("epoch", row.get("step")))
    if ended is None:
        return None
    if clock.step is not None and ("mode" in row or ended == clock.epoch):
        return clock.step, float(ended)
    return ended, float(ended) if "epoch" in row else math.nan


def _metrics(row: Row) -> Iterator[tuple[str, object]]:
    return ((name, raw) for name, raw in row.items() if not _NO_METRIC.fullmatch(name))


def _add(collector: Collector, path: Path, number: int, row: Row, place: Place) -> None:
    for name, raw in _metrics(row):
        value = real(raw)
        if value is None:
            collector.skip(path, number, f"{name} is not a number")
        elif value != -1 or not _OF_COCO.search(name):
            collector.add(path, name, (*place, value))
