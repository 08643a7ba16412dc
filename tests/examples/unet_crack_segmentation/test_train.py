"""train.py with the real libraries: what a run leaves behind, that it goes on exactly, and that every knob turns."""

from __future__ import annotations

import json
import math
import random
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.examples.smoke import LEFT_BEHIND
from tests.examples.training import REPOSITORY, Run, Train, TrainEach
from tests.examples.unet_crack_segmentation.conftest import EXAMPLE

pytestmark = pytest.mark.training("unet-crack-segmentation")
BROKEN = REPOSITORY / "tests" / "sabotage" / "unet_crack_segmentation.py"
# What two runs of the same may differ in.
_CLOCK = ("time", "perf/")


def numbers(run: Run) -> list[dict[str, float]]:
    """The rows of the log without what a clock or a meter measured."""
    return [{k: v for k, v in row.items() if not k.startswith(_CLOCK)} for row in run.rows]


def test_what_a_run_leaves_behind(train: Train, roads: Path) -> None:
    before = sorted(roads.rglob("*"))
    run = train(NUM_EPOCHS="2", SAVE_EVERY="1", KEEP="1")
    assert run.code == 0, run.text
    there = {str(path.relative_to(run.folder)) for path in run.folder.rglob("*") if path.is_file()}
    assert {*LEFT_BEHIND, "checkpoints/epoch_002.pt"} <= there
    assert "checkpoints/epoch_001.pt" not in there
    assert [name for name in there if re.fullmatch(r"logs/events\.out\.tfevents.*", name)]
    for row in run.rows:
        if "train/loss" in row:
            assert row["train/loss"] == pytest.approx(row["train/loss_dice"] + row["train/loss_bce"], rel=1e-6)
    assert run.rows[-1].keys() >= {"reload/dice", "reload/iou", "reload/f1_2px"}
    assert run.rows[-1]["reload/dice"] == pytest.approx(max(run.column("val/dice")), abs=1e-6)
    evaluation = json.loads((run.folder / "evaluation/metrics.json").read_text())
    best = max(run.rows, key=lambda row: row.get("val/dice", -1))
    assert evaluation["split"] == "test" and evaluation["metrics"]["threshold"] == best["val/threshold"]
    # Nothing beside the user's data, nothing in the home folder.
    assert sorted(roads.rglob("*")) == before
    assert not list(Path.home().rglob("*"))


def test_a_killed_run_ends_as_if_nothing_had_happened(
    train: Train, ml_python: Path, environment: dict[str, str], roads: Path, tmp_path: Path
) -> None:
    check_kill(random.Random(0), train, ml_python, {**environment, "DATA_DIR": str(roads)}, tmp_path)


@pytest.mark.matrix
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(1, 21))
def test_twenty_kills(
    seed: int, train: Train, ml_python: Path, environment: dict[str, str], roads: Path, tmp_path: Path
) -> None:
    check_kill(random.Random(seed), train, ml_python, {**environment, "DATA_DIR": str(roads)}, tmp_path)


def check_kill(draw: random.Random, train: Train, python: Path, environment: dict[str, str], tmp_path: Path) -> None:
    """SIGKILL at random moments, up to three times, then on to the end: log and weights are those of a quiet run."""
    values = {"NUM_EPOCHS": "6", "AUGMENT": "strong", "EMA": "0.9", "GRAD_ACCUM": "2", "BATCH_SIZE": "1"}
    whole = train("whole", **values)
    assert whole.code == 0, whole.text
    folder = tmp_path / "killed"
    ends = []
    for _ in range(draw.randint(1, 3)):
        resume = {"RESUME": str(folder)} if (folder / "metrics.jsonl").exists() else {}
        env = {**environment, **values, **resume, "OUTPUT_DIR": str(folder)}
        ends.append(kill_somewhere(draw, [str(python), str(EXAMPLE / "train.py")], env, folder))
    assert -signal.SIGKILL in ends, ends
    killed = train("killed", **values, RESUME=str(folder))
    assert killed.code == 0, killed.text
    assert numbers(killed) == numbers(whole)
    for name in ("checkpoints/best_model.pt", "checkpoints/latest_model.pt"):
        assert equal(python, environment, whole.folder / name, killed.folder / name), name
    assert (killed.folder / "evaluation/metrics.json").read_text() == (
        whole.folder / "evaluation/metrics.json"
    ).read_text()


