"""MLflow's stores made by hand."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cvl import readers
from cvl.readers import mlflow
from cvl.readers.base import Reading

TABLES = """
    CREATE TABLE runs (run_uuid, lifecycle_stage, start_time);
    CREATE TABLE metrics (key, value, timestamp, run_uuid, step, is_nan);
"""


def store(folder: Path, runs: list[tuple[str, str, int]], metrics: list[tuple[object, ...]]) -> Reading:
    """`metrics`: run, key, step, value, whether it is NaN."""
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        database.executescript(TABLES)
        database.executemany("INSERT INTO runs VALUES (?, ?, ?)", runs)
        database.executemany("INSERT INTO metrics (run_uuid, key, step, value, is_nan) VALUES (?, ?, ?, ?, ?)", metrics)
        database.commit()
    return readers.read(folder)["mlflow"]


def files(folder: Path, name: str, lines: str, meta: str = "start_time: 5\nlifecycle_stage: active\n") -> Reading:
    """A run called `name` with one metric, `loss`."""
    run = folder / "mlruns" / "0" / name
    (run / "metrics").mkdir(parents=True)
    (run / "meta.yaml").write_text(meta, encoding="utf-8")
    (run / "metrics" / "loss").write_text(lines, encoding="utf-8")
    return readers.read(folder)["mlflow"]


def points(reading: Reading) -> dict[str, list[tuple[int, str]]]:
    return {name: list(zip(s.step, map(str, s.value), strict=True)) for name, s in reading.series.items()}


def messages(reading: Reading) -> list[str]:
    return [problem.message for problem in reading.problems]


def test_the_newest_active_run_that_logged(tmp_path: Path) -> None:
    runs = [("a", "active", 5), ("b", "active", 6), ("c", "deleted", 7), ("d", "active", 8)]
    found = store(tmp_path, runs, [(run, run, 0, 1.0, 0) for run in "abc"])
    assert points(found) == {"b": [(0, "1.0")]}


def test_the_later_row_of_a_step_counts(tmp_path: Path) -> None:
    found = store(tmp_path, [("a", "active", 5)], [("a", "m", 1, 9.0, 0), ("a", "m", 0, 5.0, 0), ("a", "m", 1, 2.0, 0)])
    assert points(found) == {"m": [(0, "5.0"), (1, "2.0")]}


def test_rows_that_are_no_metrics(tmp_path: Path) -> None:
    odd = [(b"m", 0, 1.0, 0), ("m", "x", 1.0, 0), ("m", 1.5, 1.0, 0), ("m", 0, "text", 0), ("m", 0, None, 0)]
    found = store(tmp_path, [("a", "active", 5)], [*(("a", *row) for row in odd), ("a", "m", 3, 1, 0)])
    assert points(found) == {"m": [(3, "1.0")]}
    assert messages(found) == ["rows that are no metrics, left out"]


def test_a_name_that_is_not_utf8_is_read_as_well_as_can_be(tmp_path: Path) -> None:
    store(tmp_path, [("a", "active", 5)], [])
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        database.execute("INSERT INTO metrics VALUES (CAST(x'6dff' AS TEXT), 1.0, 0, 'a', 0, 0)")
        database.commit()
    assert points(readers.read(tmp_path)["mlflow"]) == {"m\ufffd": [(0, "1.0")]}


def test_a_database_of_somebody_else(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        database.execute("CREATE TABLE runs (x)")
        database.execute(
            "CREATE VIEW metrics AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT i FROM n"
        )
    assert messages(readers.read(tmp_path)["mlflow"]) == ["a database without the tables of MLflow"]


def test_an_odd_path_and_a_database_that_nobody_may_write(tmp_path: Path) -> None:
    folder = tmp_path / "50% & #1?"
    folder.mkdir()
    store(folder, [("a", "active", 5)], [("a", "m", 0, 1.0, 0)])
    before = sorted(path.name for path in folder.iterdir()), (folder / "mlflow.db").read_bytes()
    (folder / "mlflow.db").chmod(0o444)
    assert points(readers.read(folder)["mlflow"]) == {"m": [(0, "1.0")]}
    assert (sorted(path.name for path in folder.iterdir()), (folder / "mlflow.db").read_bytes()) == before


def test_a_database_that_is_spoilt_or_gone(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 500)
    assert messages(readers.read(tmp_path)["mlflow"]) == ["cannot be read as a database: file is not a database"]
    (tmp_path / "mlflow.db").write_bytes(b"not SQLite, but long enough to be")
    assert mlflow.find(tmp_path) == []
    assert messages(mlflow.read([tmp_path / "gone"])) == ["cannot be read: No such file or directory"]


def test_lines_of_two_three_and_five_fields(tmp_path: Path) -> None:
    found = files(tmp_path, "a", "1 0.5\n2 nan 1\n3 -inf 2 data 0a1b\n4 1e-3 3\n")
    assert points(found) == {"loss": [(0, "0.5"), (1, "nan"), (2, "-inf"), (3, "0.001")]}
    assert messages(found) == []


@pytest.mark.parametrize("line", ["1", "1 x 2", "1 2 x", "1 2 1.5", "1 2 3 4", "1 2 3 4 5 6", "1  2", "1 1_0 2"])
def test_lines_that_are_no_points(tmp_path: Path, line: str) -> None:
    found = files(tmp_path, "a", f"1 0.5 0\n{line}\n1 0.25 1\n")
    assert points(found) == {"loss": [(0, "0.5"), (1, "0.25")]}
    assert messages(found) == ["line 2: not a time, a value and a step"]


def test_a_line_that_still_grows(tmp_path: Path) -> None:
    found = files(tmp_path, "a", "1 0.5 0\n2 0.25 1")  # the step may become 10
    assert points(found) == {"loss": [(0, "0.5")]}
    assert messages(found) == ["line 2: torn line at the end"]


def test_the_newest_run_of_a_file_store_from_each_of_its_folders(tmp_path: Path) -> None:
    files(tmp_path, "a", "1 1 0\n", "start_time: 30\nlifecycle_stage: active\n")
    files(tmp_path, "b", "1 2 0\n", "start_time: 200\nlifecycle_stage: active\n")
    files(tmp_path, "c", "1 3 0\n", "start_time: 300\nlifecycle_stage: deleted\n")
    files(tmp_path, "d", "1 4 0\n", "no run at all\n")
    (tmp_path / "mlruns/0/meta.yaml").write_text("experiment_id: 0\n", encoding="utf-8")
    for folder in (tmp_path, tmp_path / "mlruns", tmp_path / "mlruns/0", tmp_path / "mlruns/0/b"):
        assert points(readers.read(folder)["mlflow"]) == {"loss": [(0, "2.0")]}, folder
    assert points(readers.read(tmp_path / "mlruns/0/a")["mlflow"]) == {"loss": [(0, "1.0")]}
