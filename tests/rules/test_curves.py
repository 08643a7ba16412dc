"""Rules on the shape of one curve, at their boundaries."""

from __future__ import annotations

import math
from array import array
from dataclasses import replace
from statistics import median

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cvl.rules import Context, Status, curves
from cvl.rules.case import counted
from tests.rules.made import HERE, series, verdict

FINITE = "- finite: [loss]"
TREND = "- trend: {metric: loss, ratio_max: 0.8}"
positive = st.floats(0.001, 1000)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_finite_fails_at_the_first_value_that_is_not(value: float) -> None:
    found = verdict(FINITE, train__loss=[2, 1, value, 1, value])
    assert found.status is Status.FAIL
    assert (found.where.file, found.where.step, found.where.epoch) == ("metrics.jsonl", 3, 3)
    assert found.found == str(value)
    assert "2 of 5" in found.reason
    assert "learning rate" in found.hint


@settings(deadline=None)
@given(st.lists(positive, min_size=1))
def test_finite_passes_any_positive_numbers(values: list[float]) -> None:
    assert verdict(FINITE, train__loss=values).status is Status.PASS


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ([1, 0, 0, 1, 0, 0], Status.PASS),
        ([1, 0, 0, 0], Status.FAIL),
        ([1, -0.0, 0, 0.0, 2], Status.FAIL),
        ([1, 1e-300, 1e-300, 1e-300], Status.PASS),
        ([1, -0.001, 1], Status.FAIL),
    ],
)
def test_a_loss_is_neither_zero_in_three_rows_running_nor_negative(values: list[float], status: Status) -> None:
    assert verdict(FINITE, train__loss=values).status is status


def test_where_the_zeros_begin() -> None:
    assert verdict(FINITE, train__loss=[3, 2, 0, 0, 0, 0]).where.step == 3


def test_only_a_loss_is_held_to_that_and_a_signed_one_may_be_negative() -> None:
    assert verdict("- finite: [plain]", plain=[0, 0, 0, -1]).status is Status.PASS
    assert verdict("- finite: [signed]", train__loss=[1, -1, -2]).status is Status.PASS
    assert verdict("- finite: [signed]", train__loss=[0, 0, 0]).status is Status.FAIL


@pytest.mark.parametrize(("n", "own", "status"), [(3, True, "pass"), (2, True, "fail"), (2, False, "not_run")])
def test_count(n: int, own: bool, status: str) -> None:
    assert verdict("- count: {metric: loss, min: 3}", train__loss=[1.0] * n, own=own).status.value == status


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        ([10, 20, 30, 40, 43], Status.PASS),
        ([12, 25, 37, 50], Status.PASS),
        ([7], Status.PASS),
        ([10, 20, 30, 50, 60], Status.FAIL),
    ],
)
def test_count_finds_gaps(steps: list[int], status: Status) -> None:
    found = verdict("- count: {metric: loss, gaps: false}", series("train/loss", [1.0] * len(steps), steps=steps))
    assert found.status is status
    if status is Status.FAIL:
        assert found.found == "nothing from step 30 to 50"


@pytest.mark.parametrize(
    ("epochs", "found"),
    [
        ([1, 2, 3, 3, 4, 5], "epoch 3 comes again"),
        ([1, 2, 3, 2, 3, 4], "epoch 2 comes again"),
        ([1, 1, 2, 2, 1, 1, 2, 2], "epoch 1 comes again"),
        ([1, 1, 1, 2, 2, 2], ""),
        ([1, 2, 2.5, 3], ""),
        ([math.nan] * 4, ""),
    ],
)
def test_count_finds_rows_that_come_again_after_a_resume(epochs: list[float], found: str) -> None:
    curve = replace(series("train/loss", [1.0] * len(epochs)), epoch=array("d", epochs))
    one = verdict("- count: {metric: loss, gaps: false}", curve)
    assert (one.status is Status.FAIL) == bool(found)
    assert one.found == (found or f"{len(epochs)} points")