def kill_somewhere(draw: random.Random, command: list[str], env: dict[str, str], folder: Path) -> int:
    """Waits until the run has logged something new, then a random moment more; what the process ended with."""
    before = (folder / "metrics.jsonl").stat().st_size if (folder / "metrics.jsonl").exists() else 0
    with subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        log = folder / "metrics.jsonl"
        while process.poll() is None and not (log.exists() and log.stat().st_size > before):
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 1.5))
        process.send_signal(signal.SIGKILL)
    return process.returncode


def test_a_resumed_run_measures_the_change_of_weights_from_where_the_first_one_began(train: Train) -> None:
    values = {"WEIGHTS": "imagenet", "ENCODER": "tu-tf_efficientnet_lite0"}
    whole = train("whole", **values, NUM_EPOCHS="2", SCHEDULER="constant")
    first = train("first", **values, NUM_EPOCHS="1", SCHEDULER="constant")
    again = train("first", **values, NUM_EPOCHS="2", SCHEDULER="constant", RESUME=str(first.folder))
    assert again.code == 0, again.text
    assert again.column("params/encoder/change") == whole.column("params/encoder/change")


def equal(python: Path, environment: dict[str, str], a: Path, b: Path) -> bool:
    script = f"""
import torch
def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b
a, b = (torch.load(file, weights_only=True) for file in {[str(a), str(b)]!r})
for state in (a, b):
    for name in ("OUTPUT_DIR", "RESUME"):
        state["config"].pop(name)
    for name in [name for name in state.get("metrics", ()) if name.startswith("perf/")]:
        state["metrics"].pop(name)
print(same(a, b))
"""
    done = subprocess.run([python, "-c", script], env=environment, capture_output=True, text=True)
    return {"True": True, "False": False}[done.stdout.strip()]


def test_two_processes_train_together(train: Train) -> None:
    """With an encoder that has weights which no gradient reaches."""
    run = train(DEVICES="2", NUM_EPOCHS="2", BATCH_SIZE="2", ENCODER="efficientnet-b0")
    assert run.code == 0, run.text
    assert "2 processes" in run.text and run.text.count("run folder:") == 1
    assert len(run.column("train/loss")) == 4 and len(run.column("val/dice")) == 2
    assert run.rows[-1]["reload/dice"] == pytest.approx(max(run.column("val/dice")), abs=1e-6)


# train.py with a Swin-Unet whose blocks are never left out: nothing then depends on how pictures make batches.
STEADY = """
import runpy, sys
example = sys.argv.pop()
sys.path.insert(0, example)
import swin_unet
swin_unet.DROP_PATH = 0.0
runpy.run_path(example + "/train.py", run_name="__main__")
"""


def test_accumulated_batches_equal_the_large_one(train: Train) -> None:
    """Where no layer mixes the pictures of a batch, as batch norm does: Swin blocks normalise each picture alone."""
    common = {"MODEL": "swin_unet", "EMBED_DIM": "32", "NUM_EPOCHS": "2", "OPTIMIZER": "sgd", "LR": "0.05"}
    common |= {"MAX_TRAIN_SAMPLES": "7", "SCHEDULER": "constant"}
    script = ("-c", STEADY, str(EXAMPLE))
    large = train("large", script, **common, BATCH_SIZE="4")
    assert large.code == 0 and len(large.column("train/loss")) == 4, large.text
    for size, accumulate in (("1", "4"), ("2", "2")):
        other = train(f"batches-of-{size}", script, **common, BATCH_SIZE=size, GRAD_ACCUM=accumulate)
        assert other.code == 0, other.text
        for name in ("train/loss", "train/grad_norm", "val/loss"):
            assert other.column(name) == pytest.approx(large.column(name), rel=1e-4), name


