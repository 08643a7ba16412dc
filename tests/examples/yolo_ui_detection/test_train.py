"""train.py with the real library: what a run leaves behind, how it stops and goes on, and that every knob turns."""

from __future__ import annotations

import csv
import json
import math
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.examples.smoke import LEFT_BEHIND
from tests.examples.training import REPOSITORY, Run, Train, TrainEach
from tests.examples.yolo_ui_detection.conftest import EXAMPLE

pytestmark = pytest.mark.training("yolo-ui-detection")
BROKEN = REPOSITORY / "tests" / "sabotage" / "yolo_ui_detection.py"


def test_what_a_run_leaves_behind(train: Train, screens: Path, tmp_path: Path) -> None:
    before = sorted(path for path in screens.rglob("*"))
    run = train(NUM_EPOCHS="2", SAVE_EVERY="2")
    assert run.code == 0, run.text
    there = {str(path.relative_to(run.folder)) for path in run.folder.rglob("*") if path.is_file()}
    assert {*LEFT_BEHIND, "training_results.json", "checkpoints/epoch_002.pt", "native/results.csv"} <= there
    assert [name for name in there if re.fullmatch(r"logs/events\.out\.tfevents.*", name)]
    assert len([name for name in there if name.startswith("visualizations/test_")]) == 4
    assert len(run.column("train/loss")) == 4
    assert len(run.column("val/map50")) == len(run.column("val/loss")) == 2
    for row in run.rows:
        if "train/loss" in row:
            parts = sum(value for name, value in row.items() if name.startswith("train/loss_"))
            assert row["train/loss"] == pytest.approx(parts, rel=1e-4)
    assert run.rows[-1].keys() >= {"reload/map", "reload/map50"}
    assert run.rows[-1]["reload/map"] == pytest.approx(max(run.column("val/map")), abs=0.01)
    # Nothing beside the user's data, nothing in the home folder.
    assert sorted(path for path in screens.rglob("*")) == before
    assert not list(Path.home().rglob("*"))


def test_the_results_have_the_keys_of_the_guide(train: Train) -> None:
    run = train()
    assert run.code == 0, run.text
    results = json.loads((run.folder / "training_results.json").read_text())
    shape = {name: list(value) if isinstance(value, dict) else type(value) for name, value in results.items()}
    assert shape == {
        "experiment_name": str,
        "timestamp": str,
        "model": ["type", "variant"],
        "dataset": ["names", "train_size", "val_size", "test_size"],
        "training": ["epochs", "batch_size", "learning_rate", "total_time_hours"],
        "results": ["best_val_mAP", "best_val_mAP50", "test_mAP"],
    }
    assert results["dataset"] == {"names": ["screens"], "train_size": 8, "val_size": 4, "test_size": 4}
    evaluation = json.loads((run.folder / "evaluation/metrics.json").read_text())
    assert evaluation["split"] == "test" and results["results"]["test_mAP"] == evaluation["metrics"]["map"]
    assert evaluation["groups"].keys() == {"button", "checkbox"}
    assert sum(group["n"] for group in evaluation["groups"].values()) == 16


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_files(train: Train, screens: Path) -> None:
    run = train(script=(str(BROKEN), "loss-nan", str(EXAMPLE)), NUM_EPOCHS="4", BATCH_SIZE="2")
    assert run.code == 3, run.text
    assert "the loss is nan in epoch 2, batch 2" in run.text
    named = re.findall(r"train_\d\.png", run.text)
    assert len(named) == 2 and all((screens / "images/train" / name).exists() for name in named)
    assert math.isnan(run.column("train/loss")[-1])
    assert "Traceback" not in run.text
    assert (run.folder / "checkpoints/latest_model.pt").exists()


