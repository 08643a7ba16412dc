"""Progress with time left: a line that is redrawn on a terminal, now and then a new one elsewhere."""

from __future__ import annotations

import sys
import time

from cvl.kit.run import say

_TERMINAL_SECONDS = 0.2
_LOG_SECONDS = 20.0


class Progress:
    """Counts the batches of a run; `done` of `total` are behind us when it starts."""

    def __init__(self, total: int, done: int = 0) -> None:
        self.total = total
        self.done = done
        self._first = done
        self._start = self._shown = time.monotonic()

    def step(self, text: str) -> None:
        """One batch more; shows `text` and the time left when it is time to."""
        self.done += 1
        terminal = sys.stderr.isatty()
        if time.monotonic() - self._shown < (_TERMINAL_SECONDS if terminal else _LOG_SECONDS):
            return
        line = f"  {text}, {self.left()} left"
        if terminal:
            print(f"\r{line:<100}", end="\r", file=sys.stderr, flush=True)
        else:
            say(line)
        self._shown = time.monotonic()

    def line(self, text: str) -> None:
        """A line that stays, such as that of an epoch."""
        say(f"{text}, {self.left()} left" if self.done < self.total else text)
        self._shown = time.monotonic()

    def left(self) -> str:
        """m:ss, from the pace so far."""
        pace = (time.monotonic() - self._start) / max(1, self.done - self._first)
        seconds = round(pace * max(0, self.total - self.done))
        return f"{seconds // 60}:{seconds % 60:02d}"
