"""Which failures stand while a run still goes on, whatever it logs after them. Pure."""

from __future__ import annotations

from dataclasses import replace

from cvl.rules.case import NO_FINITE
from cvl.rules.log import Log, best
from cvl.rules.model import Rule, Status, Verdict

_AT_THE_END = "judged at the end of a run"


def so_far(rule: Rule, verdict: Verdict, log: Log) -> Verdict:
    """`verdict` on a log that may grow: what could still turn out well is not run yet."""
    if verdict.status not in (Status.FAIL, Status.WARN) or _stands(rule, verdict, log):
        return verdict
    return replace(verdict, status=Status.NOT_RUN, reason=_AT_THE_END, hint="")


def _stands(rule: Rule, verdict: Verdict, log: Log) -> bool:
    """Whether the failure lies in points that are there; of what is missing or too short more may come."""
    if verdict.where.step is None:
        return False
    if rule.kind == "init":
        return verdict.found != NO_FINITE
    if rule.kind == "range":
        return rule.options.get("at") == "first" or _too_good(rule, verdict, log)
    return rule.kind in ("finite", "no_spike")


def _too_good(rule: Rule, verdict: Verdict, log: Log) -> bool:
    """The best value so far is beyond the bound, and the best can only get better."""
    metric = log.metrics[verdict.metric]
    bound = rule.options.get("max" if metric.better == "higher" else "min")
    if rule.options.get("at") != "best" or bound is None:
        return False
    series = log.get(metric.name)
    top = best(series, metric.better)
    if top is None:
        return False
    value, limit = series.value[top], float(bound)  # type: ignore[arg-type]
    return value > limit if metric.better == "higher" else value < limit
