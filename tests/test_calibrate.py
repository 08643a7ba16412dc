"""How a bound follows from runs."""

from __future__ import annotations

import math
import random
from array import array
from dataclasses import replace
from pathlib import Path
from statistics import NormalDist, fmean, stdev

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cvl.calibrate import KINDS, Proposal, factor, factor_of_mean, limit, propose
from cvl.readers.base import Reading, Series
from cvl.rules import Context, Rule, evaluate, parse
from cvl.rules.log import Log
from cvl.rules.model import Calibration, Status, Verification

# One-sided factors for 99 % coverage with 95 % confidence, as printed in tables of the noncentral t distribution.
EXACT = {3: 10.553, 4: 7.042, 5: 5.741, 6: 5.062, 7: 4.642, 8: 4.354, 9: 4.143, 10: 3.981, 15: 3.520, 20: 3.295}
TRIALS = 800  # 95 of 100 of them are 760 ± 6
ORIGIN = Calibration("2026-01-31", 3, (0, 1, 2), 0, 0, 0, 0, "cpu")


@pytest.mark.parametrize(("runs", "exact"), EXACT.items())
def test_the_factor_is_that_of_the_tables_or_a_safer_one(runs: int, exact: float) -> None:
    assert factor(runs) == pytest.approx(exact, rel=0.011) if runs >= 5 else exact < factor(runs) < 1.3 * exact


def test_the_factor_falls_with_more_runs_towards_the_quantile() -> None:
    factors = [factor(runs) for runs in range(3, 2000)]
    assert factors == sorted(factors, reverse=True)
    assert NormalDist().inv_cdf(0.99) < factors[-1] < 2.5


@pytest.mark.parametrize("runs", [3, 5, 10])
def test_95_of_100_bounds_leave_at_most_one_run_in_a_hundred_beyond(runs: int) -> None:
    dice = random.Random(runs)
    normal = NormalDist(math.log(0.04), 0.3)
    draws = ([dice.lognormvariate(normal.mean, normal.stdev) for _ in range(runs)] for _ in range(1500))
    held = sum(normal.cdf(math.log(limit(values, upper=False))) <= 0.01 for values in draws)
    assert held >= 0.94 * 1500


RESULTS = st.lists(st.floats(1e-6, 1e6), min_size=3, max_size=30)


@given(RESULTS)
def test_a_bound_never_excludes_a_run_it_was_measured_on(values: list[float]) -> None:
    assert limit(values, upper=False) <= min(values)
    assert limit(values, upper=True) >= max(values)


@given(RESULTS)
def test_a_bound_is_rounded_outwards_to_three_digits(values: list[float]) -> None:
    logs = [math.log(value) for value in values]
    exact = max(math.exp(fmean(logs) + factor(len(values)) * max(stdev(logs), 0.01)), *values)
    bound = limit(values, upper=True)
    assert exact <= bound <= exact * 1.01 + 1e-12
    assert bound == float(f"{bound:.3g}")


def test_equal_runs_still_leave_room_for_another_machine() -> None:
    assert limit([0.5] * 5, upper=False) == pytest.approx(0.5 * math.exp(-0.01 * factor(5)), abs=1e-3)


def test_an_outlier_that_the_normal_limit_leaves_out_moves_the_bound() -> None:
    values = [-1.0] * 30 + [-2.0]
    assert fmean(values) - factor(31) * stdev(values) > -2
    assert limit(values, upper=False) == -2


SECTION = """
metrics:
  loss: {key: train/loss}
  score: {key: val/score, better: higher}
  plain: {key: plain}
presets:
  train:
"""


def section(rules: str) -> Verification:
    return parse(yaml.safe_load(SECTION + "".join(f"    {line}\n" for line in rules.splitlines())))


def log(verification: Verification, i: int = 0, context: Context | None = None, **curves: list[float]) -> Log:
    """Run `i`; keywords name series, with `__` for `/`."""
    found = {}
    for word, values in curves.items():
        name, steps = word.replace("__", "/"), array("q", range(1, len(values) + 1))
        found[name] = Series(name, "metrics.jsonl", steps, array("d", steps), array("d", values))
    return Log({"cvl_jsonl": Reading(found)}, verification.metrics, context or Context(Path(f"/run-{i}")))


def proposal(rules: str, *curves: dict[str, list[float]], context: Context | None = None) -> Proposal:
    verification = section(rules)
    logs = [log(verification, i, context, **one) for i, one in enumerate(curves)]
    (one,) = propose(verification, "train", logs, ORIGIN)
    return one


SCORES = [{"val__score": [0.1, best, 0.3]} for best in (0.60, 0.61, 0.62, 0.60, 0.61)]
LOSSES = [{"train__loss": [3, 3, 3, last, last, last]} for last in (1.0, 1.1, 1.2)]


