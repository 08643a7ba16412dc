"""scalars.json and *.log.json: what real logs do not show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cvl.readers import mmengine
from cvl.readers.base import Reading

Row = dict[str, object]


def write(folder: Path, name: str, *rows: Row | str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def trained(step: int, epoch: int | None = None, **values: float) -> Row:
    return {**values, **({} if epoch is None else {"epoch": epoch}), "iter": step, "step": step}


def points(reading: Reading, name: str) -> list[tuple[int, float, float]]:
    one = reading.series[name]
    return list(zip(one.step, map(str, one.epoch), one.value, strict=True))


def test_a_step_that_is_no_epoch_stays(tmp_path: Path) -> None:
    rows = [trained(10, loss=5), {"iou": 1, "step": 10}, trained(20, loss=4), {"iou": 2, "step": 25}]
    found = mmengine.read([write(tmp_path, "scalars.json", {"iou": 0, "step": 0}, *rows)])
    assert points(found, "iou") == [(0, "nan", 0), (10, "nan", 1), (25, "nan", 2)]
    rows = [trained(10, 1, loss=5), {"iou": 1, "step": 12}, trained(22, 2, loss=4), {"iou": 2, "step": 2}]
    found = mmengine.read([write(tmp_path, "scalars.json", *rows)])
    assert points(found, "iou") == [(12, "nan", 1), (22, "2.0", 2)]


def test_a_name_of_training_in_a_validation_row_is_another_metric(tmp_path: Path) -> None:
    rows = [{"loss": 9, "step": 0}, trained(10, 1, loss=5, time=1), {"loss": 7, "time": 2, "acc": 3, "step": 1}]
    found = mmengine.read([write(tmp_path, "scalars.json", *rows)])
    assert points(found, "val/loss") == [(10, "1.0", 7)]
    assert points(found, "loss") == [(0, "nan", 9), (10, "1.0", 5)]
    assert points(found, "val/time") == [(10, "1.0", 2)]
    assert points(found, "acc") == [(10, "1.0", 3)]


@pytest.mark.parametrize(
    ("name", "absent"),
    [
        ("coco/bbox_mAP_s", True), ("bbox_mAP_50", True), ("segm_mAP", True), ("AR@100", True), ("lvis/bbox_APs", True),
        ("loss", False), ("coco/APPLE", False), ("mAPper", False), ("bbox_mAr", False),
    ],
)  # fmt: skip
def test_minus_one_is_absent_where_coco_means_that(tmp_path: Path, name: str, absent: bool) -> None:
    found = mmengine.read([write(tmp_path, "scalars.json", {name: -1.0, "step": 1}, {name: 0.5, "step": 2})])
    assert list(found.series[name].value) == ([0.5] if absent else [-1, 0.5])


def test_all_starts_of_a_run_oldest_first(tmp_path: Path) -> None:
    assert mmengine.find(tmp_path / "nothing") == []
    name = "vis_data/scalars.json"
    newer = write(tmp_path, f"20260102_000000/{name}", trained(20, 2, loss=1))
    older = write(
        tmp_path, f"20260101_000000/{name}", trained(10, 1, loss=3), trained(20, 2, loss=2), trained(30, 3, loss=2)
    )
    write(tmp_path, f"20260103_000000/{name}")
    write(tmp_path, f"notes/{name}", trained(1, 1, loss=0))
    write(tmp_path, "20260101_000000.log.json", {"mode": "train", "epoch": 1, "iter": 1, "loss": 3})
    assert mmengine.find(tmp_path) == [older, newer]
    assert points(mmengine.read([older, newer]), "loss") == [(10, "1.0", 3), (20, "2.0", 1)]
    assert mmengine.find(older.parents[1]) == [older]


def test_mmdetection_by_iterations_counts_on(tmp_path: Path) -> None:
    rows: list[Row] = [{"mode": "train", "epoch": 1 + i // 30, "iter": i, "loss": i} for i in (20, 40, 60, 80)]
    path = write(tmp_path, "a.log.json", *rows, {"mode": "val", "epoch": 3, "iter": 7, "mIoU": 0.5})
    found = mmengine.read([path])
    assert points(found, "loss") == [(20, "1.0", 20), (40, "2.0", 40), (60, "3.0", 60), (80, "3.0", 80)]
    assert points(found, "mIoU") == [(80, "3.0", 0.5)]


def test_mmdetection_without_training_rows(tmp_path: Path) -> None:
    found = mmengine.read([write(tmp_path, "a.log.json", {"mode": "val", "epoch": 3, "iter": 7, "mIoU": 0.5})])
    assert points(found, "mIoU") == [(3, "3.0", 0.5)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1]\n", "not a JSON object"),
        ('{"loss": 1, "iter": 3}\n', "no whole number `step`, nor `epoch` and `iter`"),
        ('{"loss": 1, "step": NaN}\n', "no whole number `step`, nor `epoch` and `iter`"),
        ('{"mode": "train", "epoch": 1, "iter": 1.5, "x": 1}\n', "no whole number `step`, nor `epoch` and `iter`"),
        ('{"mode": "train", "epoch": NaN, "iter": 1e99, "x": 1}\n', "no whole number `step`, nor `epoch` and `iter`"),
        ('{"mode": [], "x": 1}\n', "no whole number `step`, nor `epoch` and `iter`"),
        ('{"x": "1", "step": 2}\n', "x is not a number"),
        ('{"x": 1, "st', "torn line at the end"),
    ],
)
def test_what_cannot_be_read_is_left_out_and_said(tmp_path: Path, line: str, message: str) -> None:
    found = mmengine.read([write(tmp_path, "scalars.json", {"x": 5, "step": 1}, line)])
    assert points(found, "x") == [(1, "nan", 5)]
    assert [p.message for p in found.problems] == [f"line 2: {message}"]


def test_steps_beyond_64_bits_are_left_out(tmp_path: Path) -> None:
    rows: list[Row] = [{"mode": "train", "epoch": e, "iter": 2**62, "loss": e} for e in (1, 2, 3)]
    found = mmengine.read([write(tmp_path, "a.log.json", *rows)])
    assert points(found, "loss") == [(2**62, "1.0", 1)]
    assert [p.message for p in found.problems] == [
        "line 2: no whole number `step`, nor `epoch` and `iter` (and 1 more lines)"
    ]
