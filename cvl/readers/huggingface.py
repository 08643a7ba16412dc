"""trainer_state.json of the Hugging Face Trainer: one list of training, evaluation and closing records."""

from __future__ import annotations

import math
import re
from functools import partial
from pathlib import Path

from cvl.readers.base import Collector, Reading, head, real, whole
from cvl.readers.objects import Row, elements

NAME = "huggingface"
_FILE = "trainer_state.json"
_STEP = re.compile(r'^ *"global_step": (\d{1,18}),')
_HISTORY = r'"log_history":\s*\['
_HEAD = ("step", "epoch")


def find(folder: Path) -> list[Path]:
    """The state with the most steps; it holds those before it. At the root there is one only after `save_state()`."""
    places = [folder / _FILE, *folder.glob(f"checkpoint-*/{_FILE}")]
    found = {path: step for path in places if (step := _global_step(path)) is not None}
    return [max(found, key=lambda path: (found[path], path.parent == folder))] if found else []


def read(paths: list[Path]) -> Reading:
    collector = Collector()
    for path in paths:
        elements(path, _HISTORY, partial(_add, collector, path), collector)
    return collector.reading()


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
