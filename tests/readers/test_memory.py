"""Five million points of logs that do not rise: hardly more memory than the points need."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from pathlib import Path

import pytest

from cvl.readers.tfrecord import _masked

REPOSITORY = Path(__file__).resolve().parents[2]
READ = """
import resource, sys
from pathlib import Path
from cvl import readers
found = readers.load(sys.argv[1]).read([Path(sys.argv[2])])
print(found.problems, *(f"{name} {len(s)} {s.step[-1]} {s.value[-1]}" for name, s in found.series.items()))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def tensorboard() -> Iterator[bytes]:
    """Fifty times the same steps; a million checksums would take longer than all the rest."""
    part = b"".join(map(frame, range(100_000)))
    return repeat(part, 50)


def cvl_jsonl() -> Iterator[bytes]:
    """A run of three million steps, resumed half a million earlier."""
    return map(row, chain(range(3_000_000), range(2_500_000, 4_500_000)))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("log", "steps"), [(tensorboard, 100_000), (cvl_jsonl, 4_500_000)])
def test_five_million_points(tmp_path: Path, log: Callable[[], Iterator[bytes]], steps: int) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        file.writelines(log())
    command = [sys.executable, "-c", READ, log.__name__, path]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    path.unlink()
    assert done.returncode == 0, done.stderr
    said, peak = done.stdout.splitlines()
    assert said == f"() m {steps} {steps - 1} 0.25"
    points = 5_000_000 * (24 + 8 + 8) >> 20  # step, epoch and value; the order; the column that is put into it
    assert int(peak) < points * 1.125 + 50  # arrays grow by an eighth; the interpreter and what is in work


def frame(step: int) -> bytes:
    data = b"\x09" + bytes(8) + b"\x10" + varint(step) + b"\x2a\x0a\x0a\x08\x0a\x01m\x15" + struct.pack("<f", 0.25)
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)


def varint(number: int) -> bytes:
    return bytes((number & 127 | 128,)) + varint(number >> 7) if number > 127 else bytes((number,))


def row(step: int) -> bytes:
    return b'{"step": %d, "m": 0.25}\n' % step
