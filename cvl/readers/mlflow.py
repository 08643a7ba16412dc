"""MLflow's stores: `mlflow.db` (SQLite, since version 3) and the older files under `mlruns/`; the newest run counts."""

from __future__ import annotations

import math
import re
import sqlite3
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

from cvl.readers.base import Collector, Reading, number, whole
from cvl.readers.resumes import follow
from cvl.readers.texts import lines

NAME = "mlflow"
_MAGIC = b"SQLite format 3\0"
_TABLES = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('runs', 'metrics')"  # no endless view
_NEWEST = """
    SELECT run_uuid FROM runs WHERE lifecycle_stage = 'active' AND run_uuid IN (SELECT run_uuid FROM metrics)
    ORDER BY start_time DESC, rowid DESC LIMIT 1
"""
_POINTS = "SELECT key, step, value, is_nan FROM metrics WHERE run_uuid = ? ORDER BY rowid"


def find(folder: Path) -> list[Path]:
    database = folder / "mlflow.db"
    if _head(database, len(_MAGIC)) == _MAGIC:
        return [database]
    runs = [run for run in _runs(folder) if _started(run) and any(_metrics(run))]
    return _metrics(max(runs, key=_started)) if runs else []


def read(paths: list[Path]) -> Reading:
    """A file of the older store is one metric, so that nothing says what else was logged when it went back."""
    return follow(partial(_take, paths), across=paths[:1] != [] and paths[0].name == "mlflow.db")


def _take(paths: list[Path], collector: Collector) -> None:
    for path in paths:
        if _head(path, len(_MAGIC)) == _MAGIC:
            _read_database(path, collector)
        else:
            _read_file(path, collector)


def _head(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return b""


def _runs(folder: Path) -> list[Path]:
    """The runs of the file store in `folder`, which may be the store itself, or an experiment or a run of it."""
    if (folder / "meta.yaml").is_file():
        return [folder, *(path.parent for path in folder.glob("*/meta.yaml"))]
    store = folder if folder.name == "mlruns" else folder / "mlruns"
    return sorted(path.parent for path in store.glob("*/*/meta.yaml"))


def _started(run: Path) -> int:
    """When an active run started, in milliseconds; 0 for what is none."""
    meta = _head(run / "meta.yaml", 1 << 16)
    found = re.search(rb"^start_time: (\d{1,18})\s*$", meta, re.MULTILINE)
    return int(found[1]) if found and not re.search(rb"^lifecycle_stage: deleted", meta, re.MULTILINE) else 0


def _metrics(run: Path) -> list[Path]:
    return sorted(path for path in (run / "metrics").rglob("*") if path.is_file())


def _read_database(path: Path, collector: Collector) -> None:
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            database.text_factory = _text
            if database.execute(_TABLES).fetchone() != (2,):
                collector.skip(path, 0, "a database without the tables of MLflow")
                return
            run = database.execute(_NEWEST).fetchone()
            for key, step, value, is_nan in database.execute(_POINTS, run) if run else ():
                _add(collector, path, key, step, math.nan if is_nan else value)
    except sqlite3.Error as error:
        collector.skip(path, 0, f"cannot be read as a database: {error}")


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _add(collector: Collector, path: Path, key: object, step: object, value: object) -> None:
    at = whole(step)
    if not isinstance(key, str) or at is None or not isinstance(value, float | int):
        collector.skip(path, 0, "rows that are no metrics, left out")
    elif abs(value) == sys.float_info.max:  # what the store has for infinity
        collector.add(path, key, (at, math.nan, math.copysign(math.inf, value)))
    else:
        collector.add(path, key, (at, math.nan, float(value)))


def _read_file(path: Path, collector: Collector) -> None:
    """A file is a metric; its lines are "time value", "time value step", or that with a data set's name and digest."""
    folder = next((p for p in path.parents if p.name == "metrics" and (p.parent / "meta.yaml").is_file()), path.parent)
    name = path.relative_to(folder).as_posix()
    for _, line, text, complete in lines([path], collector):
        cells = text.split(" ")
        value = number(cells[1]) if len(cells) in (2, 3, 5) else None
        step = whole(number(cells[2])) if len(cells) > 2 else 0
        if not complete:
            collector.skip(path, line, "torn line at the end")
        elif value is None or step is None:
            collector.skip(path, line, "not a time, a value and a step")
        else:
            collector.add(path, name, (step, math.nan, value))