def test_a_range_gets_the_bound_on_its_bad_side_and_what_was_observed() -> None:
    found = proposal("- range: {metric: score, at: best, min: 0.1, max: 1.0}", *SCORES)
    values = [0.60, 0.61, 0.62, 0.60, 0.61]
    assert found.bounds == {"min": limit(values, upper=False)} == {"min": 0.561}
    assert found.calibrated is not None
    numbers = (found.calibrated.lowest, found.calibrated.highest, found.calibrated.mean, found.calibrated.sd)
    assert numbers == (0.6, 0.62, 0.608, 0.0083666)
    assert (found.calibrated.date, found.calibrated.device) == ("2026-01-31", "cpu")


def test_lower_is_better_for_a_loss_and_without_a_better_side_both_are_bounded() -> None:
    assert proposal("- range: {metric: loss, max: 9}", *LOSSES).bounds == {"max": 3.7}
    runs = [{"plain": [value]} for value in (-1.0, -1.1, -1.2)]
    assert proposal("- range: {metric: plain, max: 9}", *runs).bounds == {"min": -2.44, "max": 0.234}


def test_a_trend_gets_its_ratio_and_never_more_than_health_allows() -> None:
    assert proposal("- trend: {metric: loss, ratio_max: 0.8}", *LOSSES, *LOSSES).bounds == {"ratio_max": 0.551}
    wild = [{"train__loss": [3, 3, 3, last, last, last]} for last in (1.0, 2.0, 2.8)]
    assert proposal("- trend: {metric: loss, ratio_max: 0.8}", *wild).bounds == {"ratio_max": 0.95}


# Two-sided factors for 99 % coverage with 95 % confidence of one further value, as printed in tables.
TWO_SIDED = {5: 6.655, 6: 5.758, 7: 5.241, 8: 4.889, 9: 4.633, 10: 4.437, 15: 3.885, 20: 3.621}


@pytest.mark.parametrize(("runs", "exact"), TWO_SIDED.items())
def test_the_factor_of_a_mean_is_that_of_the_tables_for_one_value(runs: int, exact: float) -> None:
    assert factor_of_mean(runs, 1) == pytest.approx(exact, rel=0.03)
    assert factor_of_mean(runs, 1) > factor_of_mean(runs, 2) > factor_of_mean(runs, 20) > factor_of_mean(runs + 1, 20)


@pytest.mark.parametrize(("runs", "seeds"), [(3, 1), (3, 3), (5, 1), (5, 5), (10, 1), (10, 4)])
@pytest.mark.slow
def test_of_100_expected_means_95_hold_for_99_of_100_sets_of_seeds(runs: int, seeds: int) -> None:
    dice, further = random.Random(runs * seeds), NormalDist(0.6, 0.05 / math.sqrt(seeds))
    verification, held = section(f"- expect: {{metric: plain, value: 0, tol: 0, seeds: {seeds}}}"), 0
    for _ in range(TRIALS):
        logs = [log(verification, plain=[dice.gauss(0.6, 0.05)]) for _ in range(runs)]
        (found,) = propose(verification, "train", logs, ORIGIN)
        low, high = (found.bounds["value"] + sign * found.bounds["tol"] for sign in (-1, 1))
        held += further.cdf(high) - further.cdf(low) >= 0.99
    assert held >= 0.93 * TRIALS


@pytest.mark.parametrize("runs", [3, 5, 10])
@pytest.mark.parametrize("spreads", [[0.1] * 4, [0.05, 0.05, 0.2], [0.1]])
@pytest.mark.slow
def test_95_of_100_bounds_on_each_leave_at_most_one_run_in_a_hundred_beyond(runs: int, spreads: list[float]) -> None:
    dice, classes = random.Random(runs), [NormalDist(math.log(0.6), spread) for spread in spreads]
    verification, held = section("- each: {metric: score, min: 0}"), 0
    for _ in range(TRIALS):
        drawn = ({f"val__score__{i}": [one] for i, one in enumerate(draw(dice, classes))} for _ in range(runs))
        (found,) = propose(verification, "train", [log(verification, **one) for one in drawn], ORIGIN)
        bound = math.log(found.bounds.get("min", 1e-9))
        held += math.prod(1 - one.cdf(bound) for one in classes) >= 0.99
    assert held >= 0.93 * TRIALS


def draw(dice: random.Random, classes: list[NormalDist]) -> list[float]:
    return [dice.lognormvariate(one.mean, one.stdev) for one in classes]