def test_a_stopped_run_goes_on_without_a_double_row(
    train: Train, ml_python: Path, environment: dict[str, str], screens: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    env = {**environment, "DATA_DIR": str(screens), "OUTPUT_DIR": str(folder), "NUM_EPOCHS": "40"}
    command = [ml_python, EXAMPLE / "train.py"]
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        for line in process.stderr:
            if line.startswith("epoch 2/"):
                process.send_signal(signal.SIGTERM)
    assert process.returncode == 130
    done = Run(130, "", folder).rows[-1]["epoch"]
    assert done < 40
    run = train(RESUME=str(folder), NUM_EPOCHS=str(done + 2))
    assert run.code == 0, run.text
    epochs = [row["epoch"] for row in run.rows if "val/map" in row]
    assert epochs == list(range(1, len(epochs) + 1)) and epochs[-1] == done + 2
    assert [row["step"] for row in run.rows if "train/loss" in row] == list(range(1, 2 * len(epochs) + 1))
    for table in ("logs/epoch_metrics.csv", "native/results.csv"):
        with (folder / table).open() as file:
            assert [int(row["epoch"]) for row in csv.DictReader(file)] == epochs
    # A finished run goes on too, when there is more to do; in another folder it brings its log along.
    refused = train("other", RESUME=str(folder), NUM_EPOCHS=str(done + 2))
    assert refused.code == 2 and "epochs are done" in refused.text
    longer = train("other", RESUME=str(folder / "checkpoints/latest_model.pt"), NUM_EPOCHS=str(done + 3))
    assert longer.code == 0, longer.text
    assert [row["epoch"] for row in longer.rows if "val/map" in row] == list(range(1, done + 4))


def test_every_knob_turns(train_each: TrainEach) -> None:
    base, accumulated, few, constant, cosine, frozen, seldom, stopped, coloured, other = train_each(
        {"NUM_EPOCHS": "4"},
        {"GRAD_ACCUM": "2", "WARMUP_EPOCHS": "0"},
        {"MAX_TRAIN_SAMPLES": "3", "BATCH_SIZE": "1"},
        {"NUM_EPOCHS": "3", "SCHEDULER": "constant", "WARMUP_EPOCHS": "0", "LR": "0.002"},
        {"NUM_EPOCHS": "3", "SCHEDULER": "cosine", "WARMUP_EPOCHS": "0", "LR_FINAL": "0.5"},
        {"FREEZE": "10", "LR": "0.1", "OPTIMIZER": "sgd"},
        {"NUM_EPOCHS": "3", "VAL_EVERY": "2"},
        {"NUM_EPOCHS": "20", "PATIENCE": "1", "LR": "0.05", "EARLY_STOP_METRIC": "val_loss"},
        {"AUGMENT": "strong", "SEED": "3"},
        {"MODEL": "yolo11n", "NUM_WORKERS": "1", "DETERMINISTIC": "false"},
    )
    assert len(base.column("train/loss")) == 8
    rates = base.column("train/lr")
    assert rates[0] == 0 and max(rates) <= 0.001 and rates[-1] < rates[3]
    assert len(accumulated.column("train/loss")) == 1
    assert len(few.column("train/loss")) == 3
    assert set(constant.column("train/lr")) == {0.002}
    assert cosine.column("train/lr")[0] == 0.001 and cosine.column("train/lr")[-1] > 0.0005
    assert len(seldom.column("val/map")) == 2
    assert len(stopped.column("val/map")) < 20
    assert coloured.column("train/loss")[0] != base.column("train/loss")[0]
    counts = [trainable(run) for run in (base, frozen, other)]
    assert counts[1] < counts[0] != counts[2]
    assert other.column("train/loss_dfl")


def trainable(run: Run) -> int:
    found = re.search(r"([\d,]+) trainable parameters", run.text)
    assert found, run.text
    return int(found[1].replace(",", ""))


def test_learning_rate_0_changes_no_weight(train: Train, ml_python: Path, environment: dict[str, str]) -> None:
    start = train("start")
    assert start.code == 0, start.text
    weights = str(start.folder / "checkpoints/best_model.pt")
    for rate, same in (("0", True), ("0.01", False)):
        run = train(f"rate{rate}", LR=rate, WEIGHTS=weights, NUM_EPOCHS="2")
        assert run.code == 0, run.text
        assert equal_weights(ml_python, environment, weights, f"{run.folder}/checkpoints/latest_model.pt") is same
        for group in ("backbone", "head"):
            assert (run.column(f"params/{group}/change")[-1] == 0) is same


def equal_weights(python: Path, environment: dict[str, str], a: str, b: str) -> bool:
    script = f"""
import sys; sys.path.insert(0, {str(EXAMPLE)!r})
from library import load_checkpoint
a, b = (dict(load_checkpoint(file)[0].named_parameters()) for file in {[a, b]!r})
print(all((a[name] - b[name]).abs().max() < 1e-3 * (1 + a[name].abs().max()) for name in a))
"""
    done = subprocess.run([python, "-c", script], env=environment, capture_output=True, text=True)
    return {"True": True, "False": False}[done.stdout.strip()]


def test_bad_data_is_refused_before_anything_is_trained(train: Train, screens: Path) -> None:
    (screens / "labels/train/train_0.txt").write_text("7 0.5 0.5 0.1 0.1\n")
    (screens / "images/train/train_1.png").write_bytes(b"not a picture")
    run = train()
    assert run.code == 2, run.text
    assert "train_0.txt" in run.text and "train_1.png" in run.text and "Traceback" not in run.text
    assert not (run.folder / "metrics.jsonl").exists()
    accepted = train("accepted", MAX_BAD="10")
    assert accepted.code == 0, accepted.text


def test_weights_that_cannot_be_fetched_are_said_and_recorded(train: Train) -> None:
    run = train(WEIGHTS="auto", https_proxy="http://127.0.0.1:9", HTTPS_PROXY="http://127.0.0.1:9")
    assert run.code == 0, run.text
    assert "could not be fetched" in run.text and "from scratch" in run.text
    assert "WEIGHTS: none  # environment, asked for auto" in (run.folder / "config.yaml").read_text()