def test_every_knob_turns(train_each: TrainEach) -> None:
    runs = iter(
        train_each(
            {"NUM_EPOCHS": "3"},
            {"SCHEDULER": "step", "STEP_SIZE": "1", "GAMMA": "0.5", "NUM_EPOCHS": "3", "WARMUP_EPOCHS": "0"},
            {"SCHEDULER": "onecycle", "NUM_EPOCHS": "3"},
            {"SCHEDULER": "poly", "NUM_EPOCHS": "3", "WARMUP_EPOCHS": "0"},
            {"SCHEDULER": "plateau", "STEP_SIZE": "1", "NUM_EPOCHS": "6", "LR": "1e-9", "WARMUP_EPOCHS": "0"},
            {"SCHEDULER": "constant", "WARMUP_EPOCHS": "2", "NUM_EPOCHS": "3"},
            {"MAX_TRAIN_SAMPLES": "3", "BATCH_SIZE": "1"},
            {"CROPS": "2"},
            {"VAL_EVERY": "2", "NUM_EPOCHS": "3"},
            {"PATIENCE": "1", "LR": "0", "NUM_EPOCHS": "9", "EARLY_STOP_METRIC": "val_loss"},
            {"AUGMENT": "strong"},
            {"SEED": "3"},
            {"GRAD_CLIP": "0.001"},
            {"EMA": "0.99"},
            {"OPTIMIZER": "rmsprop"},
            {"WEIGHT_DECAY": "5", "WARMUP_EPOCHS": "0"},
            {"WEIGHT_DECAY": "0", "WARMUP_EPOCHS": "0"},
            {"NUM_WORKERS": "1", "CACHE": "0", "DETERMINISTIC": "0", "NUM_EPOCHS": "3"},
            {"THRESHOLD": "0.3", "METRICS": "cldice,recall_per_image", "OVERLAP": "0"},
            {"LOSS": "tversky", "LOG_GPU_MEMORY": "true"},
            {"LOSS": "dice_focal", "POS_WEIGHT": "3", "IMAGE_SIZE": "64,96"},
            {"GRAD_CHECKPOINT": "true"},
            {"PRECISION": "bf16"},
            {"PRECISION": "fp16"},
        )
    )  # fmt: skip
    base, step, onecycle, poly, plateau, constant, few, crops, seldom, stopped = (next(runs) for _ in range(10))
    assert len(base.column("train/loss")) == 6 and base.column("train/lr")[-1] < base.column("train/lr")[2]
    assert step.column("train/lr") == pytest.approx([1e-3, 1e-3, 5e-4, 5e-4, 2.5e-4, 2.5e-4])
    assert onecycle.column("train/lr")[-1] < 1e-6 < onecycle.column("train/lr")[0] < 1e-3
    assert poly.column("train/lr")[0] == 1e-3 and 0 < poly.column("train/lr")[-1] < 3e-4
    rates = plateau.column("train/lr")
    assert rates[0] == 1e-9 and rates[-1] < 1.1e-10
    assert constant.column("train/lr") == pytest.approx([2e-4, 4e-4, 6e-4, 8e-4, 1e-3, 1e-3])
    assert len(few.column("train/loss")) == 3 and len(crops.column("train/loss")) == 4
    assert len(seldom.column("val/dice")) == 2
    assert len(stopped.column("val/loss")) == 2 and "stopping" in stopped.text
    strong, seeded, clipped, averaged, rmsprop, decayed, kept, workers, *runs_left = runs
    threshold, tversky, focal, checkpointed, bf16, fp16 = runs_left
    first = base.column("train/loss")[0]
    assert strong.column("train/loss")[0] != first and seeded.column("train/loss")[0] != first
    assert clipped.column("train/loss")[0] == first and clipped.column("train/loss")[1] != base.column("train/loss")[1]
    losses = base.column("train/loss")
    assert averaged.column("train/loss") == losses[:2] and averaged.column("val/loss") != base.column("val/loss")[:1]
    assert rmsprop.column("train/loss")[0] == first and rmsprop.column("train/loss")[1] != losses[1]
    assert decayed.column("params/encoder/change")[-1] != kept.column("params/encoder/change")[-1]
    assert workers.column("train/loss") == pytest.approx(losses, rel=1e-5)
    assert set(threshold.column("val/threshold")) == {0.3}
    assert threshold.column("val/cldice") and threshold.column("val/recall_per_image")
    assert "val/miou" not in threshold.rows[-2]
    assert tversky.column("train/loss_tversky") and len(tversky.column("perf/ram_gb")) > 2
    assert focal.column("train/loss_focal") and focal.column("train/loss_dice")
    assert checkpointed.column("train/loss") == pytest.approx(losses[:2], rel=1e-5)
    assert bf16.column("train/loss")[0] == pytest.approx(first, rel=0.05) and bf16.column("train/loss")[0] != first
    assert "fp16 needs a GPU: training in fp32" in fp16.text
    assert fp16.column("train/loss") == losses[:2]


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile wants g++")
def test_compiled_is_the_same_training(train: Train) -> None:
    plain, compiled = train("plain"), train("compiled", COMPILE="true")
    assert compiled.code == 0, compiled.text
    assert compiled.column("train/loss") == pytest.approx(plain.column("train/loss"), rel=1e-3)
    assert compiled.column("val/dice") == pytest.approx(plain.column("val/dice"), abs=0.02)


