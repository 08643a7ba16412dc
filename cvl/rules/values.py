"""Rules on single values, and on one metric beside another."""

from __future__ import annotations

import math

from cvl.readers.base import Series
from cvl.rules.case import NO_FINITE, Case, Finding, bounds, exceeds, failed, left_profile, passed, shown
from cvl.rules.log import at_epoch, best, finite
from cvl.rules.model import Metric, Status


def judge_range(case: Case) -> Finding:
    at, low, high = case.text("at", "final"), case.number("min"), case.number("max")
    wanted = f"{at if not at.isdigit() else f'epoch {at}'} {bounds(low, high)}"
    i = point(case.series, at, case.metric.better)
    if i is None:
        found = NO_FINITE if not finite(case.series) else f"no finite value in epoch {at}"
        return failed(wanted, found, case.where(), hint="the run ended before it, or evaluation never gave a number")
    value = case.series.value[i]
    if changed := left_profile(case):
        return Finding(Status.NOT_COMPARABLE, wanted, shown(value), case.where(i), changed)
    if value < low or value > high:
        return failed(wanted, shown(value), case.where(i), hint=_range_hint(case.metric, too_low=value < low))
    if improved := _improved(case, value):
        renew = case.log.context.renew
        hint = f"if that is no accident, {renew} renews the bound" if renew else ""
        return Finding(Status.PASS, wanted, f"{shown(value)}, IMPROVED", case.where(i), improved, hint)
    return passed(wanted, shown(value), case.where(i))


def _improved(case: Case, value: float) -> str:
    """By how much `value` is better than all calibrated runs, where that is more than they differ and 1 %."""
    runs = case.rule.calibrated
    if runs is None or case.metric.better is None:
        return ""
    higher = case.metric.better == "higher"
    best_run = runs.highest if higher else runs.lowest
    gain = value - best_run if higher else best_run - value
    if gain <= max(runs.highest - runs.lowest, 0.01 * abs(best_run)):
        return ""
    return f"IMPROVED: {runs.runs} calibrated runs gave {shown(runs.lowest)} … {shown(runs.highest)}"


def point(series: Series, at: str, better: str | None) -> int | None:
    """Index of the point that `at` means: final, best, first, or the last one of an epoch."""
    points = finite(series)
    if at == "best":
        return best(series, better)
    if at == "first":
        return points[0] if points else None
    if at != "final":
        points = at_epoch(series, float(at))
    return points[-1] if points else None


def _range_hint(metric: Metric, *, too_low: bool) -> str:
    if too_low == (metric.better == "higher"):
        return "worse than it was when calibrated: other data or weights, too few steps, wrong labels or normalisation"
    return "better than it ever was: do training and validation share images, or is the scale (percent) another?"


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
        return failed(wanted, f"{NO_FINITE} to compare", case.where(), hint="both must be logged in the same epochs")
    theirs = other.value[top]
    diff = mine - theirs if better == "higher" else theirs - mine
    low, high = (theirs, mine) if better == "higher" else (mine, theirs)
    ratio = high / low if low > 0 else math.inf if diff > 0 else 1.0
    found = f"{shown(mine)} and {shown(theirs)} (difference {shown(diff)}, ratio {shown(ratio)})"
    if exceeds(diff, diff_max) or exceeds(ratio, ratio_max):
        hint = "overfitting: stop earlier, augment, add weight decay or dropout; or the two splits differ in kind"
        return failed(wanted, found, case.log.where(other, top), hint=hint)
    return passed(wanted, found, case.log.where(other, top))


def _beside(series: Series, other: Series, i: int) -> float | None:
    """The mean of `series` in the epoch of point `i` of `other`; without epochs its last value up to that step."""
    if math.isnan(other.epoch[i]):
        points = [j for j in finite(series) if series.step[j] <= other.step[i]][-1:]
    else:
        points = at_epoch(series, other.epoch[i])
    return sum(series.value[j] for j in points) / len(points) if points else None


