"""Rules on single values."""

from __future__ import annotations

import math

from cvl.readers.base import Series
from cvl.rules.case import NO_FINITE, Case, Finding, alone, bounds, failed, left_profile, passed, shown
from cvl.rules.log import Log, at_epoch, best, finite
from cvl.rules.model import Metric, Status

_NOTHING = (
    "never above 0: learning rate 0, no gradient, or an evaluation that finds nothing: empty, unlabelled, untrained"
)
_SAME = 5  # equal rows from which on a metric counts as standing still


def judge_range(case: Case) -> Finding:
    at, low, high = case.text("at", "final"), case.number("min"), case.number("max")
    wanted = f"{at if not at.isdigit() else f'epoch {at}'} {bounds(low, high)}"
    i = point_at(case.series, at, case.metric.better)
    if i is None:
        found = NO_FINITE if not finite(case.series) else f"no finite value in epoch {at}"
        return failed(wanted, found, case.where(), hint="the run ended before it, or evaluation never gave a number")
    value = case.series.value[i]
    if changed := left_profile(case.rule, case.log.context):
        return Finding(Status.NOT_COMPARABLE, wanted, shown(value), case.where(i), changed)
    if value < low or value > high:
        hint = _NOTHING if value <= 0 < low else range_hint(case.metric, too_low=value < low)
        return failed(wanted, shown(value), case.where(i), hint=hint)
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


def point_at(series: Series, at: str, better: str | None) -> int | None:
    """Index of the point that `at` means: final, best, first, or the last one of an epoch."""
    points = finite(series)
    if at == "best":
        return best(series, better)
    if at == "first":
        return points[0] if points else None
    if at != "final":
        points = at_epoch(series, float(at))
    return points[-1] if points else None


def range_hint(metric: Metric, *, too_low: bool) -> str:
    if too_low == (metric.better == "higher"):
        return "worse than it was when calibrated: other data or weights, too few steps, wrong labels or normalisation"
    return "better than it ever was: do training and validation share images, or is the scale (percent) another?"


def judge_not_constant(case: Case) -> Finding:
    """Neither outside its bounds nor, to the last digit, the same in every row."""
    low, high = case.number("min", 0.001), case.number("max", 0.999)
    share = f"share {bounds(low, high)}, " if math.isfinite(high - low) else ""
    wanted, points = f"{share}not always the same", finite(case.series)
    if not points:
        return failed(wanted, NO_FINITE, case.where())
    i = points[-1]
    value = case.series.value[i]
    if not low <= value <= high:
        answer = "nothing" if value < low else "everything"
        hint = f"the model predicts {answer}: class imbalance (weight the loss), a wrong threshold, masks not in 0…1"
        return failed(wanted, shown(value), case.where(i), hint=hint)
    if not share and (few := alone(case, case.series, wanted)):
        return few
    if len(points) >= _SAME and len({case.series.value[i] for i in points}) == 1:
        hint = "one answer whatever the input: learning rate 0, weights that are not trained, dead units, an old cache"
        return failed(wanted, f"{shown(value)} in all {len(points)} rows", case.where(i), hint=hint)
    return passed(wanted, shown(value), case.where(i))


def judge_each(case: Case) -> Finding:
    """Every `<key>/<group>`; a group that never has a value, or only negative ones, has no ground truth."""
    least = case.number("min")
    present = present_groups(case.log, case.metric.name)
    absent = [name for name in case.log.groups(case.metric.name) if name not in present]
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
    if changed := left_profile(case.rule, case.log.context):
        return Finding(Status.NOT_COMPARABLE, wanted, found, where, changed)
    if present[worst] >= least:
        return Finding(Status.PASS, wanted, found, where, note)
    hint = "a rare or mislabelled class: see how many examples it has, and weight or oversample it"
    return failed(wanted, found, where, reason=note, hint=hint)


def present_groups(log: Log, metric: str) -> dict[str, float]:
    """The last value of each `<key>/<group>` that has one; Missing where nothing logged a group."""
    last = {name: _last(series) for name, series in log.groups(metric).items()}
    return {name: value for name, value in last.items() if value is not None}


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
