"""train.py with the real library: what a run leaves behind, what stops it, that every knob turns."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path

import pytest
import yaml

from cvl.readers import detectron2 as reader
from tests.examples.detectron2_ui_detection.conftest import EXAMPLE
from tests.examples.smoke import LEFT_BEHIND
from tests.examples.training import Run, Train, TrainEach

pytestmark = pytest.mark.training("detectron2-ui-detection")

# train.py with a loss that is NaN from the given iteration (counted from 0) on.
NAN = f"""
import runpy, sys
sys.path.insert(0, {str(EXAMPLE)!r})
import trainer
real = trainer.Trainer.losses_of
def broken(self, batch):
    return {{k: v * (float("nan") if self.iter >= 2 else 1) for k, v in real(self, batch).items()}}
trainer.Trainer.losses_of = broken
runpy.run_path({str(EXAMPLE / "train.py")!r}, run_name="__main__")
"""


def test_what_a_run_leaves_behind(train: Train, screens: Path) -> None:
    before = sorted(screens.rglob("*"))
    run = train(NUM_EPOCHS="2", SAVE_EVERY="2", LR="0.003")
    assert run.code == 0, run.text
    assert "2 epochs = 4 iterations of 2 screens, 2 an epoch" in run.text
    there = {str(path.relative_to(run.folder)) for path in run.folder.rglob("*") if path.is_file()}
    assert {*LEFT_BEHIND, "training_results.json", "checkpoints/epoch_002.pt"} <= there
    assert {"native/config.yaml", "native/metrics.json", "evaluation/predictions.json"} <= there
    assert len([name for name in there if name.startswith("visualizations/test_")]) == 2
    assert len(run.column("train/loss")) == len(run.column("train/grad_norm")) == 4
    assert len(run.column("val/map75")) == len(run.column("val/loss")) == 2
    for row in run.rows:
        if "train/loss" in row:
            parts = sum(value for name, value in row.items() if name.startswith("train/loss_"))
            assert row["train/loss"] == pytest.approx(parts, rel=1e-6)
    assert run.rows[-1]["reload/map"] == pytest.approx(max(run.column("val/map")), abs=1e-6)
    # Nothing beside the user's data, nothing in the home folder.
    assert sorted(screens.rglob("*")) == before
    assert not list(Path.home().rglob("*"))
    check_results(run)
    check_native(run)


def check_results(run: Run) -> None:
    results = json.loads((run.folder / "training_results.json").read_text())
    assert results["model"] == {"type": "detectron2", "variant": "faster_rcnn_lite0_FPN"}
    assert results["dataset"] == {"names": ["screens"], "train_size": 4, "val_size": 2, "test_size": 2}
    assert results["training"].keys() == {"epochs", "batch_size", "learning_rate", "total_time_hours"}
    assert results["results"].keys() == {"best_val_mAP", "best_val_mAP50", "test_mAP"}
    evaluation = json.loads((run.folder / "evaluation/metrics.json").read_text())
    assert evaluation["split"] == "test"
    assert sum(group["n"] for group in evaluation["groups"].values()) == 8
    assert evaluation["model"]["parameters"] > 1e6 and evaluation["model"]["latency_ms"] > 0


def check_native(run: Run) -> None:
    """The library's own log holds the same numbers, APs in percent."""
    found = reader.find(run.folder / "native")
    assert found
    rows = [json.loads(line) for line in found[0].read_text().splitlines()]
    averages = [row["bbox/AP50"] for row in rows if "bbox/AP50" in row]
    assert averages == pytest.approx([100 * value for value in run.column("val/map50")])
    cfg = yaml.safe_load((run.folder / "native/config.yaml").read_text())
    assert cfg["SOLVER"]["MAX_ITER"] == 4 and cfg["MODEL"]["ROI_HEADS"]["NUM_CLASSES"] == 2


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_files(train: Train, screens: Path) -> None:
    run = train(script=("-c", NAN), NUM_EPOCHS="2")
    assert run.code == 3, run.text
    assert "the loss is nan in epoch 2, iteration 3" in run.text and "Traceback" not in run.text
    named = re.findall(r"train_\d\.png", run.text)
    assert len(named) == 2 and all((screens / "images/train" / name).exists() for name in named)
    assert math.isnan(run.column("train/loss")[-1])
    assert (run.folder / "checkpoints/latest_model.pt").exists()


