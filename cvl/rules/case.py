"""What a rule's function gets and gives back."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cvl.readers.base import Series
from cvl.rules.log import Log
from cvl.rules.model import Context, Metric, Rule, Status, Where

NO_FINITE = "no finite value"
NOWHERE = Where()


@dataclass(frozen=True)
class Case:
    """One rule on one metric of one run."""

    rule: Rule
    metric: Metric
    series: Series
    log: Log

    def number(self, option: str, default: float = math.nan) -> float:
        return float(self.rule.options.get(option, default))  # type: ignore[arg-type]

    def text(self, option: str, default: str = "") -> str:
        return str(self.rule.options.get(option, default))

    def where(self, i: int | None = None) -> Where:
        return self.log.where(self.series, i)


@dataclass(frozen=True)
class Finding:
    """A rule's answer, before severity."""

    status: Status
    wanted: str
    found: str = ""
    where: Where = NOWHERE
    reason: str = ""
    hint: str = ""


def passed(wanted: str, found: str, where: Where = NOWHERE) -> Finding:
    return Finding(Status.PASS, wanted, found, where)


def failed(wanted: str, found: str, where: Where, *, reason: str = "", hint: str = "") -> Finding:
    return Finding(Status.FAIL, wanted, found, where, reason, hint)


def too_short(case: Case, wanted: str, needed: int) -> Finding:
    """Not run; a failure where the run had the preset's own number of epochs, for then the rule should have held."""
    own = case.log.context.preset_own_epochs
    points = counted(len(case.series), "point")
    reason = f"too short: {points}, {needed} needed"
    hint = "log more often, or give the preset more epochs: as it stands this rule can never be judged" if own else ""
    return Finding(Status.FAIL if own else Status.NOT_RUN, wanted, points, case.where(), reason, hint)


def alone(case: Case, series: Series, wanted: str) -> Finding | None:
    """Not run, where all that is finite is one value: there is nothing beside it."""
    known = [i for i, value in enumerate(series.value) if math.isfinite(value)]
    if len(known) != 1:
        return None
    reason = f"1 finite value of {len(series)} in {series.name}, 2 needed"
    return Finding(Status.NOT_RUN, wanted, shown(series.value[known[0]]), case.log.where(series, known[0]), reason)


def left_profile(rule: Rule, context: Context) -> str:
    """What differs from the runs that the bound was measured on; empty where it holds."""
    runs = rule.calibrated
    apart = dict(context.changed)
    if runs is None and str(context.turned.get("WEIGHTS")) == "none":
        apart.setdefault("WEIGHTS", "WEIGHTS turned out none")
    if runs is not None:
        if context.device != runs.device:
            apart["device"] = f"device is {context.device}, calibrated on {runs.device}"
        for name in dict.fromkeys((*runs.parameters, *context.turned)):
            now, then = (turned.get(name, "as asked") for turned in (context.turned, runs.parameters))
            if now != then:
                apart.setdefault(name, f"{name} turned out {now}, {then} when calibrated")
    return ", ".join(words for name, words in apart.items() if name not in rule.when)


def exceeds(value: float, limit: float) -> bool:
    """Whether a computed `value` is over `limit` by more than rounding; never where the limit is NaN."""
    return value > limit and not math.isclose(value, limit, rel_tol=1e-9)


def shown(value: float) -> str:
    """Four significant digits."""
    return f"{value:.4g}"


def counted(n: int, what: str) -> str:
    """`1 value`, `2 values`."""
    return f"{n} {what}{'s' * (n != 1)}"


def bounds(low: float, high: float) -> str:
    """`0.6 … 1`, `≥ 0.6` or `≤ 1`; NaN is no bound."""
    if math.isnan(high):
        return f"≥ {low:g}"
    return f"≤ {high:g}" if math.isnan(low) else f"{low:g} … {high:g}"
