"""Bounds for rules from what healthy runs of a preset reached.

A bound is a one-sided normal tolerance limit: mean - k * sd, or mean + k * sd where lower is better, with k such that
99 % of all runs lie on its good side with 95 % confidence. Positive values are taken by their logarithms: early scores
of different seeds differ by factors. Few runs give a large k (13.3 for 3, 5.75 for 5, 3.94 for 10) and so a loose
bound. The sd counts as at least 1 % of the mean, for equal runs say nothing about another machine; no bound excludes a
run that it was measured on; and one that an untrained model might meet (its baseline, a tenth of the mean, a loss that
does not fall) is not proposed at all. The good side stays as the manifest has it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from statistics import NormalDist, fmean, stdev

from cvl.rules import Metric, Rule, Status, evaluate
from cvl.rules.comparisons import spellings
from cvl.rules.curves import HARDLY_FALLS, ends
from cvl.rules.log import Log, Missing
from cvl.rules.model import Calibration, Verdict, Verification
from cvl.rules.values import point_at

LEAST_RUNS = 3
COVERAGE, CONFIDENCE = 0.99, 0.95
LEAST_SPREAD = 0.01  # of the mean
LEAST_SHARE = 0.1  # of the mean; a lower bound below it tells a trained model from an untrained one no more
KINDS = ("range", "trend")
_LARGEST_EXPONENT = 700.0  # of e in a float
_TOO_FEW = "runs that differ so much are too few"
# Failing these says that a bound is out of date, not that the run is ill; a trend has HARDLY_FALLS.
_ABSOLUTE = (*KINDS, "each", "expect", "throughput", "vram_gb", "wall_clock_s")


@dataclass(frozen=True)
class Proposal:
    """New bounds of rule number `index` of a preset, or the reason why there are none."""

    index: int
    rule: Rule
    bounds: Mapping[str, float] = field(default_factory=dict)
    calibrated: Calibration | None = None
    reason: str = ""


class _NoBound(Exception):
    """Why a rule keeps its bound."""


def factor(runs: int) -> float:
    """The one-sided tolerance factor k of a normal sample of `runs`, by Natrella's closed form.

    Within 1.1 % of the exact one (a quantile of the noncentral t distribution) from 5 runs up, and larger below.
    """
    coverage, confidence = NormalDist().inv_cdf(COVERAGE), NormalDist().inv_cdf(CONFIDENCE)
    a = 1 - confidence**2 / (2 * (runs - 1))
    b = coverage**2 - confidence**2 / runs
    return (coverage + math.sqrt(coverage**2 - a * b)) / a


def limit(values: Sequence[float], *, upper: bool) -> float:
    """The bound that `values` give, rounded outwards to three digits."""
    positive = min(values) > 0
    scaled = [math.log(value) for value in values] if positive else values
    mean = fmean(scaled)
    reach = factor(len(values)) * max(stdev(scaled), LEAST_SPREAD * (1 if positive else abs(mean)))
    edge = mean + (reach if upper else -reach)
    if positive:
        edge = math.exp(min(edge, _LARGEST_EXPONENT))
    return _rounded(max(edge, *values), ROUND_CEILING) if upper else _rounded(min(edge, *values), ROUND_FLOOR)


def failures(log: Log, verification: Verification, rules: Sequence[Rule]) -> list[Verdict]:
    """The verdicts that say that a run is not healthy, whatever its bounds are."""
    found = evaluate(rules, verification, log.readings, log.context)
    return [verdict for verdict in found if verdict.status is Status.FAIL and verdict.rule not in _ABSOLUTE]


def propose(verification: Verification, preset: str, logs: Sequence[Log], origin: Calibration) -> list[Proposal]:
    """A proposal for every range and trend of `preset`; `origin` says what the runs behind `logs` were."""
    found: list[Proposal] = []
    for index, rule in enumerate(verification.presets.get(preset, ())):
        if rule.kind in KINDS:
            try:
                found.append(_proposal(index, rule, logs, origin))
            except (_NoBound, Missing) as reason:
                found.append(Proposal(index, rule, reason=str(reason.args[-1])))
    return found


def _proposal(index: int, rule: Rule, logs: Sequence[Log], origin: Calibration) -> Proposal:
    if len(rule.metrics) != 1:
        raise _NoBound("it is about several metrics; each has its own range, so write a rule for each")
    for log in logs:
        _refuse_other_profile(rule, log)
    metric = logs[0].metrics[rule.metrics[0]]
    values = [_observed(rule, log) for log in logs]
    bounds = _trend_bounds(values) if rule.kind == "trend" else _range_bounds(values, metric, _bars(metric, logs))
    numbers = {"lowest": min(values), "highest": max(values), "mean": fmean(values), "sd": stdev(values)}
    shown = {name: float(f"{value:.6g}") for name, value in numbers.items()}
    return Proposal(index, rule, bounds, replace(origin, **shown))  # type: ignore[arg-type]


def _refuse_other_profile(rule: Rule, log: Log) -> None:
    """A rule's bound comes from runs that the rule is for, with the preset's own parameters."""
    (verdict,) = evaluate([replace(rule, calibrated=None)], Verification(log.metrics), log.readings, log.context)
    if verdict.status in (Status.NOT_RUN, Status.NOT_COMPARABLE):
        raise _NoBound(verdict.reason)
    if apart := [words for name, words in log.context.changed.items() if name not in rule.when]:
        raise _NoBound(", ".join(apart))


def _observed(rule: Rule, log: Log) -> float:
    series = log.get(rule.metrics[0])
    if rule.kind == "trend":
        first, last = ends(series)
        value = last / first if first > 0 else math.nan
    else:
        i = point_at(series, str(rule.options.get("at", "final")), log.metrics[rule.metrics[0]].better)
        value = math.nan if i is None else series.value[i]
    if not math.isfinite(value):
        raise _NoBound(f"{log.context.folder.name} has no finite value of it")
    return value


def _bars(metric: Metric, logs: Sequence[Log]) -> list[float]:
    """What the job says that no training at all reaches."""
    found: list[float] = []
    for log in logs:
        try:
            found += log.find([f"baseline/{name}" for name in spellings(metric)]).value[-1:]
        except Missing:
            continue
    return [value for value in found if math.isfinite(value)]


def _trend_bounds(values: Sequence[float]) -> dict[str, float]:
    if max(values) > HARDLY_FALLS:
        raise _NoBound(f"in one run it hardly falls: last / first is {max(values):.4g}")
    return {"ratio_max": min(limit(values, upper=True), HARDLY_FALLS)}


def _range_bounds(values: Sequence[float], metric: Metric, bars: Sequence[float]) -> dict[str, float]:
    """The bound on the bad side; both where nobody said which side that is."""
    if metric.better is None:
        return {"min": limit(values, upper=False), "max": limit(values, upper=True)}
    lower = metric.better == "lower"
    bound = limit(values, upper=lower)
    bar = (min if lower else max)(bars, default=math.nan)
    if (bound >= bar) if lower else (bound <= bar):
        raise _NoBound(f"{bound:g} would prove nothing, untrained it is {bar:g}: {len(values)} {_TOO_FEW}")
    if not lower and min(values) >= 0 and bound <= LEAST_SHARE * fmean(values):
        raise _NoBound(f"{bound:g} would prove nothing, the mean is {fmean(values):.3g}: {len(values)} {_TOO_FEW}")
    return {"max" if lower else "min": bound}


def _rounded(value: float, rounding: str) -> float:
    exact = Decimal(value)
    return float(exact.quantize(Decimal(1).scaleb(exact.adjusted() - 2), rounding=rounding)) if exact else 0.0
