"""The tables of the verification reference, at their exact boundaries."""

from __future__ import annotations

import math

import pytest

from cvl.rating_tables import (
    CLASSIFICATION,
    DETECTION,
    GAP,
    LANGUAGE,
    LANGUAGE_INITIAL,
    LANGUAGE_ONE_EPOCH,
    SEGMENTATION,
    Table,
    word,
)
from cvl.ratings import TASKS, Summary, headline, initial, known, perplexity, rate, unrated
from cvl.rules import Metric


def just_below(value: float) -> float:
    return value - 1e-6


@pytest.mark.parametrize(
    ("table", "value", "wanted"),
    [
        (DETECTION, 0, "poor detection"),
        (DETECTION, just_below(20), "poor detection"),
        (DETECTION, 20, "decent detection"),
        (DETECTION, just_below(40), "decent detection"),
        (DETECTION, 40, "good detection"),
        (DETECTION, 60, "good detection"),
        (DETECTION, 60.001, "strong detection"),
        (DETECTION, 100, "strong detection"),
        (SEGMENTATION, just_below(0.3), "poor segmentation"),
        (SEGMENTATION, 0.3, "decent segmentation"),
        (SEGMENTATION, just_below(0.5), "decent segmentation"),
        (SEGMENTATION, 0.5, "good segmentation"),
        (SEGMENTATION, 0.7, "good segmentation"),
        (SEGMENTATION, 0.701, "excellent segmentation"),
        (CLASSIFICATION, 70, "not yet a decent model"),
        (CLASSIFICATION, 70.1, "decent model"),
        (CLASSIFICATION, 85, "decent model"),
        (CLASSIFICATION, 85.1, "good model"),
        (CLASSIFICATION, 95, "good model"),
        (CLASSIFICATION, 95.1, "state of the art (on data like ImageNet)"),
        (LANGUAGE, 0.499, "overfitted"),
        (LANGUAGE, 0.5, "between overfitted and well trained"),
        (LANGUAGE, 1, "well trained"),
        (LANGUAGE, 3, "well trained"),
        (LANGUAGE, 3.1, "between one epoch and well trained"),
        (LANGUAGE, 4, "as after one epoch"),
        (LANGUAGE, 8, "as after one epoch"),
        (LANGUAGE, 8.1, "as at random initialisation"),
        (LANGUAGE, 12, "as at random initialisation"),
        (LANGUAGE, 12.1, "worse than random initialisation"),
    ],
)
def test_boundaries(table: Table, value: float, wanted: str) -> None:
    assert word(table, value) == wanted


@pytest.mark.parametrize(
    ("value", "wanted"), [(7.9, "below"), (8, "as expected"), (12, "as expected"), (12.1, "above")]
)
def test_initial_loss_of_a_language_model(value: float, wanted: str) -> None:
    assert word(LANGUAGE_INITIAL, value).startswith(wanted)


@pytest.mark.parametrize(("value", "wanted"), [(3.9, "below"), (4, "as expected"), (8, "as expected"), (8.1, "above")])
def test_loss_of_a_language_model_after_an_epoch(value: float, wanted: str) -> None:
    assert word(LANGUAGE_ONE_EPOCH, value).startswith(wanted)


@pytest.mark.parametrize(
    ("gap", "wanted"), [(-0.1, "below"), (0, "close"), (0.1, "tracks"), (0.5, "tracks"), (0.51, "overfitting")]
)
def test_gap_of_fine_tuning(gap: float, wanted: str) -> None:
    assert word(GAP, gap).startswith(wanted)


@pytest.mark.parametrize(("value", "wanted"), [(0.08, "about"), (0.12, "about"), (0.121, "above"), (0.07, "below")])
def test_initial_accuracy_is_one_in_classes(value: float, wanted: str) -> None:
    assert initial(value, 1 / 10) == wanted