def test_expect_is_the_mean_and_the_room_that_its_seeds_need() -> None:
    found = proposal("- expect: {metric: score, at: best, value: 0.1, tol: 0.5}", *SCORES)
    assert found.bounds == {"value": 0.608, "tol": 0.0569}
    assert found.bounds["tol"] == pytest.approx(factor_of_mean(5, 1) * 0.0083666, abs=1e-4)
    several = proposal("- expect: {metric: score, at: best, value: 0.1, tol: 0.5, seeds: 5}", *SCORES)
    assert several.bounds == {"value": 0.608, "tol": 0.0329}
    assert several.calibrated == found.calibrated


def test_equal_runs_leave_expect_some_room_and_no_run_is_excluded() -> None:
    same = [{"plain": [0.5]}] * 5
    assert proposal("- expect: {metric: plain, value: 1, tol: 0}", *same).bounds == {"value": 0.5, "tol": 0.034}
    runs = [{"plain": [value]} for value in (*[0.0] * 30, 9.0)]
    assert proposal("- expect: {metric: plain, value: 1, tol: 0, seeds: 30}", *runs).bounds["tol"] > 8.7


def test_each_gets_the_lowest_limit_of_its_classes() -> None:
    runs = [{"val__score__tape": [0.2, a], "val__score__crack": [b], "val__score__none": [-1]} for a, b in
            ((0.60, 0.81), (0.61, 0.85), (0.62, 0.83), (0.60, 0.82), (0.61, 0.84))]  # fmt: skip
    found = proposal("- each: {metric: score, min: 0}", *runs)
    assert found.bounds == {"min": limit([0.60, 0.61, 0.62, 0.60, 0.61], upper=False)} == {"min": 0.561}
    assert found.calibrated is not None and (found.calibrated.lowest, found.calibrated.highest) == (0.6, 0.62)


HERE = Context(Path("/run"), hardware=("NVIDIA H100 80GB", "Xeon"))


@pytest.mark.parametrize(
    ("rule", "curves", "bounds"),
    [
        ("throughput: {hardware: H100, min: 1}", {"perf__images_per_s": [1, 90, 100]}, {"min": 67.5}),
        ("vram_gb: {hardware: h100, max: 1}", {"perf__vram_gb": [7, 8]}, {"max": 8.48}),
        ("wall_clock_s: {hardware: H100, max: 1}", {"train__loss": [1]}, {"max": 80.0}),
    ],
)
def test_a_cost_gets_the_bound_on_its_bad_side(rule: str, curves: dict[str, list[float]], bounds: object) -> None:
    context = replace(HERE, seconds=60.0)
    assert proposal(f"- {rule}", *[curves] * 5, context=context).bounds == bounds


@pytest.mark.parametrize("kind", ["throughput", "vram_gb", "wall_clock_s"])
def test_95_of_100_bounds_on_a_cost_leave_at_most_one_run_in_a_hundred_beyond(kind: str) -> None:
    dice, normal, held = random.Random(kind), NormalDist(math.log(60), 0.08), 0
    verification = section(f"- {kind}: {{hardware: H100, min: 1}}")
    for _ in range(TRIALS):
        logs = [
            log(verification, 0, replace(HERE, seconds=one), perf__images_per_s=[one], perf__vram_gb=[one])
            for one in draw(dice, [normal] * 5)
        ]
        (found,) = propose(verification, "train", logs, ORIGIN)
        ((side, bound),) = found.bounds.items()
        below = normal.cdf(math.log(bound))
        held += (below if side == "min" else 1 - below) <= 0.01
    assert held >= 0.93 * TRIALS


