"""What trainers print: lines with a counter (epoch, step, iteration, `20/100`), and `name: value` or `name=value`.

- Names are in lower case, with `_` for blanks: `Train Loss` is train_loss. After the name of a part (`Test:`, `val
  loss`) what follows on the line is of that part; held-out parts count no steps, their values stand where training is.
- Of `loss: 0.5 (0.7)`, as torchvision prints it, the value is 0.5, its recent median; 0.7 is the mean of all so far.
- `91.2%` is 91.2; what has another unit (`0.3s`, `12/50`, `0:01:02`) is no value.
- A step counted anew in each epoch goes on where the epoch before it ended; without any steps the epoch is the step.
- A carriage return ends a line, so a progress bar writes many; of equal steps the last one counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

from cvl.readers.base import Clock, Collector, Reading
from cvl.readers.console_line import Line, parse
from cvl.readers.resumes import follow

NAME = "console"
_FILES = ("*.log", "log.txt", "stdout*.txt")
_HEAD, _LONGEST = 1000, 8192  # lines, characters


def find(folder: Path) -> list[Path]:
    """The newest that has two lines with values among its first ones."""
    paths = {path for pattern in _FILES for path in folder.glob(pattern) if path.is_file()}
    newest = sorted(paths, key=lambda path: (path.stat().st_mtime, path.name), reverse=True)
    return [path for path in newest if len(list(islice(_placed(path, Collector(), _HEAD), 2))) == 2][:1]


def read(paths: list[Path]) -> Reading:
    return follow(partial(_take, paths))


def _take(paths: list[Path], collector: Collector) -> None:
    for path in paths:
        for line, step, epoch in _placed(path, collector):
            for name, value in line.values:
                collector.add(path, name, (step, math.nan if epoch is None else epoch, value))


def _placed(path: Path, collector: Collector, most: int | None = None) -> Iterator[tuple[Line, int, int | None]]:
    """Lines with values, their step and epoch; before the first counter there is no step."""
    clock, epoch = Clock(), None
    for line in map(parse, islice(_whole_lines(path, collector), most)):
        epoch = epoch if line.epoch is None else line.epoch
        if not line.values or (line.epoch is None and line.position is None and not line.part):
            continue
        if line.position is not None and not line.held:
            step = clock.tick(epoch or 0, line.position, line.length)
        else:
            step = epoch if clock.step is None else clock.step
        if step is not None:
            yield line, step, epoch


def _whole_lines(path: Path, collector: Collector) -> Iterator[str]:
    begins = True
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            for number, text in enumerate(iter(lambda: file.readline(_LONGEST), ""), 1):
                ends = text.endswith("\n")
                if begins and ends:
                    yield text
                elif begins:
                    long = len(text) == _LONGEST
                    collector.skip(path, number, "a line too long to be read" if long else "torn line at the end")
                begins = ends
    except OSError as error:
        collector.skip(path, 0, f"cannot be read: {error.strerror}")