def curve(first: float, last: float, *, stalled: bool = False) -> Summary:
    return Summary(10, first, last, max(first, last), min(first, last), stalled)


@pytest.mark.parametrize("percent", range(0, 101))
def test_fractions_meet_the_boundaries_of_a_table_in_percent(percent: int) -> None:
    found = rate("object_detection", {"val/map": curve(0, percent / 100)})
    assert found is not None
    assert found.word == word(DETECTION, percent)


@pytest.mark.parametrize(
    ("task", "key", "scale", "value", "wanted"),
    [
        ("object_detection", "val/map", None, 0.412, "good detection"),
        ("object_detection", "metrics/mAP50-95(B)", None, 0.1, "poor detection"),
        ("object_detection", "bbox/AP", None, 41.2, "good detection"),
        ("object_detection", "val/map", "percent", 41.2, "good detection"),
        ("object_detection", "bbox/AP", "fraction", 0.412, "good detection"),
        ("semantic_segmentation", "val/miou", None, 0.75, "excellent segmentation"),
        ("semantic_segmentation", "val/miou", "percent", 75, "excellent segmentation"),
        ("instance_segmentation", "segm/AP", None, 30, "decent detection"),
        ("image_classification", "val/accuracy", None, 0.9, "good model"),
        ("image_classification", "val/accuracy", "percent", 90, "good model"),
        ("", "val/iou", None, 0.2, "poor segmentation"),
        ("image_classification", "val_acc", None, 90, "good model"),
        ("image_classification", "eval_accuracy", None, 0.9, "good model"),
        ("image_classification", "accuracy/top1", None, 90, "good model"),
        ("segmentation", "mIoU", None, 42, "decent segmentation"),
        ("segmentation", "val_mean_io_u", None, 0.42, "decent segmentation"),
        ("object_detection", "coco/bbox_mAP", None, 0.41, "good detection"),
        ("object_detection", "bbox/AP", None, 0.41, "poor detection"),
    ],
)
def test_the_scale_is_brought_to_the_tables(task: str, key: str, scale: str | None, value: float, wanted: str) -> None:
    metrics = {"m": Metric("m", key, scale=scale)} if scale else {}
    found = rate(task, {key: curve(0, value)}, metrics)
    assert found is not None
    assert (found.metric, found.word) == (key, wanted)


@pytest.mark.parametrize("task", [*TASKS, "instance_segmentation", "image_classification", "text_generation"])
def test_tasks_that_a_table_is_for(task: str) -> None:
    assert known(task)


def test_a_task_that_no_table_is_for() -> None:
    assert not known("speech_recognition") and not known("")


def test_what_the_loss_of_a_detector_is_made_of() -> None:
    losses = {"loss_cls": 0.5, "loss_box_reg": 0.25, "total_loss": 0.75, "val_loss_cls": 9}
    seen = {"bbox/AP": curve(1, 30), **{name: curve(9, value) for name, value in losses.items()}}
    found = rate("object_detection", seen)
    assert found is not None
    assert found.notes == ("parts of the training loss at the end: loss_cls 0.500, loss_box_reg 0.250",)


def test_what_cannot_be_is_said() -> None:
    found = rate("segmentation", {"val/iou": curve(0, 0.6), "val/dice": curve(0, 0.5), "val/pixel_acc": curve(0, 0.9)})
    assert found is not None
    assert found.notes == ("Dice is below the headline metric, which is unusual: look at how both are computed",)


def test_detection_shows_the_lenient_metric_beside_and_never_rates_it() -> None:
    seen = {"val/map": curve(0.1, 0.3), "val/map50": curve(0.2, 0.65)}
    found = rate("object_detection", seen)
    assert found is not None
    assert found.sentence == "decent detection: mAP@50:95 30.0 of 100 (best val/map), mAP@50 65.0"


