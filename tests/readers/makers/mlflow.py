"""Writes data/mlflow/ with the real library; of its database only the two tables of the runs are kept, to be small.

python tests/readers/makers/mlflow.py
"""

from __future__ import annotations

import math
import os
import re
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path

sys.path.append(sys.path.pop(0))  # the library is called as this file is
os.environ.update(MLFLOW_ALLOW_FILE_STORE="true", MLFLOW_DISABLE_TELEMETRY="true", LOGNAME="user")

import _expected
import mlflow

DATA = Path(__file__).parents[1] / "data" / "mlflow"
FIRST = {step: 1 / (step + 1) for step in range(4)}
LATER = {2: 0.75, 3: 0.5, 4: 0.25}
SHORTER = {1: 0.75, 2: 0.5}
SPOILT = {0: 1.5, 1: math.nan, 2: math.inf, 3: -math.inf, 4: 0.0}
Values = dict[int, float]


def main() -> None:
    shutil.rmtree(DATA, ignore_errors=True)
    for case, *parts in (("healthy", FIRST), ("nan", SPOILT), ("resumed", FIRST, LATER), ("abandoned", FIRST, SHORTER)):
        database(case, parts)
        files(f"files_{case}", parts)


def database(case: str, parts: list[Values]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "mlflow.db")
        log(f"sqlite:///{path}", parts)
        shorten(path)
        (DATA / case).mkdir(parents=True)
        shutil.copy(path, DATA / case)
    expect(case, parts)


def files(case: str, parts: list[Values]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        log(f"file:{scratch}/mlruns", parts)
        for path in Path(scratch).glob("mlruns/*/*/meta.yaml"):
            path.write_text(path.read_text(encoding="utf-8").replace(scratch, "/store"), encoding="utf-8")
            target = DATA / case / path.parent.relative_to(scratch)
            shutil.copytree(path.parent / "metrics", target / "metrics")
            shutil.copy(path, target)
    expect(case, parts)


def log(store: str, parts: list[Values]) -> None:
    """An older run that does not count, then the parts, each of which resumes the one before."""
    mlflow.set_tracking_uri(store)
    with mlflow.start_run():
        mlflow.log_metric("older", 1.0, step=0)
    run_id = None
    for values in parts:
        with mlflow.start_run(run_id=run_id) as run:
            run_id = run.info.run_id
            for step, value in values.items():
                mlflow.log_metric("train/loss", value, step=step)


def shorten(path: Path) -> None:
    store = sqlite3.connect(path, isolation_level=None)
    tables = [name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for name in tables:
        if name not in ("runs", "metrics") and re.fullmatch(r"\w+", name) and not name.startswith("sqlite_"):
            store.execute(f'DROP TABLE "{name}"')
    store.execute("UPDATE runs SET artifact_uri = '', source_name = '', user_id = 'user'")
    store.execute("PRAGMA page_size = 512")
    store.execute("VACUUM")
    store.close()


def expect(case: str, parts: list[Values]) -> None:
    """A resume makes what was logged from its first step on void, and is reported."""
    merged: Values = {}
    for values in parts:
        merged = {step: value for step, value in merged.items() if step < min(values)} | values
    rows: list[_expected.Row] = [(step, None, value) for step, value in merged.items()]
    _expected.write(DATA / case, {"train/loss": rows}, problems=len(parts) - 1)


if __name__ == "__main__":
    main()
