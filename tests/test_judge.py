"""A folder judged as a whole, with and without rules of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from cvl.judge import judge
from cvl.readers import READERS
from cvl.rules import Context, Status, Verification, parse


def log(folder: Path, losses: Sequence[float], **more: float) -> Path:
    rows = [{"step": i, "epoch": i, "time": i, "train/loss": value, **more} for i, value in enumerate(losses, 1)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("losses", "summary"),
    [
        ([3, 2.5, 2, 1.5, 1, 0.5], "PASS (2 of 2 rules)"),
        ([3, 3.02, 2.98, 3.01, 2.99, 3], "PASS (1 of 2 rules, 1 warn)"),
        ([3, 3.02, 2.98, 3.01, 2.99, 3] * 3, "FAIL (1 of 2 rules)"),
        ([3] * 6, "FAIL (1 of 2 rules)"),
        ([3, 3, 3, 6.1, 6.1, 6.1], "FAIL (1 of 2 rules)"),
        ([3, 2, 1, float("nan"), float("nan"), float("nan")], "FAIL (2 of 2 rules)"),
        ([3, 2], "PASS (1 of 2 rules, 1 not run)"),
    ],
)
def test_a_log_without_rules_is_held_to_its_loss(tmp_path: Path, losses: list[float], summary: str) -> None:
    found = judge(Verification(), "", Context(log(tmp_path, losses), preset_own_epochs=True))
    assert str(found.outcome) == summary


def test_the_built_in_rules_add_up_the_parts_of_an_ultralytics_loss(tmp_path: Path) -> None:
    rows = [f"{i},{6 - i},{5 - i / 2},{0.1 * i}" for i in range(1, 7)]
    head = "epoch,train/box_loss,train/cls_loss,metrics/mAP50-95(B)"
    (tmp_path / "results.csv").write_text("\n".join([head, *rows, ""]), encoding="utf-8")
    found = judge(Verification(), "", Context(tmp_path), task="object_detection")
    assert [(v.rule, v.metric, v.status) for v in found.verdicts] == [
        ("finite", "train/box_loss", Status.PASS),
        ("finite", "train/cls_loss", Status.PASS),
        ("trend", "train/*_loss", Status.PASS),
        ("range", "metrics/mAP50-95(B)", Status.PASS),
    ]
    assert found.rating.startswith("good detection: mAP@50:95 60.0")


def test_rules_of_the_preset_with_rating_problems_and_summaries(tmp_path: Path) -> None:
    verification = parse(
        {
            "metrics": {"loss": {"key": "train/loss"}, "map": {"key": "val/map", "better": "higher"}},
            "presets": {"train": [{"finite": ["loss"]}, {"range": {"metric": "map", "min": 0.5}}]},
        }
    )
    folder = log(tmp_path, [3, 2, 1], **{"val/map": 0.7})
    with (folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"step": 4, "train')
    run = Context(folder, changed={"LR": "LR is 1, not 2"})
    found = judge(verification, "train", run, task="object_detection")
    assert str(found.outcome) == "PASS, health only (1 of 2 rules, 1 not comparable)"
    assert found.outcome.ok and not judge(verification, "train", run, strict=True).outcome.ok
    assert found.rating.startswith("strong detection")
    assert found.problems == (f"{folder}/metrics.jsonl: line 4: torn line at the end",)
    assert found.seen["cvl_jsonl"]["train/loss"].final == 1
    assert [v.metric for v in judge(verification, "smoke", run).verdicts] == ["train/loss", "train/loss", "val/map"]


def test_a_folder_without_logs_is_not_judged(tmp_path: Path) -> None:
    found = judge(Verification(), "", Context(tmp_path))
    assert (found.outcome.word, found.verdicts, found.rating, found.seen) == ("not judged", (), "", {})
    assert found.problems == (f"{tmp_path}: no training log found (known are {', '.join(READERS)})",)


def test_standing_still(tmp_path: Path) -> None:
    found = judge(Verification(), "", Context(log(tmp_path, [5, 4, 3, 2, 1] + [1] * 10)))
    assert found.seen["cvl_jsonl"]["train/loss"].stalled
    found = judge(Verification(), "", Context(log(tmp_path, range(15, 0, -1))))
    assert not found.seen["cvl_jsonl"]["train/loss"].stalled


def test_the_classes_of_a_classifier_come_from_its_parameters(tmp_path: Path) -> None:
    folder = log(tmp_path, [2.3, 1], **{"val/accuracy": 0.9})
    found = judge(Verification(), "", Context(folder, parameters={"NUM_CLASSES": 10}), task="image_classification")
    assert "initial loss 2.300: about ln(10) = 2.303" in found.notes


def test_parts_of_a_loss_that_two_logs_have_are_named_once(tmp_path: Path) -> None:
    (tmp_path / "native").mkdir()
    (tmp_path / "native/results.csv").write_text("epoch,train/box_loss,train/cls_loss\n1,2,1\n", encoding="utf-8")
    folder = log(tmp_path, [3], **{"train/loss_box": 2, "train/loss_cls": 1, "val/map": 0.5})
    found = judge(Verification(), "", Context(folder), task="object_detection")
    assert len(found.seen) == 2
    assert found.notes == ("parts of the training loss at the end: train/loss_box 2.000, train/loss_cls 1.000",)


def test_a_rule_that_was_not_run_is_named_once(tmp_path: Path) -> None:
    found = judge(Verification(), "", Context(log(tmp_path, [1, 600, 90])))
    assert [(v.rule, v.found) for v in found.verdicts] == [("finite", "3 values"), ("trend", "3 points")]


def test_nothing_to_rate_for_the_task_asked_for_is_a_note(tmp_path: Path) -> None:
    folder = log(tmp_path, [3, 2], **{"val/map50": 0.5, "val/mIoU": 0.45})
    found = judge(Verification(), "", Context(folder), task="object_detection")
    assert (found.rating, found.headline) == ("", "")
    (note,) = found.notes
    assert note.startswith("no rating: object_detection is rated by val/map, ")
    assert note.endswith("; val/map50 alone is not")


@pytest.mark.parametrize("name", ["huggingface/healthy", "huggingface/resumed", "lightning/healthy", "keras/healthy"])
def test_a_short_log_of_a_healthy_training_does_not_fail(name: str) -> None:
    folder = Path(__file__).parent / "readers/data" / name
    assert judge(Verification(), "", Context(folder)).outcome.ok
