"""Rules on a whole run: what it cost, and whether the weights of a group moved."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

from cvl.readers.base import Series
from cvl.rules.case import NO_FINITE, NOWHERE, Finding, bounds, failed, left_profile, passed, shown
from cvl.rules.log import Log, finite
from cvl.rules.model import Rule, Status, Where

_SLOW = "other load on the machine, waiting for data (perf/data_wait), another precision or batch size"
_LARGE = "a larger batch or image, or gradients and graphs kept from step to step"
_CHEAP = "cheaper than it ever was: does the job still do all of its work?"


@dataclass(frozen=True)
class Cost:
    """Where a cost is logged (nowhere: it is in the record), and what usually drives it up or down."""

    unit: str
    key: str = ""
    of: Callable[[Iterable[float]], float] = max
    low: str = _CHEAP
    high: str = _SLOW


COSTS = {
    "throughput": Cost("images/s", "perf/images_per_s", median, low=_SLOW, high=_CHEAP),
    "vram_gb": Cost("GiB", "perf/vram_gb", high=_LARGE),
    "wall_clock_s": Cost("s"),
}


def judge_cost(rule: Rule, log: Log) -> Finding:
    """Within its bounds, on the hardware that they are for."""
    cost = COSTS[rule.kind]
    low, high = (float(str(rule.options.get(side, math.nan))) for side in ("min", "max"))
    wanted = f"{bounds(low, high)} {cost.unit} on {rule.options['hardware']}"
    if reason := _elsewhere(str(rule.options["hardware"]), log):
        return Finding(Status.NOT_RUN, wanted, reason=reason)
    value, where = measured_cost(rule.kind, log)
    if value is None:
        return failed(wanted, NO_FINITE, where, hint="the run has no record, or the job never logged a number")
    found = f"{shown(value)} {cost.unit}"
    if changed := left_profile(rule, log.context):
        return Finding(Status.NOT_COMPARABLE, wanted, found, where, changed)
    if value < low or value > high:
        return failed(wanted, found, where, hint=cost.low if value < low else cost.high)
    return passed(wanted, found, where)


def _elsewhere(name: str, log: Log) -> str:
    """Why a bound for the hardware `name` says nothing about this run; empty where it does."""
    here = log.context.hardware
    if any(name.lower() in one.lower() for one in here):
        return ""
    return (
        f"for {name}, this run had {'; '.join(here)}" if here else f"for {name}, and no record says what this run had"
    )


def measured_cost(kind: str, log: Log) -> tuple[float | None, Where]:
    """What the run cost, in the unit of that rule, and where that is logged; None where nothing says it."""
    cost = COSTS[kind]
    if not cost.key:
        return log.context.seconds, NOWHERE
    series = log.find([cost.key])
    values = [series.value[i] for i in finite(series)]
    return (cost.of(values) if values else None), log.where(series)


def judge_params(rule: Rule, log: Log) -> Finding:
    """The first demand on the group that does not hold, else all that was found."""
    findings = [judge(rule, log) for option, judge in _PARAMS.items() if option in rule.options]
    wrong = next((finding for finding in findings if finding.status is Status.FAIL), None)
    return wrong or passed(
        ", ".join(finding.wanted for finding in findings),
        ", ".join(finding.found for finding in findings),
        findings[0].where,
    )


def _judge_change(rule: Rule, log: Log) -> Finding:
    """‖w - w0‖ / ‖w0‖ of the group's weights, as the job logged it last."""
    group, wanted = rule.options["group"], bool(rule.options["changed"])
    value, where = _last(log.find([f"params/{group}/change"]), log)
    words = f"{group} {'changed' if wanted else 'unchanged'}"
    if math.isfinite(value) and (value > 0) is wanted:
        return passed(words, f"by {shown(value)} of its norm", where)
    moved = "weights meant to be frozen were trained: requires_grad, weight decay, or EMA"
    stuck = "learning rate 0, requires_grad off, weights that the optimizer was never given, or weights not finite"
    return failed(words, f"by {shown(value)} of its norm", where, hint=moved if value > 0 else stuck)


def _judge_trainable(rule: Rule, log: Log) -> Finding:
    group, count = rule.options["group"], float(str(rule.options["trainable"]))
    value, where = _last(log.find([f"params/{group}/trainable"]), log)
    words, found = f"{count:,.0f} of {group} trainable", f"{value:,.0f} trainable"
    if value == count:
        return passed(words, found, where)
    return failed(words, found, where, hint="layers frozen, added or left out, or another model than the rule is for")


_PARAMS = {"changed": _judge_change, "trainable": _judge_trainable}


def _last(series: Series, log: Log) -> tuple[float, Where]:
    return series.value[-1], log.where(series, len(series) - 1)
