"""The run log: what is in its files, and that a resume leaves neither a gap nor a double row."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from cvl import params
from cvl.errors import UsageError
from cvl.kit import runlog, trackers
from cvl.kit.runlog import RunLog
from cvl.params import Setting


class Recorder:
    """A tracker that remembers."""

    def __init__(self) -> None:
        self.points: list[tuple[int, dict[str, float]]] = []
        self.closed: list[bool] = []  # whether the run had failed
        self.start = trackers.Start(Path(), "", 0, {})

    def log(self, values: dict[str, float], step: int) -> None:
        self.points.append((step, dict(values)))

    def close(self, *, failed: bool) -> None:
        self.closed.append(failed)


@pytest.fixture(autouse=True)
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()

    def configured(start: trackers.Start) -> list[Recorder]:
        recorder.start = start
        return [recorder]

    monkeypatch.setattr(trackers, "configured", configured)
    return recorder


def train(log: RunLog, epochs: Iterator[int] | range, batches: int = 3) -> None:
    """Logs as a training loop would."""
    for epoch in epochs:
        losses = [10.0 / (epoch + batch) for batch in range(1, batches + 1)]
        for batch, loss in enumerate(losses, 1):
            log.batch(epoch, batch, loss, {"box": loss / 2, "cls": loss / 2})
            log.scalars({"train/loss": loss}, step=(epoch - 1) * batches + batch, epoch=epoch)
        log.epoch(epoch, losses, seconds=1.5, learning_rate=0.01, is_best=epoch == 2, checkpoint="c.pt")
        log.scalars({"val/map": epoch / 10}, step=epoch * batches, epoch=epoch)


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as text:
        return list(csv.DictReader(text))


def test_trackers_get_the_name_that_was_asked_for(tmp_path: Path, recorder: Recorder) -> None:
    RunLog(tmp_path / "train-1")
    assert (recorder.start.name, recorder.start.first_step) == ("train-1", 1)
    RunLog(tmp_path / "train-2", name="wide cracks", config={"LR": 0.1})
    assert (recorder.start.name, recorder.start.config) == ("wide cracks", {"LR": 0.1})


def test_a_tracker_finds_its_run_again(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    start = trackers.Start(tmp_path, "train-1", 1, {})
    start.remember("wandb", "abc1")
    assert start.known_as("wandb") is None  # the folder is used for another run
    assert replace(start, first_step=7).known_as("wandb") == "abc1"
    assert replace(start, first_step=7).known_as("mlflow") is None


ENDS = """
import sys
from pathlib import Path
from cvl.kit import trackers
from cvl.kit.runlog import RunLog

class Shown:
    def log(self, values, step): pass
    def close(self, *, failed): print("failed" if failed else "done")

trackers.configured = lambda start: [Shown()]
log = RunLog(Path(sys.argv[1]))
log.scalars({"val/map": 0.25}, step=1, epoch=1)
if sys.argv[2] == "raises":
    raise ValueError