def judge_above(case: Case) -> Finding:
    by, named = case.number("by", 0), case.text("baseline")
    base = case.log.find([f"baseline/{name}" for name in ([named] if named else spellings(case.metric))])
    points, top = finite(base), best(case.series, case.metric.better)
    wanted = f"beats {base.name}" + (f" by {by:g}" if by else "")
    if top is None or not points:
        return failed(wanted, NO_FINITE, case.where())
    value, bar = case.series.value[top], base.value[points[-1]]
    gain = bar - value if case.metric.better == "lower" else value - bar
    found = f"{shown(value)}, baseline {shown(bar)}"
    if gain > 0 and not exceeds(by, gain):
        return passed(wanted, found, case.where(top))
    hint = "no better than a guess: labels shuffled or off by one, learning rate 0, or weights not loaded"
    return failed(wanted, found, case.where(top), hint=hint)


def spellings(metric: Metric) -> list[str]:
    """The names a metric may have after `baseline/` and `reload/`."""
    return list(dict.fromkeys((metric.name, metric.key.removeprefix("val/"), metric.key.rpartition("/")[2])))


def judge_not_constant(case: Case) -> Finding:
    low, high = case.number("min", 0.001), case.number("max", 0.999)
    wanted, points = f"share {bounds(low, high)}", finite(case.series)
    if not points:
        return failed(wanted, NO_FINITE, case.where())
    i = points[-1]
    value = case.series.value[i]
    if low <= value <= high:
        return passed(wanted, shown(value), case.where(i))
    answer = "nothing" if value < low else "everything"
    hint = f"the model predicts {answer}: class imbalance (weight the loss), a wrong threshold, or masks not in 0…1"
    return failed(wanted, shown(value), case.where(i), hint=hint)


def judge_each(case: Case) -> Finding:
    """Every `<key>/<group>`; a group that never has a value, or only negative ones, has no ground truth."""
    least = case.number("min")
    last = {name: _last(series) for name, series in case.log.groups(case.metric.name).items()}
    present = {name: value for name, value in last.items() if value is not None}
    absent = [name for name in last if name not in present]
    wanted = f"each ≥ {least:g}"
    note = f"absent (no ground truth): {', '.join(absent)}" if absent else ""
    if not present:
        return failed(
            wanted,
            "no group with a value",
            case.where(),
            reason=note,
            hint="nothing in the validation split is labelled",
        )
    worst = min(present, key=lambda name: present[name])
    found, where = f"lowest {worst} {shown(present[worst])} of {len(present)}", case.where()
    if changed := left_profile(case):
        return Finding(Status.NOT_COMPARABLE, wanted, found, where, changed)
    if present[worst] >= least:
        return Finding(Status.PASS, wanted, found, where, note)
    hint = "a rare or mislabelled class: see how many examples it has, and weight or oversample it"
    return failed(wanted, found, where, reason=note, hint=hint)


def _last(series: Series) -> float | None:
    values = [series.value[i] for i in finite(series) if series.value[i] >= 0]
    return values[-1] if values else None


def judge_sum(case: Case) -> Finding:
    tolerance = case.number("tol", 1e-3)
    parts = [case.log.get(name) for name in case.rule.options["parts"]]  # type: ignore[union-attr]
    columns = [dict(zip(part.step, part.value, strict=True)) for part in parts]
    wanted = f"sum of {', '.join(part.name for part in parts)} ± {tolerance:.2%}"
    checked = 0
    for i, step in enumerate(case.series.step):
        if not all(step in column for column in columns):
            continue
        total, value = math.fsum(column[step] for column in columns), case.series.value[i]
        checked += 1
        if not math.isclose(total, value, rel_tol=tolerance, abs_tol=1e-6):
            hint = "a part is left out, counted twice, or weighted differently in the total and in the log"
            return failed(wanted, f"{shown(value)}, parts {shown(total)}", case.where(i), hint=hint)
    if not checked:
        return failed(wanted, "no step has all of them", case.where(), hint="log the total and its parts together")
    return passed(wanted, f"{checked} rows", case.where())