def test_compile_without_a_compiler_is_refused(train: Train, tmp_path: Path) -> None:
    run = train(COMPILE="true", PATH=str(tmp_path), CXX="")
    assert run.code == 2
    assert "error: COMPILE=true needs a C++ compiler, and there is none on PATH\nhint: COMPILE=false" in run.text


def test_learning_rate_0_changes_no_weight(train: Train) -> None:
    run = train(LR="0", NUM_EPOCHS="2")
    assert run.code == 0, run.text
    for group in ("encoder", "decoder", "head"):
        assert run.column(f"params/{group}/change")[-1] == 0


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_files(train: Train, roads: Path) -> None:
    run = train(script=(str(BROKEN), "loss-nan", str(EXAMPLE)), NUM_EPOCHS="4", BATCH_SIZE="2")
    assert run.code == 3, run.text
    assert "the loss is nan in epoch 2, batch 1" in run.text
    named = re.findall(r"[\w-]+\.png", run.text.partition("the loss is nan")[2])
    assert len(named) == 2 and all((roads / "train/images" / name).exists() for name in named)
    assert math.isnan(run.column("train/loss")[-1])
    assert "Traceback" not in run.text
    assert (run.folder / "checkpoints/latest_model.pt").exists()


def test_bad_data_is_refused_before_anything_is_trained(train: Train, roads: Path) -> None:
    images, masks = sorted((roads / "train/images").iterdir()), sorted((roads / "train/masks").iterdir())
    masks[0].unlink()
    images[1].write_bytes(b"not a picture")
    run = train()
    assert run.code == 2, run.text
    assert images[0].name in run.text and images[1].name in run.text and "Traceback" not in run.text
    assert not (run.folder / "metrics.jsonl").exists()
    accepted = train("accepted", MAX_BAD="10")
    assert accepted.code == 0, accepted.text


def test_weights_that_cannot_be_had_are_said_and_recorded(train: Train) -> None:
    run = train(WEIGHTS="imagenet", HF_HUB_OFFLINE="1")
    assert run.code == 0, run.text
    assert "from scratch" in run.text
    assert "WEIGHTS: none  # environment, asked for imagenet" in (run.folder / "config.yaml").read_text()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"IMAGE_SIZE": "50"}, "this model wants multiples of 32"),
        ({"IMAGE_SIZE": "big"}, "is no size"),
        ({"ENCODER": "resnet19"}, "did you mean"),
        ({"METRICS": "dise", "VAL_EVERY": "9"}, "there is no dise"),
        ({"RESUME": "nowhere"}, "there is no such checkpoint"),
        ({"LOSS": "dice", "POS_WEIGHT": "2"}, "has no POS_WEIGHT"),
    ],
)
def test_what_cannot_be_done_is_refused(train: Train, values: dict[str, str], words: str) -> None:
    run = train(**values)
    assert run.code == 2, run.text
    assert words in run.text and "hint:" in run.text and "Traceback" not in run.text
    assert not (run.folder / "metrics.jsonl").exists()
