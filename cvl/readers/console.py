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
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from cvl.readers import growing
from cvl.readers.base import START, Clock, Collector, Place, Reading
from cvl.readers.console_line import Line, parse
from cvl.readers.growing import Scan
from cvl.readers.resumes import Following

NAME = "console"
_FILES = ("*.log", "log.txt", "stdout*.txt")
_HEAD, _LONGEST = 1000, 8192  # lines, characters
_STOP = 500  # lines
Placed = tuple[Line, int, int | None]  # with its step and epoch


def find(folder: Path) -> list[Path]:
    """The newest that has two lines with values among its first ones."""
    paths = {path for pattern in _FILES for path in folder.glob(pattern) if path.is_file()}
    newest = sorted(paths, key=lambda path: (path.stat().st_mtime, path.name), reverse=True)
    return [path for path in newest if len(list(islice(_first(path), 2))) == 2][:1]


def _first(path: Path) -> Iterator[Placed]:
    where, printed = Where(), islice(_whole_lines(path, Collector(), START), _HEAD)
    return (placed for _, text in printed if (placed := where.of(parse(text))))


def read(paths: list[Path]) -> Reading:
    return growing.read(scan, paths)


def scan(_: list[Path]) -> Scan:
    return _Printed(Following())


@dataclass
class Where:
    """Step and epoch of lines with values; before the first counter there is no step."""

    clock: Clock = field(default_factory=Clock)
    epoch: int | None = None

    def of(self, line: Line) -> Placed | None:
        self.epoch = self.epoch if line.epoch is None else line.epoch
        if not line.values or (line.epoch is None and line.position is None and not line.part):
            return None
        if line.position is not None and not line.held:
            step = self.clock.tick(self.epoch or 0, line.position, line.length)
        else:
            step = self.epoch if self.clock.step is None else self.clock.step
        return None if step is None else (line, step, self.epoch)


class _Printed(Scan):
    def take(self, path: Path, start: Place) -> Iterator[Place]:
        if start == START:
            self.collector.begin()
            self._where = Where()
        for after, text in _whole_lines(path, self.collector, start):
            if placed := self._where.of(parse(text)):
                line, step, epoch = placed
                for name, value in line.values:
                    self.collector.add(path, name, (step, math.nan if epoch is None else epoch, value))
            if after:
                yield after


def _whole_lines(path: Path, collector: Collector, start: Place) -> Iterator[tuple[Place | None, str]]:
    """(where the next one begins, of some of them that are followed by more; text) of every line."""
    begins = True
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            size = path.stat().st_size
            file.seek(start.offset)
            if start == START and file.read(1) != "\ufeff":
                file.seek(0)
            for number, text in enumerate(iter(lambda: file.readline(_LONGEST), ""), start.line):
                ends = text.endswith("\n")
                if begins and ends:
                    stop = file.tell() if not number % _STOP else size
                    yield Place(stop, number + 1) if stop < size else None, text
                elif begins:
                    long = len(text) == _LONGEST
                    collector.skip(path, number, "a line too long to be read" if long else "torn line at the end")
                begins = ends
    except OSError as error:
        collector.skip(path, 0, f"cannot be read: {error.strerror}")
