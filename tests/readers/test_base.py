"""Series: sorted, one point a step, the later one."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvl import readers
from cvl.readers import base
from cvl.readers.base import Clock, Collector, Points, number, whole

FILE = Path("log")


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-20, 20), st.floats(allow_nan=False))))
def test_the_later_of_two_points_with_one_step_counts(points: list[tuple[int, float]]) -> None:
    collector = Collector()
    for step, value in points:
        collector.add(FILE, "m", (step, step / 2, value))
    found = collector.reading().series
    wanted = sorted(dict(points).items())
    if not points:
        assert found == {}
    else:
        assert list(zip(found["m"].step, found["m"].value, strict=True)) == wanted
        assert list(found["m"].epoch) == [step / 2 for step, _ in wanted]


@settings(deadline=None)
@given(st.lists(st.integers(-30, 30)), st.integers(1, 9))
def test_a_log_that_does_not_rise_is_put_in_order_part_by_part(steps: list[int], part: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "_PART", part)
        collector = Collector()
        collector.extend(FILE, "m", steps, [float(step) for step in steps], [float(i) for i in range(len(steps))])
        found = list(collector.reading().series.values())
    wanted = sorted((step, float(i)) for step, i in {step: i for i, step in enumerate(steps)}.items())
    assert [list(zip(series.step, series.value, strict=True)) for series in found] == ([wanted] if steps else [])
    assert [list(series.epoch) for series in found] == ([[float(step) for step, _ in wanted]] if steps else [])


@given(st.lists(st.integers(-9, 9)), st.integers(-10, 10))
def test_what_was_taken_back_is_gone(steps: list[int], first: int) -> None:
    collector = Collector()
    for i, step in enumerate(steps):
        collector.add(FILE, "m", (step, 0.0, float(i)))
    collector.forget(first)
    found = collector.reading().series
    kept = sorted({step: float(i) for i, step in enumerate(steps) if step < first}.items())
    assert {name: list(zip(s.step, s.value, strict=True)) for name, s in found.items()} == ({"m": kept} if kept else {})


def test_equal_problems_become_one() -> None:
    collector = Collector()
    for line in (3, 4, 9):
        collector.skip(FILE, line, "odd")
    collector.skip(FILE, 5, "even")
    assert [p.message for p in collector.reading().problems] == ["line 3: odd (and 2 more lines)", "line 5: even"]


def test_points_stay_small() -> None:
    collector = Collector()
    for step in range(100_000):
        collector.add(FILE, "m", (step, 1.0, 2.0))
    series = collector.reading().series["m"]
    assert sum(len(column) * column.itemsize for column in (series.step, series.epoch, series.value)) == 2_400_000


def test_whole_numbers() -> None:
    good, bad = (1, 5.0, -1, 2**63 - 1), (True, None, "1", 1.5, math.nan, math.inf, 2**63, 10**400)
    assert list(map(whole, good)) == [1, 5, -1, 2**63 - 1]
    assert {whole(raw) for raw in bad} == {None}


def test_numbers() -> None:
    spelled = [number(text) for text in ("1", " 2.5 ", "-1e-3")]
    assert spelled == [1, 2.5, -1e-3]
    assert all(number(text) is None for text in ("1_0", "NA", "", "x"))
    assert all(math.isinf(number(text) or 0) for text in ("inf", "-Infinity", "INF"))
    assert math.isnan(number("NaN") or 0)


def test_every_reader_is_what_its_name_says() -> None:
    names = [readers.load(name).NAME for name in readers.READERS]
    assert names == list(readers.READERS)
    assert set(names) >= {"cvl_jsonl", "ultralytics"}


def test_native_logs_are_read_and_two_runs_never_become_one(tmp_path: Path) -> None:
    for i, folder in enumerate(("native/train", "native/train2")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "results.csv").write_text(f"epoch,x\n1,{i}\n{i + 2},5\n", encoding="utf-8")
    os.utime(tmp_path / "native/train", (1, 1))
    found = readers.read(tmp_path)
    assert list(found) == ["ultralytics"]
    assert list(found["ultralytics"].series["x"].step) == [1, 3]
    (tmp_path / "results.csv").write_text("epoch,x\n1,9\n", encoding="utf-8")
    assert list(readers.read(tmp_path)["ultralytics"].series["x"].value) == [9]


def test_what_lies_beside_our_own_log_is_not_read_again(tmp_path: Path) -> None:
    assert readers.read(tmp_path / "nothing") == {}
    for name in ("results.csv", "native/results.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"epoch,{name}\n1,9\n", encoding="utf-8")
    assert list(readers.read(tmp_path)["ultralytics"].series) == ["results.csv"]
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "x": 2}\n', encoding="utf-8")
    found = readers.read(tmp_path)
    assert list(found) == ["cvl_jsonl", "ultralytics"]
    assert list(found["ultralytics"].series) == ["native/results.csv"]


def test_columns_and_points_are_one_series() -> None:
    collector = Collector()
    collector.extend(FILE, "m", [1, 2], [1.0, 1.0], [5.0, 6.0])
    collector.add(FILE, "m", (3, 2.0, 7.0))
    collector.extend(FILE, "m", [3, 4], [2.0, 2.0], [8.0, 9.0])
    collector.extend(FILE, "m", [], [], [])
    series = collector.reading().series["m"]
    assert list(series.step) == [1, 2, 3, 4] and list(series.value) == [5, 6, 8, 9]


@given(st.lists(st.integers(0, 20)), st.integers(-1, 21))
def test_points_from_a_step_on_are_taken_back(steps: list[int], first: int) -> None:
    points = Points("log")
    for i, step in enumerate(steps):
        points.add(step, float(i), float(-i))
    points.forget(first)
    kept = [(step, i, -i) for i, step in enumerate(steps) if step < first]
    assert list(zip(points.step, points.epoch, points.value, strict=True)) == kept


def test_a_clock_adds_up_epochs() -> None:
    clock = Clock()
    anew = [clock.tick(*at) for at in ((1, 50), (1, 100), (2, 50), (2, 100), (4, 50), (2, 50), (3, 1))]
    assert anew == [50, 100, 150, 200, 250, 150, 151]
    clock = Clock()
    assert [clock.tick(*at) for at in ((0, 0, 40), (0, 20, 40), (1, 0, 40), (1, 39, 40), (2, 0, 40))] == [
        0,
        20,
        40,
        79,
        80,
    ]
    clock = Clock()
    assert [clock.tick(*at) for at in ((1, 50), (2, 100), (2, 150), (3, 2**63))] == [50, 100, 150, None]
