"""Five million points, most of them logged again and again: no more memory than the points need."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import pytest

from cvl.readers.tfrecord import _masked

REPOSITORY = Path(__file__).resolve().parents[2]
RUNS, STEPS = 50, 100_000
READ = """
import resource, sys
from pathlib import Path
from cvl import readers
found = readers.load(sys.argv[1]).read([Path(sys.argv[2])])
print(found.problems, *(f"{name} {len(s)} {s.step[-1]} {s.value[-1]}" for name, s in found.series.items()))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tensorboard", "cvl_jsonl"])
def test_five_million_points(tmp_path: Path, name: str) -> None:
    path = tmp_path / "log"
    part = b"".join(map({"tensorboard": frame, "cvl_jsonl": row}[name], range(STEPS)))
    with path.open("wb") as file:
        for _ in range(RUNS):
            file.write(part)
    done = subprocess.run([sys.executable, "-c", READ, name, path], cwd=REPOSITORY, capture_output=True, text=True)
    path.unlink()
    assert done.returncode == 0, done.stderr
    said, peak = done.stdout.splitlines()
    assert said == f"() m {STEPS} {STEPS - 1} 0.25"
    points = 5_000_000 * (24 + 8) >> 20  # step, epoch and value of each, and its place in their order
    assert int(peak) < points * 1.125 + 75  # arrays grow by an eighth; the interpreter and what is in work


def frame(step: int) -> bytes:
    data = b"\x09" + bytes(8) + b"\x10" + varint(step) + b"\x2a\x0a\x0a\x08\x0a\x01m\x15" + struct.pack("<f", 0.25)
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)


def varint(number: int) -> bytes:
    return bytes((number & 127 | 128,)) + varint(number >> 7) if number > 127 else bytes((number,))


def row(step: int) -> bytes:
    return b'{"step": %d, "m": 0.25}\n' % step