def test_gaps_do_not_matter_unless_asked() -> None:
    found = verdict("- count: {metric: loss, min: 3}", series("train/loss", [1.0] * 3, steps=[1, 2, 90]))
    assert found.status is Status.PASS


@pytest.mark.parametrize("values", [[1], [2, 1], [5, 4, 3, 2, 1]])
def test_trend_needs_two_windows(values: list[float]) -> None:
    short = verdict(TREND, train__loss=values)
    assert (short.status, short.reason) == (Status.NOT_RUN, f"too short: {counted(len(values), 'point')}, 6 needed")
    assert verdict(TREND, train__loss=values, own=True).status is Status.FAIL


@pytest.mark.parametrize(("last", "status"), [(0.8, Status.PASS), (0.81, Status.FAIL), (math.nan, Status.FAIL)])
def test_trend_at_its_limit(last: float, status: Status) -> None:
    assert verdict(TREND, train__loss=[1, 1, 1, last, last, last]).status is status


@pytest.mark.parametrize(("start", "status"), [("tenth", Status.PASS), ("first", Status.FAIL)])
def test_trend_from_the_first_value_is_not_fooled_by_an_early_explosion(start: str, status: Status) -> None:
    rule = f"- trend: {{metric: loss, ratio_max: 0.8, from: {start}}}"
    assert verdict(rule, train__loss=[1, 600, 90, 1.1, 1.1, 1.1]).status is status


@pytest.mark.parametrize(
    ("late", "found", "reason"),
    [
        ([0.5, 0.5, math.nan], "0.5 (1 → 0.5)", "1 of 6 values are not finite"),
        ([0, 0, 0], "0 (1 → 0)", "0 in three rows running"),
        ([-1, -1, -1], "-1 (1 → -1)", "-1"),
    ],
)
def test_a_trend_does_not_pass_where_the_loss_is_broken(late: list[float], found: str, reason: str) -> None:
    one = verdict("- trend: {metric: total, ratio_max: 0.8}", train__loss=[1, 1, 1, *late])
    assert (one.status, one.found) == (Status.NOT_RUN, found)
    assert one.reason == f"the values are no measure: {reason}"


@pytest.mark.parametrize(("odd", "word"), [(math.nan, "nan"), (math.inf, "inf")])
def test_a_trend_that_ends_in_no_number_fails_and_says_what_the_log_holds(odd: float, word: str) -> None:
    found = verdict(TREND, train__loss=[1, 1, 1, 0.5, odd, odd])
    assert (found.status, found.found) == (Status.FAIL, f"{word} (1 → {word})")
    assert "clip gradients" in found.hint


def test_a_trend_that_starts_nowhere_fails() -> None:
    assert verdict(TREND, train__loss=[math.nan] * 3 + [1] * 3).found == "no finite value"
    assert verdict(TREND, train__loss=[0] * 6).status is Status.FAIL
    assert verdict("- trend: {metric: signed, ratio_max: 0.8}", train__loss=[-1] * 6).status is Status.NOT_RUN


