"""Rules on single values."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvl.rules import Context, Status
from tests.rules.made import HERE, series, verdict

HERE_RUN = Context(HERE)
ELSEWHERE = Context(HERE, changed={"BATCH_SIZE": "BATCH_SIZE is 2, not 16"})


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ("at: final, min: 0.3, max: 0.3", Status.PASS),
        ("min: 0.31", Status.FAIL),
        ("max: 0.29", Status.FAIL),
        ("at: best, min: 0.6", Status.PASS),
        ("at: best, max: 0.59", Status.FAIL),
        ("at: first, max: 0.1", Status.PASS),
        ("at: 2, min: 0.6, max: 0.6", Status.PASS),
        ("at: 7, min: 0", Status.FAIL),
        ("min: 3e-1", Status.PASS),
    ],
)
def test_range(options: str, status: Status) -> None:
    assert verdict(f"- range: {{metric: score, {options}}}", val__score=[0.1, 0.6, 0.3]).status is status


def test_final_and_best_skip_what_is_not_finite() -> None:
    values = [0.1, math.inf, 0.6, math.nan]
    assert verdict("- range: {metric: score, at: final, min: 0.6}", val__score=values).where.step == 3
    assert verdict("- range: {metric: score, at: best, max: 0.6}", val__score=values).status is Status.PASS
    assert verdict("- range: {metric: score, min: 0}", val__score=[math.nan]).status is Status.FAIL


def test_ties_go_to_the_earliest() -> None:
    assert verdict("- range: {metric: score, at: best, min: 0}", val__score=[0.1, 0.6, 0.6]).where.step == 2
    assert verdict("- range: {metric: loss, at: best, min: 0}", train__loss=[2, 1, 1]).where.step == 2


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=True), min_size=1), st.sampled_from(["higher", "lower"]))
def test_best_is_the_extreme_of_the_finite(values: list[float], better: str) -> None:
    name, key = ("score", "val__score") if better == "higher" else ("loss", "train__loss")
    found = verdict(f"- range: {{metric: {name}, at: best, max: 1e308}}", **{key: values})
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        assert found.status is Status.FAIL
    else:
        extreme = max(finite) if better == "higher" else min(finite)
        assert found.where.step == values.index(extreme) + 1


def test_a_range_measured_elsewhere_is_not_comparable_but_a_missing_metric_fails() -> None:
    rule = "- range: {metric: score, min: 0.6}"
    apart = verdict(rule, val__score=[0.1], context=ELSEWHERE)
    assert (apart.status, apart.reason, apart.found) == (Status.NOT_COMPARABLE, "BATCH_SIZE is 2, not 16", "0.1")
    assert verdict(rule, other=[0.1], context=ELSEWHERE).status is Status.FAIL
    assert (
        verdict("- trend: {metric: loss, ratio_max: 1}", train__loss=[1] * 6, context=ELSEWHERE).status is Status.PASS
    )


CALIBRATED = """
- range: {metric: %s, at: best, %s}
  calibrated:
    {date: 2026-01-31, runs: 3, seeds: [0, 1, 2], lowest: 0.5, highest: 0.6, mean: 0.55, sd: 0.05, device: cpu%s}
