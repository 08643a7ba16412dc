"""trainer_state.json: which one, and what torn and odd ones hold."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from cvl import readers
from cvl.readers import huggingface
from cvl.readers.base import Reading

LOSS = {"epoch": 0.5, "grad_norm": 1.5, "loss": 0.25, "step": 1}


def write(folder: Path, history: list[object], step: int = 1, **more: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    state = {"best_metric": None, "global_step": step, "log_history": history, "logging_steps": 5, **more}
    path = folder / "trainer_state.json"
    path.write_text(json.dumps(state, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return path


def read(folder: Path) -> Reading:
    return huggingface.read(huggingface.find(folder))


def points(reading: Reading, name: str) -> list[tuple[int, str, str]]:
    one = reading.series[name]
    return [(step, str(epoch), str(value)) for step, epoch, value in zip(one.step, one.epoch, one.value, strict=True)]


@pytest.mark.parametrize(
    ("steps", "chosen"),
    [
        ({"checkpoint-9": 9, "checkpoint-10": 10}, "checkpoint-10"),
        ({".": 10, "checkpoint-10": 10}, "."),
        ({".": 10, "checkpoint-20": 20}, "checkpoint-20"),  # went on after save_state()
        ({"other-30": 30, "checkpoint-2": 2}, "checkpoint-2"),
    ],
)
def test_the_state_with_the_most_steps(tmp_path: Path, steps: dict[str, int], chosen: str) -> None:
    for folder, step in steps.items():
        write(tmp_path / folder, [LOSS], step)
    assert huggingface.find(tmp_path) == [tmp_path / chosen / "trainer_state.json"]


def saved(folder: Path, losses: list[float], written: int) -> None:
    step = len(losses)
    path = write(folder / f"checkpoint-{step}", [{"loss": v, "step": i} for i, v in enumerate(losses, 1)], step)
    os.utime(path, (written, written))


def test_a_checkpoint_of_a_stretch_that_was_given_up_does_not_count(tmp_path: Path) -> None:
    """Checkpoint 4 was reached, then training went back to 2 and has come to 3."""
    saved(tmp_path, [5, 4], 1)
    saved(tmp_path, [5, 4, 3, 2], 2)
    saved(tmp_path, [5, 4, 3.5], 3)
    found = read(tmp_path)
    assert [value for _, _, value in points(found, "loss")] == ["5.0", "4.0", "3.5"]
    assert [(Path(p.file).parent.name, p.message) for p in found.problems] == [
        ("checkpoint-4", "left out: checkpoint-3 was written later, after a resume from before it")
    ]


def test_checkpoints_copied_in_any_order_are_one_run(tmp_path: Path) -> None:
    saved(tmp_path, [5, 4], 9)
    saved(tmp_path, [5, 4, 3, 2], 1)
    saved(tmp_path, [5, 4, 3], 5)
    found = read(tmp_path)
    assert [value for _, _, value in points(found, "loss")] == ["5.0", "4.0", "3.0", "2.0"]
    assert found.problems == ()


def test_zeros_behind_nan_stay_values(tmp_path: Path) -> None:
    nan = {"epoch": 1.0, "grad_norm": float("nan"), "loss": 0.0, "step": 2}
    write(tmp_path, [LOSS, nan, {"eval_loss": float("inf"), "step": 2}])
    found = readers.read(tmp_path)["huggingface"]
    assert points(found, "loss") == [(1, "0.5", "0.25"), (2, "1.0", "0.0")]
    assert points(found, "grad_norm") == [(1, "0.5", "1.5"), (2, "1.0", "nan")]
    assert points(found, "eval_loss") == [(2, "nan", "inf")]
    assert found.problems == ()


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"loss": 1.0}, "a record without a whole number `step`"),
        ({"loss": 1.0, "step": 1.5}, "a record without a whole number `step`"),
        ({"loss": "1.0", "step": 2}, "loss is not a number"),
        ({"loss": [1.0], "step": 2}, "loss is not a number"),
        ({"loss": 10**400, "step": 2}, "loss is not a number"),
        ("loss", "its list holds more than objects"),
        (None, "its list holds more than objects"),
    ],
    ids=range(7),
)
def test_odd_records_are_left_out_and_said(tmp_path: Path, record: object, message: str) -> None:
    write(tmp_path, [LOSS, record, {**LOSS, "step": 3}])
    found = read(tmp_path)
    assert [step for step, _, _ in points(found, "loss")] == [1, 3]
    assert [p.message for p in found.problems] == [message]


def test_a_torn_state_keeps_its_whole_records(tmp_path: Path) -> None:
    path = write(tmp_path, [LOSS, {**LOSS, "step": 2}])
    path.write_bytes(path.read_bytes().rpartition(b"}")[0].rpartition(b"}")[0])
    found = read(tmp_path)
    assert points(found, "loss") == [(1, "0.5", "0.25")]
    assert [p.message for p in found.problems] == ["torn within its list"]


def test_a_name_that_looks_like_the_list(tmp_path: Path) -> None:
    write(tmp_path, [LOSS], best_model_checkpoint='"log_history": [{"step": 9, "loss": 9}]')
    assert points(read(tmp_path), "loss") == [(1, "0.5", "0.25")]


def test_a_long_history_is_read_in_pieces(tmp_path: Path) -> None:
    write(tmp_path, [{**LOSS, "step": step, "größe": step / 7} for step in range(3_000)])
    assert (tmp_path / "trainer_state.json").stat().st_size > 4 << 16
    assert [float(value) for _, _, value in points(read(tmp_path), "größe")] == [step / 7 for step in range(3_000)]


@pytest.mark.parametrize("content", [b"", b"{}", b"{\n", b"\xff\xfe", b"[1, 2]\n", b'{"global_step": 1}\n'])
def test_what_is_no_state(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "trainer_state.json"
    path.write_bytes(content)
    assert readers.read(tmp_path) == {}
    assert [p.message for p in huggingface.read([path]).problems] == ["torn before its list"]


def test_endless_nesting_and_a_file_that_vanished(tmp_path: Path) -> None:
    path = tmp_path / "trainer_state.json"
    path.write_text('{\n "global_step": 1,\n "log_history": [' + "[" * 200_000, encoding="utf-8")
    assert [p.message for p in read(tmp_path).problems] == ["torn within its list"]
    path.unlink()
    assert [p.message for p in huggingface.read([path]).problems] == ["cannot be read: No such file or directory"]
