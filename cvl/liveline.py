"""A line under a job's output on a terminal, drawn while the job is quiet and gone before it goes on."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

_QUIET_S = 1.0
_SAVE, _RESTORE, _ERASE = "\x1b7", "\x1b8", "\x1b[2K"
_ROOM_BELOW = "\x1bD\x1b[A"  # down and up: scrolls where the cursor is in the last row, and keeps its column


class LiveLine:
    """The job's bytes pass through untouched: the cursor is always left where they put it.

    In the row of the cursor where that is empty, else in the row below, so that a progress bar keeps its row.
    """

    def __init__(self, write: Callable[[bytes], None], width: Callable[[], int]) -> None:
        self._write, self._width = write, width
        self._lock = threading.Lock()
        self._line_starts = True  # nothing is in the cursor's row
        self._spoke = -_QUIET_S
        self._drawn = False

    def write(self, chunk: bytes) -> None:
        """What the job wrote; a bar that only redraws its row leaves the line below it alone."""
        with self._lock:
            in_its_row = b"\n" not in chunk and b"\x1b" not in chunk and not self._line_starts
            if not in_its_row:
                self._clear()
                self._spoke = time.monotonic()
            self._write(chunk)
            if chunk:
                self._line_starts = chunk.endswith(b"\n")

    def show(self, text: str) -> None:
        with self._lock:
            if not text or time.monotonic() - self._spoke < _QUIET_S:
                return
            self._clear()
            room = "" if self._line_starts else _ROOM_BELOW
            self._put(room + _SAVE + self._row() + f"\x1b[2m{text[: self._width() - 1]}\x1b[0m" + _RESTORE)
            self._drawn = True

    def clear(self) -> None:
        with self._lock:
            self._clear()

    def _clear(self) -> None:
        if self._drawn:
            self._put(_SAVE + self._row() + _RESTORE)
            self._drawn = False

    def _row(self) -> str:
        return ("\r" if self._line_starts else "\r\x1b[B") + _ERASE

    def _put(self, text: str) -> None:
        self._write(text.encode(errors="replace"))


def columns() -> int:
    """Width of the terminal; 80 where nothing tells."""
    try:
        return os.get_terminal_size().columns or 80
    except OSError:
        return 80
