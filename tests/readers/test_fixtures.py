"""Real logs under data/<reader>/<case>/, each beside what its maker knows of it: expected.json.

expected.json: {"series": {name: [[step, epoch or null, value as text], ...]}, "problems": how many}. The makers take it
from what they passed to the tool, or from the tool's own way of reading its log; never from our readers.
"""

from __future__ import annotations

import json
import math
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from cvl import readers
from cvl.readers.base import Reading

DATA = Path(__file__).parent / "data"
CASES = sorted(path.parent for path in DATA.glob("*/*/expected.json"))
IDS = [path.relative_to(DATA).as_posix() for path in CASES]
CUTS = [64, pytest.param(4096, marks=pytest.mark.slow)]  # how often a file is cut, at every byte where it is small
Point = tuple[int, str]


def points(reading: Reading) -> dict[str, list[Point]]:
    return {name: list(zip(s.step, map(str, s.value), strict=True)) for name, s in reading.series.items()}


def test_there_are_cases() -> None:
    assert CASES


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_a_real_log_is_read_as_its_maker_knows_it(case: Path) -> None:
    expected: dict[str, Any] = json.loads((case / "expected.json").read_text())
    found = readers.read(case)
    assert list(found) == [case.parent.name]
    reading = found[case.parent.name]
    wanted = {name: [(step, str(float(value))) for step, _, value in rows] for name, rows in expected["series"].items()}
    assert points(reading) == wanted
    for name, rows in expected["series"].items():
        epochs = [None if math.isnan(epoch) else epoch for epoch in reading.series[name].epoch]
        assert epochs == [epoch for _, epoch, _ in rows], name
    assert len(reading.problems) == expected["problems"], reading.problems


@pytest.mark.parametrize("most", CUTS)
@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_cut_anywhere_there_is_no_wrong_value(tmp_path: Path, case: Path, most: int) -> None:
    """Whatever is read of a log that was cut was in the whole log too, perhaps before a resume overwrote it."""
    reader = readers.load(case.parent.name)
    copy = tmp_path / "case"
    shutil.copytree(case, copy)
    for path in reader.find(copy):
        whole = path.read_bytes()
        known = everything_logged(reader, path, whole)
        for length in cuts(whole, most):
            path.write_bytes(whole[:length])
            for name, row in points(reader.read([path])).items():
                assert set(row) <= known.get(name, set()), (path.name, length, name)
        path.write_bytes(whole)


def everything_logged(reader: readers.Reader, path: Path, whole: bytes) -> dict[str, set[Point]]:
    """All points of the log, those that later ones replaced included: of each part that ends with a line, or whole."""
    known: dict[str, set[Point]] = {}
    ends = [i + 1 for i, byte in enumerate(whole) if byte in b"\r\n"] if len(whole) < 1 << 20 else []
    for length in [*ends, len(whole)]:
        path.write_bytes(whole[:length])
        for name, row in points(reader.read([path])).items():
            known.setdefault(name, set()).update(row)
    return known


def cuts(whole: bytes, most: int) -> list[int]:
    if len(whole) <= most:
        return list(range(len(whole)))
    return sorted(random.Random(0).sample(range(len(whole)), most))
