"""The line under a job's output, on a terminal made up of rows."""

from __future__ import annotations

import re
import time

import pytest

from cvl.liveline import LiveLine


class Screen:
    """As much of a terminal as the line and its job use."""

    def __init__(self, height: int = 5) -> None:
        self.rows = [""]
        self.height = height
        self.row = self.column = 0
        self.saved = (0, 0)
        self.raw = b""

    def write(self, chunk: bytes) -> None:
        self.raw += chunk
        for token in re.findall(r"\x1b\[[0-9]*[A-Za-z]|\x1b.|.|\r|\n", chunk.decode(), re.DOTALL):
            self._do(token)

    def _do(self, token: str) -> None:
        if token in ("\n", "\x1bD"):
            self._down()
            self.column = 0 if token == "\n" else self.column
        elif token == "\r":
            self.column = 0
        elif token == "\x1b7":
            self.saved = self.row, self.column
        elif token == "\x1b8":
            self.row, self.column = self.saved
        elif token == "\x1b[A":
            self.row -= 1
        elif token == "\x1b[B":
            self.row = min(self.row + 1, len(self.rows) - 1)
        elif token == "\x1b[2K":
            self.rows[self.row] = ""
        elif len(token) == 1:
            line = self.rows[self.row].ljust(self.column)
            self.rows[self.row] = line[: self.column] + token + line[self.column + 1 :]
            self.column += 1

    def _down(self) -> None:
        self.row += 1
        if self.row == len(self.rows):
            self.rows.append("")
        if len(self.rows) > self.height:
            self.rows.pop(0)
            self.row -= 1
            self.saved = (self.saved[0] - 1, self.saved[1])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_it_stands_in_an_empty_row_while_the_job_is_quiet(clock: list[float]) -> None:
    screen = Screen()
    line = LiveLine(screen.write, lambda: 30)
    line.write(b"epoch 1\n")
    line.show("loss 1")
    assert screen.rows == ["epoch 1", ""]
    clock[0] += 2
    line.show("loss 1")
    assert screen.rows == ["epoch 1", "loss 1"]
    line.show("loss 0.5 and so on and so on, wider than the terminal")
    assert screen.rows == ["epoch 1", "loss 0.5 and so on and so on,"]
    line.write(b"epoch 2\n")
    assert screen.rows == ["epoch 1", "epoch 2", ""]


def test_a_progress_bar_keeps_its_row_and_the_line_stays_below(clock: list[float]) -> None:
    screen = Screen(height=2)
    line = LiveLine(screen.write, lambda: 30)
    line.write(b"start\n\r 10%|#")
    clock[0] += 2
    line.show("loss 1")
    assert screen.rows == [" 10%|#", "loss 1"]  # scrolled by a row
    before = screen.raw
    line.write(b"\r 20%|##")
    assert screen.raw == before + b"\r 20%|##"
    assert screen.rows == [" 20%|##", "loss 1"]
    line.show("loss 0.5")
    assert screen.rows == [" 20%|##", "loss 0.5"]
    line.write(b"\r100%\n")
    assert screen.rows == ["100%|##", ""]
    line.write(b"end\n")
    line.clear()
    assert screen.rows == ["end", ""]


def test_the_bytes_of_the_job_are_untouched_and_in_order(clock: list[float]) -> None:
    chunks = [b"caf\xe9\n", b"\x1b[31mred", b"\r50%", b"", b"\xff\r\n", b"end"]
    written: list[bytes] = []
    line = LiveLine(written.append, lambda: 20)
    for chunk in chunks:
        line.write(chunk)
        clock[0] += 2
        line.show("loss 1")
    line.clear()
    assert [chunk for chunk in written if chunk in chunks] == chunks
    assert all(chunk.startswith(b"\x1b") for chunk in written if chunk not in chunks)


def test_nothing_is_drawn_of_nothing(clock: list[float]) -> None:
    written: list[bytes] = []
    line = LiveLine(written.append, lambda: 20)
    line.show("")
    line.clear()
    assert written == []