"""


@pytest.mark.parametrize(
    ("metric", "bound", "best", "improved"),
    [
        ("score", "min: 0.4", 0.7, False),
        ("score", "min: 0.4", 0.71, True),
        ("score", "min: 0.4", 0.45, False),
        ("loss", "max: 0.9", 0.4, False),
        ("loss", "max: 0.9", 0.39, True),
        ("loss", "max: 0.9", 0.8, False),
        ("plain", "max: 0.9", 0.8, False),
    ],
)
def test_a_value_clearly_better_than_all_calibrated_runs_is_said(
    metric: str, bound: str, best: float, improved: bool
) -> None:
    keys = {"score": "val__score", "loss": "train__loss", "plain": "plain"}
    rule = (CALIBRATED % (metric, bound, "")).replace("at: best", "at: final" if metric == "plain" else "at: best")
    found = verdict(rule, context=replace(HERE_RUN, renew="`cvl calibrate x train`"), **{keys[metric]: [best]})
    assert found.status is Status.PASS
    if improved:
        assert found.found == f"{best}, IMPROVED"
        assert found.reason == "IMPROVED: 3 calibrated runs gave 0.5 … 0.6"
        assert found.hint == "if that is no accident, `cvl calibrate x train` renews the bound"
    else:
        assert (found.found, found.reason, found.hint) == (str(best), "", "")


@pytest.mark.parametrize(
    ("when", "measured", "run", "reason"),
    [
        ("", "", Context(HERE, device="cuda"), "device is cuda, calibrated on cpu"),
        ("", "", Context(HERE, turned={"WEIGHTS": "none"}), "WEIGHTS turned out none, as asked when calibrated"),
        ("", ", parameters: {WEIGHTS: none}", HERE_RUN, "WEIGHTS turned out as asked, none when calibrated"),
        ("", ", parameters: {WEIGHTS: none}", Context(HERE, turned={"WEIGHTS": "none"}), ""),
        ("", ", parameters: {PRECISION: fp32}", Context(HERE, turned={"PRECISION": "fp16"}),
         "PRECISION turned out fp16, fp32 when calibrated"),
        ("", "", Context(HERE, changed={"DATA_DIR": "DATA_DIR is /mine, not unset"}), "DATA_DIR is /mine, not unset"),
        ("{DATA_DIR: /mine}", "", Context(HERE, parameters={"DATA_DIR": "/mine"}, changed={"DATA_DIR": "…"}), ""),
    ],
)  # fmt: skip
def test_a_calibrated_bound_holds_for_the_data_weights_and_device_it_was_measured_with(
    when: str, measured: str, run: Context, reason: str
) -> None:
    rule = CALIBRATED % ("score", "min: 0.6", measured) + (f"  when: {when}\n" if when else "")
    found = verdict(rule, context=run, val__score=[0.1])
    assert (found.status, found.reason) == (Status.NOT_COMPARABLE if reason else Status.FAIL, reason)


def test_a_bound_of_unknown_origin_does_not_hold_after_a_failed_fetch() -> None:
    decided = Context(HERE, turned={"PRECISION": "fp32"})
    assert verdict("- range: {metric: score, min: 0.6}", context=decided, val__score=[0.1]).status is Status.FAIL
    failed = Context(HERE, turned={"WEIGHTS": "none"})
    found = verdict("- range: {metric: score, min: 0.6}", context=failed, val__score=[0.1])
    assert (found.status, found.reason) == (Status.NOT_COMPARABLE, "WEIGHTS turned out none")


@pytest.mark.parametrize(("share", "status"), [(0, Status.FAIL), (1, Status.FAIL), (0.2, Status.PASS)])
def test_not_constant(share: float, status: Status) -> None:
    assert verdict("- not_constant: [plain]", plain=[0.5, share]).status is status


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ([0.25] * 5, Status.FAIL),
        ([0.25] * 4, Status.PASS),
        ([0.25] * 4 + [0.2500001], Status.PASS),
        ([math.nan, *[0.25] * 5], Status.FAIL),
    ],
)
def test_a_share_that_never_moves_is_constant(values: list[float], status: Status) -> None:
    found = verdict("- not_constant: [plain]", plain=values)
    assert found.status is status
    if status is Status.FAIL:
        assert found.found == "0.25 in all 5 rows"


def test_one_number_is_not_always_the_same() -> None:
    rule = "- not_constant: {metric: plain, min: -.inf, max: .inf}"
    found = verdict(rule, plain=[0.5, math.nan])
    assert (found.status, found.reason) == (Status.NOT_RUN, "1 finite value of 2 in plain, 2 needed")
    assert verdict("- not_constant: [plain]", plain=[0.5]).status is Status.PASS  # its share is judged


def test_not_constant_needs_a_number() -> None:
    assert verdict("- not_constant: {metric: plain, min: 0.1}", plain=[math.nan]).status is Status.FAIL


EACH = "- each: {metric: iou, min: 0.3}"


def test_each_names_the_lowest_and_the_absent() -> None:
    curves = {"val__iou__crack": [0.1, 0.2], "val__iou__tape": [0.9], "val__iou__none": [-1, -1], "val__iou": [0.5]}
    found = verdict(EACH, **curves)
    assert (found.status, found.found) == (Status.FAIL, "lowest crack 0.2 of 2")
    assert found.reason == "absent (no ground truth): none"


def test_each_passes_at_its_bound_without_the_mean() -> None:
    assert verdict(EACH, val__iou__crack=[0.3]).status is Status.PASS


def test_each_without_a_group_with_a_value_fails() -> None:
    assert verdict(EACH, val__iou=[0.5]).status is Status.FAIL
    assert verdict(EACH, val__iou__crack=[math.nan]).status is Status.FAIL


SUM = "- sum: {metric: plain, parts: [part_a, part_b]}"


@pytest.mark.parametrize(("total", "status"), [(3.0, Status.PASS), (3.002, Status.PASS), (3.1, Status.FAIL)])
def test_sum(total: float, status: Status) -> None:
    assert verdict(SUM, plain=[2, total], a=[1, 1], b=[1, 2]).status is status


def test_sum_compares_rows_that_have_all_and_needs_one() -> None:
    assert verdict(SUM, series("plain", [2, 9], steps=[1, 5]), a=[1, 1], b=[1, 2]).status is Status.PASS
    assert verdict(SUM, series("plain", [2], steps=[7]), a=[1], b=[1]).status is Status.FAIL


def test_a_rule_that_asks_for_the_changed_value_holds_for_it() -> None:
    run = Context(HERE, parameters={"BATCH_SIZE": 2}, changed=ELSEWHERE.changed)
    rule = "- range: {metric: score, min: 0.6}\n  when: {BATCH_SIZE: 2}"
    assert verdict(rule, val__score=[0.7], context=run).status is Status.PASS
    assert verdict(rule, val__score=[0.1], context=run).status is Status.FAIL
