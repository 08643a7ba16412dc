"""Lines that people print, whole logs, and files that are no logs."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from cvl.readers import console
from cvl.readers.base import Reading
from cvl.readers.console_line import parse


def read(folder: Path, text: str | bytes) -> Reading:
    (folder / "train.log").write_bytes(text if isinstance(text, bytes) else text.encode())
    return console.read([folder / "train.log"])


def points(reading: Reading, name: str) -> list[tuple[int, float, str]]:
    one = reading.series[name]
    return list(zip(one.step, one.epoch, map(str, one.value), strict=True))


@pytest.mark.parametrize(
    ("text", "counters", "values"),
    [
        ("epoch 3/10 step 120 loss=0.53 acc: 91.2%", (3, 120, 0), {"loss": 0.53, "acc": 91.2}),
        ("Epoch: [3]  [ 20/100]  eta: 0:01:02  loss: 0.5 (0.7)", (3, 20, 100), {"loss": 0.5}),
        (
            "Epoch: [0][  10/5005]\tLoss 6.9e+00 (7.0e+00)\tAcc@1   0.25 (  0.10)",
            (0, 10, 5005),
            {"loss": 6.9, "acc@1": 0.25},
        ),
        ("Train Epoch: 1 [640/60000 (1%)]\tLoss: 2.250000", (1, 640, 60000), {"train_loss": 2.25}),
        ("Epoch [3/10], Step [20/100], Loss: 0.5123", (3, 20, 100), {"loss": 0.5123}),
        (
            "| Epoch 1/10 | Train Loss: 0.5 | Val Loss: 0.4 | Acc: 90.1%",
            (1, None, 0),
            {"train_loss": 0.5, "val_loss": 0.4, "val_acc": 90.1},
        ),
        (
            "20/20 [=======] - 1s 5ms/step - loss: 0.5 - val_loss: 1 - lr: 1e-3",
            (None, 20, 20),
            {"loss": 0.5, "val_loss": 1, "lr": 1e-3},
        ),
        (" 20%|██   | 20/100 [00:01<00:05, 12.3it/s, loss=0.53]", (None, 20, 100), {"loss": 0.53}),
        (
            "[05/01 12:00:01 d2.utils.events]:  iter: 19  total_loss: 1.2  time: 0.1  max_mem: 100M",
            (None, 19, 0),
            {"total_loss": 1.2, "time": 0.1},
        ),
        ("11/21 12:02:41 - mmengine - INFO - Epoch(train) [2][3/7]  loss: 1.2871", (2, 3, 7), {"train_loss": 1.2871}),
        (
            "2024-05-01 12:00:01,123 INFO train.py:123 rank: 0 iter 7 Dice Loss: .3 BCE Loss: 3.",
            (None, 7, 0),
            {"dice_loss": 0.3, "bce_loss": 3},
        ),
        (
            "step=5 loss=tensor(0.53, f=<X>) host=localhost:8080 time=1.5s n=5/10 a: 1,234.5 b: 0:01 c: 2024-05-01",
            (None, 5, 0),
            {"loss": 0.53},
        ),
        (
            "Epoch 5 acc: 0.80 best acc: 0.91 best epoch: 3 mAP50(B): -inf größe = -.5e-1",
            (5, None, 0),
            {"acc": 0.8, "best_acc": 0.91, "map50(b)": -math.inf, "größe": -0.05},
        ),
        ("Epoch 2 {'val/loss': 0.5, \"acc\": 1}", (2, None, 0), {"val/loss": 0.5, "acc": 1}),
        (
            "\x1b[1m1/3\x1b[0m \x1b[32m━━━\x1b[0m \x1b[1m0s\x1b[0m 16ms/step - loss: 0.9\x08\x08",
            (None, 1, 3),
            {"loss": 0.9},
        ),
        ("Epochs: 3 epoch: 0.5 step_size=3 steps: 4", (None, None, 0), {"step_size": 3, "steps": 4}),
        ("step " + "9" * 30 + " epoch 3.5 val_loss: 1", (None, None, 0), {"val_loss": 1}),
    ],
)
def test_a_line(text: str, counters: tuple[int | None, int | None, int], values: dict[str, float]) -> None:
    line = parse(text)
    assert (line.epoch, line.position, line.length) == counters
    assert dict(line.values) == values


def test_validation_stands_where_training_is(tmp_path: Path) -> None:
    lines = ["Epoch 1/2", "train Loss: 5", "val Loss: 6", "Epoch 2/2", "train Loss: 3", "val Loss: 4", "test acc: 1"]
    found = read(tmp_path, "\n".join(lines) + "\n")
    assert points(found, "train_loss") == [(1, 1, "5.0"), (2, 2, "3.0")]
    assert points(found, "val_loss") == [(1, 1, "6.0"), (2, 2, "4.0")]
    assert points(found, "test_acc") == [(2, 2, "1.0")]


def test_steps_of_an_epoch_go_on_and_held_out_batches_do_not_count(tmp_path: Path) -> None:
    rows = [f"Epoch: {e} [{b}/5] loss: {10 * e + b}\nTest: [{b}/9] loss: 7\n" for e in (1, 2, 2, 3) for b in (0, 4)]
    found = read(tmp_path, "".join(rows))
    assert [(step, epoch) for step, epoch, _ in points(found, "loss")] == [
        (0, 1),
        (4, 1),
        (5, 2),
        (9, 2),
        (10, 3),
        (14, 3),
    ]
    assert list(found.series["test_loss"].step) == [0, 4, 5, 9, 10, 14]


def test_steps_without_an_epoch_have_none(tmp_path: Path) -> None:
    found = read(tmp_path, "iter 0: loss=3\niter 10: loss=2\niter 10: loss=nan\n")
    assert str(points(found, "loss")) == "[(0, nan, '3.0'), (10, nan, 'nan')]"


def test_what_has_no_place_is_left_out(tmp_path: Path) -> None:
    found = read(
        tmp_path, "lr: 0.1\nval_every=5\n{'loss': 0.5, 'epoch': 0.5}\n[ IoU=0.50:0.95 | maxDets=100 ] = 0.123\n"
    )
    assert found == Reading({})


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"step 1 loss=5\nstep 2 loss=0.5", ["line 2: torn line at the end"]),
        (b"step 1 loss=5\n" + b"step 2 loss=1 " * 10_000 + b"loss=2\n", ["line 2: a line too long to be read"]),
        (b"\xef\xbb\xbfstep 1 loss=5\r\n\xff\xfe \x00 step 2 los\xff=0.5\n", []),
        (b"step 1 loss=5\nstep 99999999999999999999 loss=1\n" + b"a" * 8000 + b"\n" + b"a " * 4000 + b"\n", []),
    ],
)
def test_spoilt_files(tmp_path: Path, content: bytes, problem: list[str]) -> None:
    found = read(tmp_path, content)
    assert points(found, "loss")[0][2] == "5.0" and len(found.series["loss"]) == 1
    assert [p.message for p in found.problems] == problem


def test_the_newest_log_is_taken(tmp_path: Path) -> None:
    assert console.find(tmp_path / "nothing") == []
    for i, name in enumerate(("old.log", "log.txt", "stdout-7.txt", "notes.md", "one-line.log", "config.log")):
        text = "step 1 loss=2\n" * (1 if name == "one-line.log" else 3)
        (tmp_path / name).write_text("lr: 0.1\nwd: 0.2\n" if name == "config.log" else text, encoding="utf-8")
        os.utime(tmp_path / name, (i, i))
    (tmp_path / "dangling.log").symlink_to("nowhere")
    (tmp_path / "folder.log").mkdir()
    assert console.find(tmp_path) == [tmp_path / "stdout-7.txt"]


def test_a_log_that_is_gone(tmp_path: Path) -> None:
    found = console.read([tmp_path / "gone.log"])
    assert [p.message for p in found.problems] == ["cannot be read: No such file or directory"]
