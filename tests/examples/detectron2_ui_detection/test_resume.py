"""A run that is killed and goes on ends as one that was left alone."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.examples.detectron2_ui_detection.conftest import EXAMPLE
from tests.examples.training import Run, Train

pytestmark = pytest.mark.training("detectron2-ui-detection")
# Of the clock, not of the training.
TIMED = ("time", "perf/images_per_s", "perf/data_wait", "perf/ram_gb")


def test_a_killed_run_that_goes_on_equals_one_that_was_not(
    train: Train, ml_python: Path, environment: dict[str, str], screens: Path, tmp_path: Path
) -> None:
    values = {"NUM_EPOCHS": "3", "AUGMENT": "strong", "EMA": "0.9", "GRAD_ACCUM": "2", "BATCH_SIZE": "1"}
    values["WEIGHTS"] = "imagenet"
    whole = train("whole", **values)
    assert whole.code == 0, whole.text
    killed = kill_after_epoch(1, [ml_python, EXAMPLE / "train.py"], {
        **environment, **values, "DATA_DIR": str(screens), "OUTPUT_DIR": str(tmp_path / "killed"),
    })  # fmt: skip
    run = train("killed", RESUME=str(killed), **values)
    assert run.code == 0, run.text
    assert "resuming" in run.text
    assert untimed(run) == untimed(whole)
    for name in ("total_loss", "bbox/AP"):
        assert iterations(run, name) == iterations(whole, name)
    script = """
import sys, torch
a, b = (torch.load(f"{folder}/checkpoints/latest_model.pt", weights_only=True) for folder in sys.argv[1:])
assert all(torch.equal(a[part][name], b[part][name]) for part in ("model", "average") for name in a[part])
"""
    subprocess.run([ml_python, "-c", script, whole.folder, run.folder], check=True)


def kill_after_epoch(epoch: int, command: list[object], env: dict[str, str]) -> Path:
    """SIGKILL as soon as the epoch is reported; the run folder."""
    with subprocess.Popen([str(word) for word in command], env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        for line in process.stderr:
            if line.startswith(f"epoch {epoch}/"):
                process.kill()
    folder = Path(env["OUTPUT_DIR"])
    assert max(row["epoch"] for row in Run(0, "", folder).rows) < 3
    return folder


def untimed(run: Run) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name not in TIMED} for row in run.rows]


def iterations(run: Run, name: str) -> list[int]:
    """Where the library's own log has `name`."""
    lines = (run.folder / "native/metrics.json").read_text().splitlines()
    return sorted(row["iteration"] for row in map(json.loads, lines) if name in row)
