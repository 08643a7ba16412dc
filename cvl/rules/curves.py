"""Rules on the shape of one curve."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

from cvl.readers.base import Series
from cvl.rules.case import NO_FINITE, Case, Finding, counted, exceeds, failed, left_profile, passed, shown, too_short
from cvl.rules.log import best, finite
from cvl.rules.model import Status

# Loose enough for fine-tuning from good weights, tight enough that a learning rate of 0 does not pass.
HARDLY_FALLS = 0.95
_PART = 256  # points looked at together
_DIVERGED = "lower the learning rate, clip gradients (1.0), look for empty boxes or labels; under fp16 try bf16 or fp32"


def judge_finite(case: Case) -> Finding:
    wanted = "finite, not all 0, not negative" if case.metric.kind == "loss" else "finite"
    values = case.series.value
    for i, value in enumerate(values) if not math.isfinite(sum(values)) else ():
        if not math.isfinite(value):
            reason = f"{len(values) - len(finite(case.series))} of {len(values)} values are not finite"
            return failed(wanted, str(value), case.where(i), reason=reason, hint=_DIVERGED)
    return _judge_loss(case, wanted) or passed(wanted, counted(len(values), "value"), case.where())


def _judge_loss(case: Case, wanted: str) -> Finding | None:
    """What a loss cannot be, though it is finite."""
    if case.metric.kind != "loss" or min(case.series.value, default=1) > 0:
        return None
    zeros = 0
    for i, value in enumerate(case.series.value):
        zeros = zeros + 1 if value == 0 else 0
        if zeros == 3:
            hint = "some loggers write 0.0 for NaN (see grad_norm, validation loss); or no label reaches the loss"
            return failed(wanted, "0 in three rows running", case.where(i - 2), hint=hint)
        if value < 0 and not case.metric.signed:
            hint = (
                "a probability above 1, logits where probabilities belong, or masks not in 0…1; else say `signed: true`"
            )
            return failed(wanted, shown(value), case.where(i), hint=hint)
    return None


def judge_count(case: Case) -> Finding:
    n, least = len(case.series), case.number("min", 1)
    gapless = case.rule.options.get("gaps") is False
    wanted = f"≥ {least:g} points" + (", no gaps, none twice" if gapless else "")
    if n < least:
        short = too_short(case, wanted, int(least))
        hint = "the job stopped early, or logs less often than the rule expects: see the end of logs/train.log"
        return failed(wanted, short.found, short.where, reason=short.reason, hint=hint) if short.hint else short
    if gapless and (i := _gap(case)) is not None:
        before, after = case.series.step[i - 1], case.series.step[i]
        hint = "rows were lost: two processes writing one log, or a resume from an older checkpoint"
        return failed(wanted, f"nothing from step {before} to {after}", case.where(i), hint=hint)
    if gapless and (i := _again(case)) is not None:
        hint = "a resume that did not drop the rows after its checkpoint, or two processes writing one log"
        return failed(wanted, f"epoch {case.series.epoch[i]:g} comes again", case.where(i), hint=hint)
    return passed(wanted, counted(n, "point"), case.where())


def _gap(case: Case) -> int | None:
    """Index of the first point at least two usual strides after the one before it."""
    steps = case.series.step
    strides = [after - before for before, after in pairwise(steps)]
    usual = median(strides) if strides else 0
    return next((i + 1 for i, stride in enumerate(strides) if stride >= 2 * usual), None)


def _again(case: Case) -> int | None:
    """Index of the first point that goes back to an earlier epoch, or is the second where there is one an epoch."""
    epochs = case.series.epoch
    alone = sum(before != after for before, after in pairwise(epochs)) * 2 > len(epochs)
    return next((i + 1 for i, (a, b) in enumerate(pairwise(epochs)) if b < a or (b == a and alone)), None)


def judge_trend(case: Case) -> Finding:
    n, (limit, reason) = len(case.series), _trend_limit(case)
    k, alone = max(3, n // 10), case.text("from") == "first"
    wanted = f"last / {'first value' if alone else 'first'} ≤ {limit:g}"
    if n < 2 * k:
        return too_short(case, wanted, 2 * k)
    first, last = ends(case.series, alone=alone)
    if math.isnan(first):
        return failed(wanted, NO_FINITE, case.where(0), hint=_DIVERGED)
    if first <= 0 and case.metric.signed:
        return Finding(Status.NOT_RUN, wanted, shown(first), case.where(0), "a ratio means nothing for values ≤ 0")
    ratio = last / first if first > 0 else math.inf
    if math.isinf(last):
        last = ratio = _not_finite(case.series.value[-k:])
    found = f"{shown(ratio)} ({shown(first)} → {shown(last)})"
    if math.isfinite(ratio) and not exceeds(ratio, limit):
        broken = judge_finite(case)
        if broken.status is Status.FAIL:  # a fall to NaN, or to the zeros written for it, is none
            why = f"the values are no measure: {broken.reason or broken.found}"
            return Finding(Status.NOT_RUN, wanted, found, broken.where, why)
        return Finding(Status.PASS, wanted, found, case.where(n - 1), reason)
    return failed(wanted, found, case.where(n - 1), reason=reason, hint=_trend_hint(ratio, first))


def _not_finite(late: Sequence[float]) -> float:
    """The last that the log holds of these."""
    return [value for value in late if not math.isfinite(value)][-1]


def _trend_limit(case: Case) -> tuple[float, str]:
    """`ratio_max`; where that was measured on other runs, what still counts as falling, and why."""
    limit = case.number("ratio_max")
    apart = left_profile(case.rule, case.log.context) if case.rule.calibrated and limit < HARDLY_FALLS else ""
    return (HARDLY_FALLS, f"the calibrated {limit:g} does not hold: {apart}") if apart else (limit, "")


def ends(series: Series, *, alone: bool = False) -> tuple[float, float]:
    """Medians of the first and last tenth, at least three points; `alone`: of the first tenth its first value.

    The first is NaN where it has no finite value.
    """
    k = max(3, len(series) // 10)
    early = [value for value in series.value[:k] if math.isfinite(value)]
    # A value that is not finite is worse than any other.
    late = [value if math.isfinite(value) else math.inf for value in series.value[-k:]]
    return (early[0] if alone else median(early)) if early else math.nan, median(late)


def _trend_hint(ratio: float, first: float) -> str:
    if first <= 0:
        return "it starts at 0: no label reaches the loss, or the logger writes 0 for NaN"
    if not math.isfinite(ratio):
        return _DIVERGED
    if ratio > 1.1:
        return "it rises: the learning rate is too high, or labels and images do not belong together"
    if ratio > 0.97:
        return "it does not move: learning rate 0 or far too low, frozen or unregistered weights, shuffled labels"
    return "it learns, but slowly: a higher learning rate, more epochs, or check how inputs are normalised"


def judge_no_spike(case: Case) -> Finding:
    factor, window = case.number("factor", 10), int(case.number("window", 20))
    wanted = f"≤ {factor:g} × median of {window} before"
    if len(case.series) <= window:
        return too_short(case, wanted, window + 1)
    for i, value, base in _suspects(case.series.value, window, factor):
        if not math.isfinite(value) or (base >= 0 and value > factor * base):
            hint = "a bad batch or a step too large: look at that batch, clip gradients, warm up, lower the rate"
            return failed(wanted, f"{shown(value)} after {shown(base)}", case.where(i), hint=hint)
    return passed(wanted, "no spike", case.where())


def _suspects(values: array[float], window: int, factor: float) -> Iterator[tuple[int, float, float]]:
    """(index, value, median of the `window` before it) wherever there may be a spike.

    No median is below the lowest value: where `factor` times that is above the highest, nothing is.
    """
    for start in range(0, len(values) - window, _PART):
        part = values[start : start + window + _PART]
        low, high = min(part), max(part)
        if not (math.isfinite(sum(part)) and low >= 0 and high <= factor * low):
            yield from ((start + i, part[i], base) for i, base in _medians(part, window))


def _medians(values: Sequence[float], window: int) -> Iterator[tuple[int, float]]:
    """(index, median of the finite values among the `window` before it)."""
    recent: deque[float] = deque()
    ordered: list[float] = []
    for i, value in enumerate(values):
        if i >= window:
            middle = len(ordered) // 2
            if ordered:
                yield i, ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
            old = recent.popleft()
            if math.isfinite(old):
                del ordered[bisect_left(ordered, old)]
        recent.append(value)
        if math.isfinite(value):
            insort(ordered, value)


def judge_init(case: Case) -> Finding:
    target = _target(case)
    tolerance = case.number("tol", 0.2 * abs(target))
    wanted = f"{shown(target)} ± {shown(tolerance)}"
    points = finite(case.series)
    if not points:
        return failed(wanted, NO_FINITE, case.where(0), hint=_DIVERGED)
    value = case.series.value[points[0]]
    if not exceeds(abs(value - target), tolerance):
        return passed(wanted, shown(value), case.where(points[0]))
    hint = "the head is not fresh, the number of classes is wrong, or the loss is summed or weighted and not a mean"
    return failed(wanted, shown(value), case.where(points[0]), hint=hint)


def _target(case: Case) -> float:
    """The value of a fresh head: a number, ln2, or ln(classes) with `classes` a number or a parameter's name."""
    words = case.text("value")
    if words == "ln2":
        return math.log(2)
    if words != "ln(classes)":
        return float(words)
    classes = case.text("classes")
    return math.log(float(str(case.log.context.parameters.get(classes, classes))))


def judge_plateau(case: Case) -> Finding:
    epochs, delta = case.number("epochs"), case.number("delta", 0)
    wanted = f"gain > {delta:g} in the last {epochs:g} epochs"
    last = max(case.series.epoch, default=math.nan)
    old = [i for i in finite(case.series) if case.series.epoch[i] <= last - epochs]
    if not old:
        return too_short(case, wanted, int(epochs) + 1)
    top = best(case.series, case.metric.better)
    sign = -1 if case.metric.better == "lower" else 1
    before = max(sign * case.series.value[i] for i in old)
    gain = max(sign * case.series.value[i] for i in finite(case.series)) - before
    if gain > delta:
        return passed(wanted, shown(gain), case.where(top))
    hint = "if training and validation both stand still: more epochs or a higher learning rate; else stop earlier"
    return failed(wanted, shown(gain), case.where(top), hint=hint)
