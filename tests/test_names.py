"""What a series is, by the names that frameworks give."""

from __future__ import annotations

import pytest

from cvl import names


@pytest.mark.parametrize(
    ("name", "total", "validation"),
    [
        ("train/loss", True, False),
        ("val/loss", True, True),
        ("train_loss_step", True, False),
        ("train_loss_epoch", True, False),
        ("loss", True, False),
        ("eval_loss", True, True),
        ("total_loss", True, False),
        ("validation_loss", True, True),
        ("Loss/train", True, False),
        ("loss_cls", False, False),
        ("train/box_loss", False, False),
        ("val/cls_loss", False, True),
        ("loss_rpn_loc", False, False),
    ],
)
def test_losses(name: str, total: bool, validation: bool) -> None:
    assert names.is_loss(name)
    assert (names.is_total(name), names.is_validation(name)) == (total, validation)


@pytest.mark.parametrize("name", ["lossless", "train/lr", "gloss", "val/map", ""])
def test_what_is_no_loss(name: str) -> None:
    assert not names.is_loss(name) and not names.is_total(name)


@pytest.mark.parametrize(
    ("name", "rate"),
    [("lr", True), ("train/lr", True), ("lr/pg0", True), ("lr-AdamW", True), ("learning_rate", True),
     ("train/learning_rate", True), ("LearningRate", True), ("lr_scale", True), ("color", False), ("", False)],
)  # fmt: skip
def test_learning_rates(name: str, rate: bool) -> None:
    assert names.is_rate(name) is rate


def test_the_first_wanted_name_that_there_is_as_the_log_spells_it() -> None:
    assert names.find(["metrics/mAP50-95(B)", "VAL/mAP"], ["map", "val_map", "metrics_map50_95_b"]) == "VAL/mAP"
    assert names.find(["a/b", "a_b"], ["a_b"]) == "a/b"
    assert names.find([], ["a"]) is None
