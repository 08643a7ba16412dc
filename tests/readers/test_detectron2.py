"""metrics.json of Detectron2: what real logs do not show."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from cvl.readers import detectron2
from cvl.readers.base import Reading

POINTS = 5_000_000
MEMORY = """
import resource, sys
from pathlib import Path
from cvl.readers import detectron2
found = detectron2.read([Path(sys.argv[1])])
print(sum(map(len, found.series.values())), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def read(folder: Path, content: str | bytes) -> Reading:
    path = folder / "metrics.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return detectron2.read([path])


def points(reading: Reading, name: str) -> list[tuple[int, str]]:
    one = reading.series[name]
    assert all(map(math.isnan, one.epoch))
    return list(zip(one.step, map(str, one.value), strict=True))


def row(iteration: int, **values: float) -> str:
    return json.dumps({"iteration": iteration, **values}) + "\n"


def test_evaluation_that_is_written_late_is_no_resume(tmp_path: Path) -> None:
    log = row(19, total_loss=3) + row(9, ap=1) + row(39, total_loss=2, ap=2) + row(29, ap=math.nan) + row(49, ap=4)
    found = read(tmp_path, log)
    assert points(found, "total_loss") == [(19, "3.0"), (39, "2.0")]
    assert points(found, "ap") == [(9, "1.0"), (29, "nan"), (39, "2.0"), (49, "4.0")]


def test_what_a_resume_leaves_behind_is_void(tmp_path: Path) -> None:
    log = row(19, total_loss=3) + row(39, total_loss=2) + row(59, total_loss=1) + row(60, ap=9) + row(25, ap=5)
    found = read(tmp_path, log + row(39, total_loss=8))
    assert points(found, "total_loss") == [(19, "3.0"), (39, "8.0")]
    assert points(found, "ap") == [(25, "5.0")]


def test_another_run_in_the_same_folder_replaces_the_first(tmp_path: Path) -> None:
    log = "".join(row(20 * i + 19, total_loss=i, ap=i) for i in range(50))
    found = read(tmp_path, log + row(19, total_loss=7))
    assert points(found, "total_loss") == [(19, "7.0")]
    assert set(found.series) == {"total_loss"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"[1, 2]", "not a JSON object"),
        (b"[" * 100_000, "not a JSON object"),
        (b"\x00\x00", "not a JSON object"),
        (b'{"iteration": ' + b"9" * 5000 + b"}", "not a JSON object"),
        (b'{"loss": 2, "m\xff": 1}', "not UTF-8 text"),
        (b'{"loss": 2}', "no whole number `iteration`"),
        (b'{"loss": 2, "iteration": 1.5}', "no whole number `iteration`"),
        (b'{"loss": 2, "iteration": NaN}', "no whole number `iteration`"),
        (b'{"loss": "2", "iteration": 3}', "loss is not a number"),
        (b'{"loss": 1' + b"0" * 400 + b', "iteration": 3}', "loss is not a number"),
    ],
)
def test_what_cannot_be_read_is_left_out_and_said(tmp_path: Path, line: bytes, message: str) -> None:
    found = read(tmp_path, row(1, loss=5).encode() + line + b"\n" + row(5, loss=-math.inf).encode())
    assert points(found, "loss") == [(1, "5.0"), (5, "-inf")]
    assert [p.message for p in found.problems] == [f"line 2: {message}"]


def test_a_torn_tail(tmp_path: Path) -> None:
    found = read(tmp_path, row(1, loss=5) + '{"iteration": 2, "loss": 0.1')
    assert points(found, "loss") == [(1, "5.0")]
    assert [p.message for p in found.problems] == ["line 2: torn line at the end"]


@pytest.mark.parametrize(
    "content", ["", "{}", '{"map50": 0.5}\n', '{\n  "iteration": 3\n}\n', "[1]", '{"iteration": 1.5}']
)
def test_another_metrics_json_is_not_ours(tmp_path: Path, content: str) -> None:
    assert detectron2.find(tmp_path) == []
    (tmp_path / "metrics.json").write_text(content, encoding="utf-8")
    assert detectron2.find(tmp_path) == []


@pytest.mark.slow
def test_five_million_points_in_bounded_memory(tmp_path: Path) -> None:
    """24 bytes a point, what growing columns reserve, and the interpreter."""
    path = tmp_path / "metrics.json"
    names = [f"loss_{i}" for i in range(9)]
    with path.open("w", encoding="utf-8") as file:
        for i in range(POINTS // 10):
            file.write(json.dumps({"iteration": i, "total_loss": i / 3, **dict.fromkeys(names, i / 7)}) + "\n")
    done = subprocess.run([sys.executable, "-c", MEMORY, str(path)], capture_output=True, text=True, check=True)
    count, peak = map(int, done.stdout.split())
    assert count == POINTS
    assert peak * 1024 < 1.25 * 24 * POINTS + (48 << 20)
