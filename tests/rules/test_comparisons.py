"""Rules on one metric beside another: of the same log, of other seeds, of a baseline."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import replace

import pytest

from cvl.readers.base import Reading
from cvl.rules import Context, Status
from tests.rules.made import HERE, reading, series, verdict

GAP = "- gap: {metrics: [loss, val_loss], diff_max: 0.5}"


@pytest.mark.parametrize(
    ("train", "validation", "status"),
    [
        ([1, 0.5, 0.1], [1.2, 1.0, 2.0], Status.PASS),
        ([1, 0.4, 0.1], [1.2, 1.0, 2.0], Status.FAIL),
        ([3, 3, 3], [1, 1, 1], Status.PASS),
        ([1, 1], [math.nan, math.nan], Status.FAIL),
    ],
)
def test_gap_at_the_best_epoch_of_the_second(train: list[float], validation: list[float], status: Status) -> None:
    assert verdict(GAP, train__loss=train, val__loss=validation).status is status


def test_gap_takes_the_mean_of_the_epoch() -> None:
    curve = series("train/loss", [9, 9, 0.2, 0.8], per_epoch=2)
    found = verdict(GAP, curve, val__loss=[5, 1])
    assert found.found.startswith("0.5 and 1 ")
    assert found.metric == "loss, val_loss"


def test_gap_without_a_common_epoch_takes_the_last_value_before() -> None:
    train = replace(series("train/loss", [9, 0.75, 0.1]), epoch=array("d", [0.5, 0.98, 1.4]))
    found = verdict(GAP, train, val__loss=[1, 2])
    assert found.found.startswith("0.75 and 1 ")
    later = replace(train, epoch=array("d", [2.0, 3.0, 4.0]))
    assert verdict(GAP, later, val__loss=[1]).found == "no finite value to compare"


@pytest.mark.parametrize(("ratio", "status"), [(2, Status.PASS), (1.9, Status.FAIL)])
def test_gap_as_a_ratio(ratio: float, status: Status) -> None:
    rule = f"- gap: {{metrics: [loss, val_loss], ratio_max: {ratio}}}"
    assert verdict(rule, train__loss=[1, 2], val__loss=[2, 4]).status is status


def test_gap_of_scores_is_a_loss_of_score() -> None:
    rule = "- gap: {metrics: [iou, score], diff_max: 0.1}"
    assert verdict(rule, val__iou=[0.9], val__score=[0.7]).status is Status.FAIL
    assert verdict(rule, val__iou=[0.7, 0.7], val__score=[0.9, 0.9]).status is Status.PASS


def test_one_pair_can_break_a_gap_but_not_keep_it() -> None:
    assert verdict(GAP, train__loss=[1, math.nan], val__loss=[9, math.nan]).status is Status.FAIL
    found = verdict(GAP, train__loss=[1, 1, 1], val__loss=[1, math.nan, math.inf])
    assert (found.status, found.reason) == (Status.NOT_RUN, "1 finite value of 3 in val/loss, 2 needed")


def test_a_gap_of_values_that_are_not_finite_says_what_they_are() -> None:
    found = verdict(GAP, train__loss=[1, 1], val__loss=[math.nan, math.inf])
    assert found.hint == "val/loss is inf at the end and never finite: see why it diverged"


@pytest.mark.parametrize(
    ("options", "base", "status"),
    [
        ("", 0.4, Status.PASS),
        ("", 0.5, Status.FAIL),
        (", by: 0.1", 0.375, Status.PASS),
        (", by: 0.2", 0.4, Status.FAIL),
        (", baseline: untrained", 0.4, Status.FAIL),
    ],
)
def test_above(options: str, base: float, status: Status) -> None:
    found = verdict(f"- above: {{metric: score{options}}}", val__score=[0.1, 0.5], baseline__score=[base])
    assert found.status is status


def test_a_loss_is_above_its_baseline_when_it_is_lower() -> None:
    rule = "- above: {metric: val_loss, baseline: chance}"
    assert verdict(rule, val__loss=[0.5], baseline__chance=[0.7]).status is Status.PASS
    assert verdict(rule, val__loss=[0.7], baseline__chance=[0.7]).status is Status.FAIL


BESIDE = "- above: {metric: score, run: old, by: 0.1}"


@pytest.mark.parametrize(("old", "status"), [([0.2, 0.4, 0.1], Status.PASS), ([0.45], Status.FAIL)])
def test_above_the_best_of_another_run(old: list[float], status: Status) -> None:
    run = Context(HERE, runs={"old": reading(val__score=old)})
    found = verdict(BESIDE, val__score=[0.1, 0.5], context=run)
    assert (found.status, found.wanted) == (status, "beats the run old by 0.1")


def test_above_a_run_that_is_not_there_is_not_run() -> None:
    found = verdict(BESIDE, val__score=[0.5])
    assert (found.status, found.reason) == (Status.NOT_RUN, "there is no run old beside this one")


def test_above_a_run_that_never_logged_the_metric_fails() -> None:
    run = Context(HERE, runs={"old": reading(other=[1.0])})
    assert verdict(BESIDE, val__score=[0.5], context=run).status is Status.FAIL


EXPECT = "- expect: {metric: score, at: best, value: 0.5, tol: 0.05, seeds: 3}"


def seeds(*values: Sequence[float]) -> tuple[dict[str, Reading], ...]:
    return tuple(reading(val__score=one) for one in values)


@pytest.mark.parametrize(
    ("others", "status", "shown"),
    [
        (([0.4, 0.1], [0.6]), Status.PASS, "0.5 over 3 (0.4 … 0.6)"),
        (([0.5], [0.65]), Status.PASS, "0.55 over 3 (0.5 … 0.65)"),
        (([0.5], [0.68]), Status.FAIL, "0.56 over 3 (0.5 … 0.68)"),
        (([0.5], [0.5], [0.1]), Status.FAIL, "0.4 over 4 (0.1 … 0.5)"),
        (([0.5],), Status.NOT_RUN, "0.5 over 2 (0.5 … 0.5)"),
        (([0.5], [math.nan]), Status.NOT_RUN, "0.5 over 2 (0.5 … 0.5)"),
    ],
)
def test_expect_judges_the_mean_of_the_seeds(others: tuple[list[float], ...], status: Status, shown: str) -> None:
    found = verdict(EXPECT, val__score=[0.1, 0.5], context=Context(HERE, siblings=seeds(*others)))
    assert (found.status, found.found, found.wanted) == (status, shown, "mean best of 3 seeds 0.5 ± 0.05")


def test_expect_says_how_many_seeds_there_are() -> None:
    found = verdict(EXPECT, val__score=[0.5])
    assert found.reason == "1 of 3 seeds: comparable runs lie in one outputs folder and differ in SEED alone"


def test_expect_leans_on_no_sibling_where_this_run_has_no_value() -> None:
    run = Context(HERE, siblings=seeds([0.5], [0.5], [0.5]))
    assert verdict(EXPECT, val__score=[math.nan], context=run).status is Status.FAIL
    assert verdict(EXPECT, other=[0.5], context=run).found == "missing"


def test_expect_is_a_calibrated_bound() -> None:
    run = Context(HERE, changed={"LR": "LR is 1, not 2"}, siblings=seeds([0.1], [0.1]))
    found = verdict(EXPECT, val__score=[0.1], context=run)
    assert (found.status, found.reason) == (Status.NOT_COMPARABLE, "LR is 1, not 2")
