"""Rules on one metric beside another: of the same log, of other seeds, of a baseline."""

from __future__ import annotations

import math
from dataclasses import replace

from cvl.readers.base import Series
from cvl.rules.case import NO_FINITE, Case, Finding, alone, exceeds, failed, left_profile, passed, shown
from cvl.rules.log import Missing, at_epoch, best, finite
from cvl.rules.model import Metric, Readings, Status
from cvl.rules.values import point_at, range_hint


def judge_gap(case: Case) -> Finding:
    """How much worse the second metric is than the first, at the best epoch of the second."""
    other = case.log.get(case.rule.metrics[1])
    better = case.log.metrics[case.rule.metrics[1]].better
    ratio_max, diff_max = case.number("ratio_max"), case.number("diff_max")
    limits = [f"ratio ≤ {ratio_max:g}"] * (ratio_max == ratio_max) + [f"difference ≤ {diff_max:g}"] * (
        diff_max == diff_max
    )
    wanted, top = ", ".join(limits), best(other, better)
    mine = None if top is None else _beside(case.series, other, top)
    if top is None or mine is None:
        return _nothing_beside(case, other, wanted)
    theirs = other.value[top]
    diff = mine - theirs if better == "higher" else theirs - mine
    low, high = (theirs, mine) if better == "higher" else (mine, theirs)
    ratio = high / low if low > 0 else math.inf if diff > 0 else 1.0
    found = f"{shown(mine)} and {shown(theirs)} (difference {shown(diff)}, ratio {shown(ratio)})"
    if exceeds(diff, diff_max) or exceeds(ratio, ratio_max):
        hint = "overfitting: stop earlier, augment, add weight decay or dropout; or the two splits differ in kind"
        return failed(wanted, found, case.log.where(other, top), hint=hint)
    few = alone(case, other, wanted) or alone(case, case.series, wanted)
    return few or passed(wanted, found, case.log.where(other, top))


def _nothing_beside(case: Case, other: Series, wanted: str) -> Finding:
    hint = "both must be logged in the same epochs"
    for series in (case.series, other):
        if not finite(series):
            hint = f"{series.name} is {series.value[-1]:g} at the end and never finite: see why it diverged"
    return failed(wanted, f"{NO_FINITE} to compare", case.where(), hint=hint)


def _beside(series: Series, other: Series, i: int) -> float | None:
    """The mean of `series` in the epoch of point `i` of `other`; else its last value up to that epoch or step."""
    points = at_epoch(series, other.epoch[i])
    if not points:
        known = not math.isnan(other.epoch[i])
        times, now = (series.epoch, other.epoch[i]) if known else (series.step, other.step[i])
        points = [j for j in finite(series) if times[j] <= now][-1:]
    return sum(series.value[j] for j in points) / len(points) if points else None


def judge_above(case: Case) -> Finding:
    by, run = case.number("by", 0), case.text("run")
    if run and run not in case.log.context.runs:
        return Finding(Status.NOT_RUN, f"beats the run {run}", reason=f"there is no run {run} beside this one")
    name, bar = _bar_of_run(case, run) if run else _bar_of_log(case)
    top = best(case.series, case.metric.better)
    wanted = f"beats {name}" + (f" by {by:g}" if by else "")
    if top is None or bar is None:
        return failed(wanted, NO_FINITE, case.where())
    value = case.series.value[top]
    gain = bar - value if case.metric.better == "lower" else value - bar
    found = f"{shown(value)}, baseline {shown(bar)}"
    if gain > 0 and not exceeds(by, gain):
        return passed(wanted, found, case.where(top))
    hint = "no better than a guess: labels shuffled or off by one, learning rate 0, or weights not loaded"
    return failed(wanted, found, case.where(top), hint=hint)


def _bar_of_run(case: Case, run: str) -> tuple[str, float | None]:
    """The best value of the same metric in another run."""
    return f"the run {run}", _value_in(case, case.log.context.runs[run], "best")


def _bar_of_log(case: Case) -> tuple[str, float | None]:
    """The last value of `baseline/<name>` in the same log."""
    named = case.text("baseline")
    base = case.log.find([f"baseline/{name}" for name in ([named] if named else spellings(case.metric))])
    points = finite(base)
    return base.name, base.value[points[-1]] if points else None


def spellings(metric: Metric) -> list[str]:
    """The names a metric may have after `baseline/` and `reload/`."""
    return list(dict.fromkeys((metric.name, metric.key.removeprefix("val/"), metric.key.rpartition("/")[2])))


def judge_expect(case: Case) -> Finding:
    """The mean over this run and its siblings, runs of the same example that differ in the seed alone."""
    at, needed = case.text("at", "final"), int(case.number("seeds", 1))
    value, tolerance = case.number("value"), case.number("tol")
    wanted = f"mean {at} of {needed} seeds {shown(value)} ± {shown(tolerance)}"
    found = [_value_in(case, readings, at) for readings in (case.log.readings, *case.log.context.siblings)]
    numbers = [number for number in found if number is not None]
    if not numbers or found[0] is None:
        return failed(
            wanted, NO_FINITE, case.where(), hint="the run ended before it, or evaluation never gave a number"
        )
    mean = math.fsum(numbers) / len(numbers)
    text = f"{shown(mean)} over {len(numbers)} ({shown(min(numbers))} … {shown(max(numbers))})"
    if changed := left_profile(case.rule, case.log.context):
        return Finding(Status.NOT_COMPARABLE, wanted, text, case.where(), changed)
    if len(numbers) < needed:
        reason = f"{len(numbers)} of {needed} seeds: comparable runs lie in one outputs folder and differ in SEED alone"
        return Finding(Status.NOT_RUN, wanted, text, case.where(), reason)
    if not exceeds(abs(mean - value), tolerance):
        return passed(wanted, text, case.where())
    return failed(wanted, text, case.where(), hint=range_hint(case.metric, too_low=mean < value))


def _value_in(case: Case, readings: Readings, at: str) -> float | None:
    """The metric's value `at` in another log; None where that has none."""
    try:
        series = replace(case.log, readings=readings).get(case.metric.name)
    except Missing:
        return None
    i = point_at(series, at, case.metric.better)
    return None if i is None else series.value[i]