def test_every_knob_turns(train_each: TrainEach) -> None:
    base, accumulated, few, stepped, constant, frozen, seldom, stopped, coloured, anchors, clipped = train_each(
        {"NUM_EPOCHS": "3", "WARMUP_EPOCHS": "0.5"},
        {"GRAD_ACCUM": "2"},
        {"MAX_TRAIN_SAMPLES": "3", "BATCH_SIZE": "1", "EMA": "0.5"},
        {"NUM_EPOCHS": "2", "SCHEDULER": "step", "LR_STEPS": "0.5", "GAMMA": "0.5", "WARMUP_EPOCHS": "0"},
        {"SCHEDULER": "constant", "WARMUP_EPOCHS": "0", "OPTIMIZER": "sgd", "LR": "0.002"},
        {"WEIGHTS": "imagenet", "FREEZE": "5"},
        {"NUM_EPOCHS": "3", "VAL_EVERY": "2", "PRECISION": "fp16"},
        {"NUM_EPOCHS": "9", "PATIENCE": "1", "LR": "0", "WEIGHTS": "imagenet"},
        {"AUGMENT": "strong", "NUM_WORKERS": "1"},
        {"ASPECT_RATIOS": "0.5", "WEIGHTS": "imagenet"},
        {"GRAD_CLIP": "0.001", "WARMUP_EPOCHS": "0", "OPTIMIZER": "sgd"},
    )
    rates = base.column("train/lr")
    assert rates[0] < 1e-4 < max(rates) <= 0.0005 and rates[-1] < rates[2]
    assert len(base.column("train/loss")) == 6 and len(accumulated.column("train/loss")) == 1
    assert len(few.column("train/loss")) == 3
    assert stepped.column("train/lr") == pytest.approx([0.0005, 0.0005, 0.00025, 0.00025])
    assert set(constant.column("train/lr")) == {0.002}
    assert len(seldom.column("val/map")) == 2 and "needs a GPU" in seldom.text
    # A learning rate of 0 trains nothing (from scratch batch norm would still count): nothing gets better.
    assert len(stopped.column("val/map")) == 2 and "stopping" in stopped.text
    assert all(stopped.column(f"params/{group}/change") == [0, 0] for group in ("backbone", "rpn", "heads"))
    assert all(base.column(f"params/{group}/change")[-1] > 0 for group in ("backbone", "rpn", "heads"))
    assert coloured.column("train/loss")[0] != base.column("train/loss")[0]
    assert trainable(frozen) < trainable(anchors) < trainable(base)
    assert clipped.column("params/heads/change")[-1] < 1e-5


def trainable(run: Run) -> int:
    found = re.search(r"([\d,]+) trainable parameters", run.text)
    assert found, run.text
    return int(found[1].replace(",", ""))


def test_mask_rcnn_of_the_zoo(train: Train) -> None:
    run = train(MODEL="mask_rcnn_R_50_FPN_3x", IMAGE_SIZE="64", MAX_TRAIN_SAMPLES="2", OPTIMIZER="sgd")
    assert run.code == 0, run.text
    assert "no outlines (polygons) in the labels: every box is its own mask" in run.text
    assert "from scratch: batch norm is trained" in run.text
    assert run.column("train/loss_mask")
    shutil.rmtree(run.folder / "checkpoints")  # half a gigabyte


def test_two_processes_share_the_work(train: Train) -> None:
    run = train(DEVICES="2", BATCH_SIZE="1", NUM_EPOCHS="2")
    assert run.code == 0, run.text
    assert "2 epochs = 4 iterations of 2 screens" in run.text
    assert run.text.count("trainable parameters") == 1
    assert [row["step"] for row in run.rows if "train/loss" in row] == [1, 2, 3, 4]
    broken = train("broken", DEVICES="2", ASPECT_RATIOS="none")
    assert broken.code == 2 and "Traceback" not in broken.text, broken.text


def test_what_cannot_be_had_is_said(train: Train, screens: Path) -> None:
    blind = {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
    deformable = train("deformable", MODEL="mask_rcnn_R_50_FPN_3x_dconv_c3-c5")
    assert deformable.code == 2 and "needs deformable convolution" in deformable.text
    assert "hint: MODEL=mask_rcnn_R_50_FPN_3x" in deformable.text
    (screens / "labels/train/train_0.txt").write_text("7 0.5 0.5 0.1 0.1\n")
    refused = train("refused", MODEL="faster_rcnn_R_50_FPN_3x", WEIGHTS="auto", **blind)
    assert refused.code == 2 and "train_0.txt" in refused.text and "Traceback" not in refused.text
    assert not (refused.folder / "metrics.jsonl").exists()
