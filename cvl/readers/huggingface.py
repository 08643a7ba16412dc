"""trainer_state.json of the Hugging Face Trainer: one list of training, evaluation and closing records."""

from __future__ import annotations

import json
import math
import re
from functools import partial
from pathlib import Path

from cvl.readers.base import Collector, Reading, real, whole
from cvl.readers.objects import Row, elements
from cvl.readers.texts import head

NAME = "huggingface"
_FILE = "trainer_state.json"
_STEP = re.compile(r'^ *"global_step": (\d{1,18}),')
_HISTORY = r'"log_history":\s*\['
_HEAD = ("step", "epoch")


def find(folder: Path) -> list[Path]:
    """The state with the most steps; it holds those before it. At the root there is one only after `save_state()`.

    One written later with fewer steps and another history comes last: training went back to an earlier checkpoint, and
    those before it are of the stretch that was given up.
    """
    places = [folder / _FILE, *folder.glob(f"checkpoint-*/{_FILE}")]
    found = {path: step for path in places if (step := _global_step(path)) is not None}
    chosen: list[Path] = []
    for path in sorted(found, key=lambda path: (found[path], path.parent == folder), reverse=True):
        if not chosen or (_written(path) > _written(chosen[-1]) and not _continues(chosen[-1], path)):
            chosen.append(path)
    return chosen


def read(paths: list[Path]) -> Reading:
    """The last one counts."""
    collector = Collector()
    for path in paths[:-1]:
        collector.skip(path, 0, f"left out: {paths[-1].parent.name} was written later, after a resume from before it")
    for path in paths[-1:]:
        elements(path, _HISTORY, partial(_add, collector, path), collector)
    return collector.reading()


def _written(path: Path) -> float:
    return path.stat().st_mtime


def _continues(path: Path, earlier: Path) -> bool:
    """Whether the history in `path` begins with that in `earlier`."""
    mine, theirs = _history(path), _history(earlier)
    return mine[: len(theirs)] == theirs


def _history(path: Path) -> list[str]:
    rows: list[str] = []
    elements(path, _HISTORY, lambda _, row: rows.append(json.dumps(row)), Collector())
    return rows


def _global_step(path: Path) -> int | None:
    return next((int(found[1]) for line in head(path) if (found := _STEP.match(line))), None)


def _add(collector: Collector, path: Path, _: int, row: Row) -> None:
    step, epoch = whole(row.get("step")), real(row.get("epoch"))
    if step is None:
        collector.skip(path, 0, "a record without a whole number `step`")
        return
    for name, raw in row.items():
        found = real(raw)
        if found is not None and name not in _HEAD:
            collector.add(path, name, (step, math.nan if epoch is None else epoch, found))
        elif found is None:
            collector.skip(path, 0, f"{name} is not a number")