CASES = {
    "range": ("{metric: score, at: best, min: 0}", SCORES),
    "trend": ("{metric: loss, ratio_max: 0.1}", LOSSES),
    "expect": ("{metric: score, at: best, value: 0, tol: 0}", SCORES),
    "each": ("{metric: score, min: 9}", [{"val__score__a": [v]} for v in (0.6, 0.61, 0.62)]),
    "throughput": ("{hardware: H100, min: 900}", [{"perf__images_per_s": [v]} for v in (60.0, 61, 62)]),
    "vram_gb": ("{hardware: H100, max: 1}", [{"perf__vram_gb": [v]} for v in (6.0, 6.1, 6.2)]),
    "wall_clock_s": ("{hardware: H100, max: 1}", LOSSES),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_runs_that_a_bound_was_measured_on_pass_it(kind: str) -> None:
    body, runs = CASES[kind]
    context = replace(HERE, seconds=60.0)
    found = proposal(f"- {kind}: {body}", *runs, context=context)
    renewed = replace(found.rule, options={**found.rule.options, **found.bounds}, calibrated=found.calibrated)
    verification = section(f"- {kind}: {body}")
    for one in runs:
        read = log(verification, 0, context, **one)
        (before,) = evaluate([found.rule], verification, read.readings, context)
        (after,) = evaluate([renewed], verification, read.readings, context)
        assert after.status is Status.PASS, after
        assert (before.status is Status.FAIL) is (kind != "range")


FALLING_LITTLE = {"train__loss": [1, 1, 1, 0.99, 0.99, 0.99]}


@pytest.mark.parametrize(
    ("rule", "runs", "reason"),
    [
        ("- trend: {metric: loss, ratio_max: 0.8}", [*LOSSES, FALLING_LITTLE],
         "in one run it hardly falls: last / first is 0.99"),
        ("- range: {metric: score, min: 0.1}", [{"val__score": [v]} for v in (0.1, 0.2, 0.3)],
         "0.00011 would prove nothing, the mean is 0.2: 3 runs that differ so much are too few"),
        ("- range: {metric: score, min: 0.1}",
         [{"val__score": [v], "baseline__score": [0.5]} for v in (0.6, 0.61, 0.62)],
         "0.49 would prove nothing, untrained it is 0.5: 3 runs that differ so much are too few"),
        ("- range: {metric: loss, max: 1}", [{"train__loss": [v], "baseline__loss": [0.7]} for v in (0.6, 0.61, 0.62)],
         "0.759 would prove nothing, untrained it is 0.7: 3 runs that differ so much are too few"),
        ("- range: {metrics: [loss, score], max: 1}", LOSSES,
         "it is about several metrics; each has its own bound, so write a rule for each"),
        ("- range: {metric: score, min: 0.1}", LOSSES, "nothing logged val/score; there are: train/loss"),
        ("- range: {metric: score, min: 0.1}", [*SCORES[:2], {"val__score": [math.nan]}],
         "run-2 has no finite value of it"),
        ("- each: {metric: score, min: 0.1}", [{"val__score__a": [v]} for v in (0.1, 0.2, 0.3)],
         "0.00011 would prove nothing, the mean is 0.2: 3 runs that differ so much are too few"),
        ("- each: {metric: score, min: 0.1}", SCORES,
         "nothing logged val/score/<class or prompt>, the nearest is val/score; there are: val/score"),
        ("- expect: {metric: score, value: 0.5, tol: 0.1}",
         [{"val__score": [v], "baseline__score": [0.5]} for v in (0.6, 0.61, 0.62)],
         "0.46 would prove nothing, untrained it is 0.5: 3 runs that differ so much are too few"),
        ("- throughput: {hardware: H100, min: 1}", [{"perf__images_per_s": [60.0]}] * 3,
         "for H100, and no record says what this run had"),
        ("- range: {metric: score, min: 0.1}\n  when: {device: cuda}", SCORES, "for device=cuda, this run has cpu"),
    ],
)  # fmt: skip
def test_a_rule_that_keeps_its_bound_says_why(rule: str, runs: list[dict[str, list[float]]], reason: str) -> None:
    found = proposal(rule, *runs)
    assert (found.bounds, found.calibrated, found.reason) == ({}, None, reason)


def test_a_bound_on_the_trained_side_of_the_baseline_is_proposed() -> None:
    runs = [{"train__loss": [v], "baseline__loss": [0.8]} for v in (0.6, 0.61, 0.62)]
    assert proposal("- range: {metric: loss, max: 1}", *runs).bounds == {"max": 0.759}


def test_runs_with_other_parameters_measure_only_the_rules_that_are_for_them() -> None:
    changed = Context(Path("/run"), parameters={"LR": 1}, changed={"LR": "LR is 1, not 2"})
    for kind in ("range: {metric: score, min: 0.1}", "trend: {metric: loss, ratio_max: 0.9}"):
        assert proposal(
            f"- {kind}", *[{**a, **b} for a, b in zip(SCORES, LOSSES, strict=False)], context=changed
        ).reason in (
            "LR is 1, not 2",
            "too short: 3 points, 6 needed",
        )
    assert proposal("- range: {metric: score, at: best, min: 0.1}\n  when: {LR: 1}", *SCORES, context=changed).bounds
    failed_fetch = Context(Path("/run"), turned={"WEIGHTS": "none"})
    assert (
        proposal("- range: {metric: score, min: 0.1}", *SCORES, context=failed_fetch).reason
        == "WEIGHTS turned out none"
    )


def test_what_was_calibrated_before_does_not_stand_in_the_way() -> None:
    before = replace(ORIGIN, device="cuda")
    elsewhere = Rule("range", ("score",), {"at": "best", "min": 0.1}, calibrated=before)
    verification = Verification(section("- finite: loss").metrics, {"train": (elsewhere,)})
    (found,) = propose(verification, "train", [log(verification, **one) for one in SCORES], ORIGIN)
    assert found.bounds == {"min": 0.561}