def test_a_task_is_rated_by_its_own_table_alone() -> None:
    seen = {"val/map50": curve(0, 0.9), "val/mIoU": curve(0, 0.45)}
    assert rate("object_detection", seen) is None
    assert rate("classification", seen) is None
    assert (found := rate("segmentation", seen)) and found.word == "decent segmentation"
    assert (found := rate("", seen)) and found.metric == "val/mIoU"


@pytest.mark.parametrize(
    ("seen", "there"),
    [
        (["val_map50", "val/mIoU"], "val_map50 alone is not"),
        (["val/map"], "val/map has no value"),
        (["val/mIoU"], "the log has none"),
    ],
)
def test_what_would_be_rated_is_said_once(seen: list[str], there: str) -> None:
    usual = "val/map, metrics/mAP50-95(B), bbox/AP"
    assert unrated("object_detection", seen) == (
        f"no rating: object_detection is rated by {usual} or the like; {there}",
    )
    assert unrated("", seen) == unrated("depth_estimation", seen) == ()


@pytest.mark.parametrize("name", ["val_map50", "val/mAP@50", "val_mAP_50", "metrics/mAP_0.5", "map_50", "eval_m_ap_50"])
def test_spellings_of_the_lenient_metric(name: str) -> None:
    found = rate("object_detection", {"val_map": curve(0, 0.3), name: curve(0, 0.6)})
    assert found is not None and found.sentence.endswith("mAP@50 60.0")
    assert headline("object_detection", [name]) == name


def test_segmentation_shows_dice_and_pixel_accuracy_beside() -> None:
    found = rate(
        "segmentation", {"val/iou": curve(0, 0.5), "val/dice": curve(0, 0.66), "val/pixel_accuracy": curve(0, 0.97)}
    )
    assert found is not None
    assert found.sentence == "good segmentation: mIoU 0.500 (best val/iou), Dice 0.660, pixel accuracy 0.970"


def test_classification_starts_from_chance() -> None:
    seen = {"val/accuracy": curve(0.1, 0.9), "train/loss": curve(2.3, 0.2)}
    found = rate("image_classification", seen, classes=10)
    assert found is not None
    assert found.notes == (
        "initial loss 2.300: about ln(10) = 2.303",
        "initial accuracy 0.100: about 1/10 = 0.100",
    )
    unknown = rate("image_classification", seen)
    assert unknown is not None and unknown.notes == ("initial loss 2.300: that of a guess among 10 classes",)


def test_a_language_model_with_perplexity_gap_and_initial_loss() -> None:
    train = Summary(10, 10.5, 1.7, 10.5, 1.7, after_one=5.0)
    found = rate("language_modeling", {"train/loss": train, "val/loss": curve(6, 2)})
    assert found is not None
    assert found.sentence == "well trained: loss 2.000 (best val/loss), perplexity 7.389"
    assert found.notes == (
        "initial loss 10.500: as expected of random initialisation (8-12)",
        "loss after 1 epoch 5.000: as expected of one epoch (4-8)",
        "val/loss is +0.300 from train/loss: tracks the training loss (within 0.1-0.5)",
    )


def test_overfitting_and_standing_still_are_said() -> None:
    seen = {"loss": curve(3, 0.2, stalled=True), "eval_loss": curve(3, 1.5, stalled=True), "val/iou": curve(0, 0.5)}
    found = rate("segmentation", seen)
    assert found is not None
    assert found.notes == (
        "eval_loss is +1.300 from loss: overfitting: train less, or regularise",
        "both losses stand still: more epochs, or a higher learning rate",
    )


def test_perplexity() -> None:
    assert perplexity(2) == math.exp(2)
    assert math.isfinite(perplexity(1e9))


def test_nothing_to_rate() -> None:
    assert rate("object_detection", {}) is None
    assert rate("object_detection", {"val/map": Summary(3)}) is None
    assert rate("object_detection", {"val/map": curve(-1, -1)}) is None
    assert rate("language_modeling", {"val/map": curve(0, 1)}) is None