log.close()
"""


@pytest.mark.parametrize(("end", "said"), [("raises", "failed\n"), ("closes", "done\n")])
def test_a_job_that_ends_before_it_closes_its_log_has_failed(tmp_path: Path, end: str, said: str) -> None:
    command = [sys.executable, "-c", ENDS, str(tmp_path), end]
    assert subprocess.run(command, capture_output=True, text=True).stdout == said
    assert json.loads((tmp_path / "metrics.json").read_text())["final"] == {"val/map": 0.25}


def test_files_of_a_run(tmp_path: Path, recorder: Recorder) -> None:
    log = RunLog(tmp_path)
    train(log, range(1, 4))
    log.close()
    written = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in written if "train/loss" in row] == list(range(1, 10))
    assert all({"step", "epoch", "time"} <= row.keys() for row in written)
    epochs = rows(tmp_path / "logs/epoch_metrics.csv")
    assert ",".join(epochs[0]) == (
        "epoch,avg_loss,total_loss,epoch_time_sec,learning_rate,is_best,checkpoint_path,timestamp"
    )
    assert float(epochs[0]["avg_loss"]) == pytest.approx((5 + 10 / 3 + 2.5) / 3)
    assert float(epochs[0]["total_loss"]) == pytest.approx(5 + 10 / 3 + 2.5)
    assert [row["is_best"] for row in epochs] == ["False", "True", "False"]
    batches = rows(tmp_path / "logs/batch_metrics.csv")
    assert list(batches[0]) == ["epoch", "batch", "loss", "loss_box", "loss_cls", "timestamp"]
    assert len(batches) == 9
    assert len(recorder.points) == 12 and recorder.closed == [False]


def test_metrics_json_holds_final_and_best(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    for epoch, (loss, score) in enumerate([(3.0, 0.2), (1.0, 0.5), (2.0, 0.5)], 1):
        log.scalars({"val/loss": loss, "val/map": score, "perf/data_wait": 0.1}, step=epoch * 10, epoch=epoch)
    log.close()
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert found["final"] == {"val/loss": 2.0, "val/map": 0.5, "perf/data_wait": 0.1}
    assert found["best"] == {
        "val/loss": {"value": 1.0, "epoch": 2, "step": 20},
        "val/map": {"value": 0.5, "epoch": 2, "step": 20},
    }
    assert log.best("val/map") == 0.5 and log.best("val/other") is None


def test_nan_is_written_as_nan_and_is_never_the_best(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    log.scalars({"train/loss": 2.0}, step=1, epoch=1)
    log.scalars({"train/loss": math.nan}, step=2, epoch=1)
    log.batch(1, 2, math.nan, {})
    log.close()
    assert '"train/loss": NaN' in (tmp_path / "metrics.jsonl").read_text()
    assert rows(tmp_path / "logs/batch_metrics.csv")[0]["loss"] == "nan"
    assert log.best("train/loss") == 2.0


@pytest.mark.parametrize("torn", ["", '{"step": 8, "epoch": 3, "ti', "\0\0\0"])
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, torn: str) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(RunLog(whole), range(1, 6))
    train(RunLog(cut), range(1, 4))  # checkpoint of epoch 2, killed in the middle of epoch 3
    with (cut / "metrics.jsonl").open("a") as file:
        file.write(torn)
    with (cut / "logs/batch_metrics.csv").open("a") as file:
        file.write("4,1,0.5")
    log = RunLog(cut, resumed_epoch=2)
    assert log.last_step == 6
    train(log, range(3, 6))
    assert timeless(whole) == timeless(cut)


def timeless(folder: Path) -> list[object]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    tables = [rows(folder / f"logs/{name}_metrics.csv") for name in ("epoch", "batch")]
    return [
        {k: v for k, v in row.items() if k not in ("time", "timestamp")} for part in (lines, *tables) for row in part
    ]


def test_the_final_evaluation_comes_again_after_a_resume(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    train(log, range(1, 3))
    log.scalars({"reload/map": 0.2}, step=6, epoch=2)
    log.close()
    again = RunLog(tmp_path, resumed_epoch=2)
    assert not [row for row in again.rows if "reload/map" in row]
    assert [row["epoch"] for row in again.rows if "val/map" in row] == [1, 2]


def test_a_folder_that_holds_a_run_is_not_written_over(tmp_path: Path) -> None:
    train(RunLog(tmp_path), range(1, 2))
    before = (tmp_path / "metrics.jsonl").read_text()
    with pytest.raises(UsageError, match="already holds a run"):
        RunLog(tmp_path)
    assert (tmp_path / "metrics.jsonl").read_text() == before


def test_config_says_what_was_asked_for_and_can_be_used_again(tmp_path: Path) -> None:
    settings = {
        "WEIGHTS": Setting("auto", "default"),
        "LR": Setting(0.001, "flag"),
        "OUTPUT_DIR": Setting("/somewhere", "environment"),
    }
    runlog.write_config(tmp_path, settings, effective={"WEIGHTS": "none"})
    text = (tmp_path / "config.yaml").read_text()
    assert yaml.safe_load(text) == {"WEIGHTS": "none", "LR": 0.001}
    assert "WEIGHTS: none  # default, asked for auto" in text
    assert "# OUTPUT_DIR: /somewhere  # environment" in text


def test_config_holds_what_the_host_keeps_of_the_job_and_can_still_be_used_again(tmp_path: Path) -> None:
    runlog.write_config(tmp_path, {"LR": Setting(0.1, "-e")}, effective={}, device="cpu", splits={"train": 3, "val": 1})
    file = tmp_path / "config.yaml"
    assert yaml.safe_load(file.read_text())["x-job"] == {"device": "cpu", "splits": {"train": 3, "val": 1}}
    assert params.read_config(file) == {"LR": 0.1}