@settings(deadline=None)
@given(st.lists(positive, min_size=6, max_size=120))
def test_trend_means_the_ratio_of_the_medians(values: list[float]) -> None:
    k = max(3, len(values) // 10)
    ratio = median(values[-k:]) / median(values[:k])
    assume(not math.isclose(ratio, 0.8))
    assert (verdict(TREND, train__loss=values).status is Status.PASS) == (ratio < 0.8)


def test_hints_tell_what_usually_causes_it() -> None:
    assert "learning rate 0" in verdict(TREND, train__loss=[1] * 6).hint
    assert "too high" in verdict(TREND, train__loss=[1, 1, 1, 2, 2, 2]).hint


SPIKE = "- no_spike: {metric: loss, factor: 3, window: 4}"


@pytest.mark.parametrize(("value", "status"), [(3, Status.PASS), (3.01, Status.FAIL), (math.inf, Status.FAIL)])
def test_no_spike_at_its_limit(value: float, status: Status) -> None:
    found = verdict(SPIKE, train__loss=[1, 1, 1, 1, value, 1])
    assert found.status is status
    if status is Status.FAIL:
        assert found.where.step == 5


def test_no_spike_looks_at_the_window_before_alone() -> None:
    assert verdict(SPIKE, train__loss=[9, 9, 9, 1, 1, 1, 1, 3, 1]).status is Status.PASS
    assert verdict(SPIKE, train__loss=[1, 1, 1, 1]).status is Status.NOT_RUN
    assert verdict(SPIKE, train__loss=[1, 1, 1, 1], own=True).status is Status.FAIL


@settings(deadline=None)
@given(st.lists(positive, min_size=5, max_size=60))
def test_no_spike_means_the_median(values: list[float]) -> None:
    spikes = [i for i in range(4, len(values)) if values[i] > 3 * median(values[i - 4 : i])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(curves, "_PART", 5)
        found = verdict(SPIKE, train__loss=values)
    assert (found.status is Status.FAIL) == bool(spikes)
    assert found.where.step == (spikes[0] + 1 if spikes else None)


@pytest.mark.parametrize(
    ("options", "first", "status"),
    [
        ("value: 2.0, tol: 0.1", 2.1, Status.PASS),
        ("value: 2.0, tol: 0.1", 2.2, Status.FAIL),
        ("value: ln2", 0.69, Status.PASS),
        ("value: ln2", 0.3, Status.FAIL),
        ("value: ln(classes), classes: 10", 2.4, Status.PASS),
        ("value: ln(classes), classes: 10", 4.6, Status.FAIL),
    ],
)
def test_init(options: str, first: float, status: Status) -> None:
    assert verdict(f"- init: {{metric: loss, {options}}}", train__loss=[first, 0.1]).status is status


def test_init_takes_the_first_finite_value() -> None:
    assert verdict("- init: {metric: loss, value: 1}", train__loss=[math.nan, 1]).where.step == 2
    assert verdict("- init: {metric: loss, value: 1}", train__loss=[math.nan]).status is Status.FAIL


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ([0.1, 0.2, 0.3, 0.4], Status.PASS),
        ([0.1, 0.4, 0.4, 0.4], Status.FAIL),
        ([0.4, 0.4, 0.4, 0.41], Status.FAIL),
        ([0.1, 0.2], Status.NOT_RUN),
    ],
)
def test_plateau(values: list[float], status: Status) -> None:
    assert verdict("- plateau: {metric: score, epochs: 2, delta: 0.02}", val__score=values).status is status


def test_plateau_of_a_loss_gains_by_falling() -> None:
    assert verdict("- plateau: {metric: loss, epochs: 2}", train__loss=[3, 2, 1, 0.5]).status is Status.PASS
    assert verdict("- plateau: {metric: loss, epochs: 2}", train__loss=[3, 1, 2, 2]).status is Status.FAIL


MEASURED_TREND = """
- trend: {metric: loss, ratio_max: 0.2}
  calibrated: {date: 2026-01-31, runs: 3, seeds: [0, 1, 2], lowest: 0.1, highest: 0.1, mean: 0.1, sd: 0, device: cpu}
"""


@pytest.mark.parametrize(
    ("last", "at_home", "elsewhere"), [(0.1, "pass", "pass"), (0.5, "fail", "pass"), (1, "fail", "fail")]
)
def test_a_measured_ratio_holds_at_home_and_elsewhere_the_loss_must_just_fall(
    last: float, at_home: str, elsewhere: str
) -> None:
    losses = [1, 1, 1, last, last, last]
    assert verdict(MEASURED_TREND, train__loss=losses).status.value == at_home
    away = Context(HERE, changed={"LR": "LR is 1, not 2"})
    found = verdict(MEASURED_TREND, train__loss=losses, context=away)
    assert (found.status.value, found.wanted) == (elsewhere, "last / first ≤ 0.95")
    assert found.reason == "the calibrated 0.2 does not hold: LR is 1, not 2"
