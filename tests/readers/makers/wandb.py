"""Writes data/wandb/ with the real library, offline: healthy, NaN, resumed, and resumed from before its end.

python tests/readers/makers/wandb.py
"""

from __future__ import annotations

import math
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(sys.path.pop(0))  # the library is called as this file is
os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true", WANDB_ERROR_REPORTING="false")

import _expected
import wandb

DATA = Path(__file__).parents[1] / "data" / "wandb"
Row = dict[str, object]


def main() -> None:
    shutil.rmtree(DATA, ignore_errors=True)
    healthy: list[Row] = [{"train/loss": 1 / (i + 1), "deep": {"a": i, "b.c": {"d": i / 8}}} for i in range(3)]
    healthy[1] |= {"note": "no number", "flag": True, "none": None, "many": [1, 2], "drawn": wandb.Histogram([1, 2])}
    log("healthy", dict(enumerate(healthy)))
    deep = [(i, None, i) for i in range(3)], [(i, None, i / 8) for i in range(3)]
    loss = [(i, None, 1 / (i + 1)) for i in range(3)]
    _expected.write(DATA / "healthy", {"train/loss": loss, "deep/a": deep[0], "deep/b.c/d": deep[1]})
    spoilt = [1.5, math.nan, math.inf, -math.inf, 1e300]
    log("nan", {i: {"loss": value} for i, value in enumerate(spoilt)})
    _expected.write(DATA / "nan", {"loss": [(i, None, value) for i, value in enumerate(spoilt)]})
    first, later = {s: 1 / s for s in range(1, 5)}, {s: 2 / s for s in range(3, 7)}
    for part in (first, later):
        log("resumed", {step: {"loss": value, "epoch": step // 2} for step, value in part.items()})
        time.sleep(1.1)  # a folder is named after its second
    rows = [(step, float(step // 2), value) for step, value in (first | later).items()]
    _expected.write(DATA / "resumed", {"loss": rows})
    for part in (first, {2: 0.75, 3: 0.5}):  # step 4 is of a stretch that was given up
        log("abandoned", {step: {"loss": value} for step, value in part.items()})
        time.sleep(1.1)
    _expected.write(DATA / "abandoned", {"loss": [(1, None, 1.0), (2, None, 0.75), (3, None, 0.5)]})


def log(case: str, rows: dict[int, Row]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        settings = wandb.Settings(x_disable_stats=True, x_disable_meta=True, console="off", disable_git=True,
                                  save_code=False, host="host", program="train.py")  # fmt: skip
        with wandb.init(project="p", id=case, resume="allow", dir=scratch, settings=settings) as run:
            for step, row in rows.items():
                run.log(row, step=step)
        wandb.teardown()  # all is written now
        for path in Path(scratch).glob("wandb/offline-run-*/*.wandb"):
            target = DATA / case / path.relative_to(scratch)
            target.parent.mkdir(parents=True)
            shutil.copy(path, target)


if __name__ == "__main__":
    main()
