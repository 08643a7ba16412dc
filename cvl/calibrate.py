"""Bounds for rules from what healthy runs of a preset reached.

A bound is a one-sided normal tolerance limit: mean - k * sd, or mean + k * sd where lower is better, with k such that
99 % of all runs lie on its good side with 95 % confidence. Positive values are taken by their logarithms: early scores
of different seeds differ by factors. Few runs give a large k (13.3 for 3, 5.75 for 5, 3.94 for 10) and so a loose
bound. The sd counts as at least 1 % of the mean, for equal runs say nothing about another machine; no bound excludes a
run that it was measured on; and one that an untrained model might meet (its baseline, a tenth of the mean, a loss that
does not fall) is not proposed at all. The good side stays as the manifest has it.

- range, trend: of the value that the rule is about.
- each: the lowest of the limits of all classes or prompts. (The limit of the lowest class of each run would be too
  tight, for a lowest of several is skewed: from 10 runs with 10 classes only 82 of 100 bounds keep 99 % of all runs.)
- throughput gets a least, vram_gb and wall_clock_s a most. The sd of a time counts as at least 5 % of the mean: runs
  one after another have met the machine's load of one day only.
- expect: `value` is the mean of the runs, `tol` the two-sided limit k * sd within which the mean of `seeds` further
  runs lies in 99 of 100 cases, with 95 % confidence (k for one seed is 15 for 3 runs, 6.79 for 5, 4.45 for 10). Values
  as they are: the mean of logarithms is another mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from statistics import NormalDist, fmean, stdev

from cvl.rules import Metric, Rule, Status, evaluate
from cvl.rules.comparisons import spellings
from cvl.rules.curves import HARDLY_FALLS, ends
from cvl.rules.log import Log, Missing
from cvl.rules.model import Calibration, Verdict, Verification
from cvl.rules.values import point_at, present_groups
from cvl.rules.whole import COSTS, measured_cost

LEAST_RUNS = 3
COVERAGE, CONFIDENCE = 0.99, 0.95
LEAST_SPREAD = 0.01  # of the mean
LEAST_SHARE = 0.1  # of the mean; a lower bound below it tells a trained model from an untrained one no more
LEAST_TIME_SPREAD = 0.05  # of the mean
_LARGEST_EXPONENT = 700.0  # of e in a float
_TOO_FEW = "runs that differ so much are too few"


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


def factor_of_mean(runs: int, seeds: int) -> float:
    """The two-sided factor for the mean of `seeds` further runs, by Howe's approximation.

    Its quantile of chi-square is Wilson and Hilferty's, which is too small, and so safe, where there are few runs.
    """
    freedom = runs - 1
    spread = 2 / (9 * freedom)
    least = freedom * (1 - spread - NormalDist().inv_cdf(CONFIDENCE) * math.sqrt(spread)) ** 3
    return NormalDist().inv_cdf((1 + COVERAGE) / 2) * math.sqrt((1 / seeds + 1 / runs) * freedom / least)


def seeds(rule: Rule) -> int:
    """Of how many runs the mean is that the rule `expect` is about."""
    return max(1, int(float(str(rule.options.get("seeds", 1)))))


def limit(values: Sequence[float], *, upper: bool, least: float = LEAST_SPREAD) -> float:
    """The bound that `values` give, rounded outwards to three digits; their sd is at least `least` of the mean."""
    positive = min(values) > 0
    scaled = [math.log(value) for value in values] if positive else values
    mean = fmean(scaled)
    reach = factor(len(values)) * max(stdev(scaled), least * (1 if positive else abs(mean)))
    edge = mean + (reach if upper else -reach)
    if positive:
        edge = math.exp(min(edge, _LARGEST_EXPONENT))
    return _rounded(max(edge, *values), ROUND_CEILING) if upper else _rounded(min(edge, *values), ROUND_FLOOR)


def failures(log: Log, verification: Verification, rules: Sequence[Rule]) -> list[Verdict]:
    """The verdicts that say that a run is not healthy, whatever its bounds are."""
    found = evaluate(rules, verification, log.readings, log.context)
    return [verdict for verdict in found if verdict.status is Status.FAIL and verdict.rule not in KINDS]


def propose(verification: Verification, preset: str, logs: Sequence[Log], origin: Calibration) -> list[Proposal]:
    """A proposal for every rule of `preset` with a bound to measure; `origin` says what the runs behind `logs` were."""
    found: list[Proposal] = []
    for index, rule in enumerate(verification.presets.get(preset, ())):
        if rule.kind in KINDS:
            try:
                found.append(_proposal(index, rule, logs, origin))
            except (_NoBound, Missing) as reason:
                found.append(Proposal(index, rule, reason=str(reason.args[-1])))
    return found


def _proposal(index: int, rule: Rule, logs: Sequence[Log], origin: Calibration) -> Proposal:
    if len(rule.metrics) > 1:
        raise _NoBound("it is about several metrics; each has its own bound, so write a rule for each")
    for log in logs:
        _refuse_other_profile(rule, log)
    observe, bound = KINDS[rule.kind]
    values = [_number(observe(rule, log), log) for log in logs]
    bounds = bound(rule, values, logs)
    numbers = {"lowest": min(values), "highest": max(values), "mean": fmean(values), "sd": stdev(values)}
    shown = {name: float(f"{value:.6g}") for name, value in numbers.items()}
    return Proposal(index, rule, bounds, replace(origin, **shown))  # type: ignore[arg-type]


def _refuse_other_profile(rule: Rule, log: Log) -> None:
    """A rule's bound comes from runs that the rule is for, with the preset's own parameters."""
    alone = replace(
        rule, calibrated=None, options={**rule.options, "seeds": 1} if "seeds" in rule.options else rule.options
    )
    (verdict,) = evaluate([alone], Verification(log.metrics), log.readings, log.context)
    if verdict.status in (Status.NOT_RUN, Status.NOT_COMPARABLE):
        raise _NoBound(verdict.reason)
    if apart := [words for name, words in log.context.changed.items() if name not in rule.when]:
        raise _NoBound(", ".join(apart))


def _number(value: float, log: Log) -> float:
    if not math.isfinite(value):
        raise _NoBound(f"{log.context.folder.name} has no finite value of it")
    return value


def _ratio(rule: Rule, log: Log) -> float:
    first, last = ends(log.get(rule.metrics[0]))
    return last / first if first > 0 else math.nan


def _value(rule: Rule, log: Log) -> float:
    series = log.get(rule.metrics[0])
    i = point_at(series, str(rule.options.get("at", "final")), log.metrics[rule.metrics[0]].better)
    return math.nan if i is None else series.value[i]


def _lowest(rule: Rule, log: Log) -> float:
    present = present_groups(log, rule.metrics[0])
    return min(present.values(), default=math.nan)


def _cost(rule: Rule, log: Log) -> float:
    value, _ = measured_cost(rule.kind, log)
    return math.nan if value is None else value


def _bars(metric: Metric, logs: Sequence[Log]) -> list[float]:
    """What the job says that no training at all reaches."""
    found: list[float] = []
    for log in logs:
        try:
            found += log.find([f"baseline/{name}" for name in spellings(metric)]).value[-1:]
        except Missing:
            continue
    return [value for value in found if math.isfinite(value)]


def _trend_bounds(_: Rule, values: Sequence[float], logs: Sequence[Log]) -> dict[str, float]:
    if max(values) > HARDLY_FALLS:
        raise _NoBound(f"in one run it hardly falls: last / first is {max(values):.4g}")
    return {"ratio_max": min(limit(values, upper=True), HARDLY_FALLS)}


def _range_bounds(rule: Rule, values: Sequence[float], logs: Sequence[Log]) -> dict[str, float]:
    """The bound on the bad side; both where nobody said which side that is."""
    metric = logs[0].metrics[rule.metrics[0]]
    if metric.better is None:
        return {"min": limit(values, upper=False), "max": limit(values, upper=True)}
    lower = metric.better == "lower"
    bound = limit(values, upper=lower)
    _refuse_untrained(bound, metric, values, logs)
    return {"max" if lower else "min": bound}


def _each_bounds(rule: Rule, values: Sequence[float], logs: Sequence[Log]) -> dict[str, float]:
    """From every group of which enough runs have a value; a baseline of the whole says nothing about one of them."""
    groups: dict[str, list[float]] = {}
    for log in logs:
        for name, value in present_groups(log, rule.metrics[0]).items():
            groups.setdefault(name, []).append(value)
    known = [found for found in groups.values() if len(found) >= LEAST_RUNS]
    bound = min((limit(found, upper=False) for found in known), default=-math.inf)
    _refuse_small_share(bound, values)
    return {"min": min(bound, *values)}


def _expect_bounds(rule: Rule, values: Sequence[float], logs: Sequence[Log]) -> dict[str, float]:
    metric, value = logs[0].metrics[rule.metrics[0]], float(f"{fmean(values):.4g}")
    reach = factor_of_mean(len(values), seeds(rule)) * max(stdev(values), LEAST_SPREAD * abs(value))
    tol = _rounded(max(reach, *(abs(one - value) for one in values)), ROUND_CEILING)
    if metric.better:
        _refuse_untrained(value + (tol if metric.better == "lower" else -tol), metric, values, logs)
    return {"value": value, "tol": tol}


def _cost_bounds(rule: Rule, values: Sequence[float], _: Sequence[Log]) -> dict[str, float]:
    upper = rule.kind != "throughput"
    least = LEAST_SPREAD if rule.kind == "vram_gb" else LEAST_TIME_SPREAD
    return {"max" if upper else "min": limit(values, upper=upper, least=least)}


def _refuse_untrained(bound: float, metric: Metric, values: Sequence[float], logs: Sequence[Log]) -> None:
    """A bound that needs no training is none."""
    lower, bars = metric.better == "lower", _bars(metric, logs)
    bar = (min if lower else max)(bars, default=math.nan)
    if (bound >= bar) if lower else (bound <= bar):
        raise _NoBound(f"{bound:.3g} would prove nothing, untrained it is {bar:g}: {len(values)} {_TOO_FEW}")
    if not lower:
        _refuse_small_share(bound, values)


def _refuse_small_share(bound: float, values: Sequence[float]) -> None:
    if min(values) >= 0 and bound <= LEAST_SHARE * fmean(values):
        raise _NoBound(f"{bound:.3g} would prove nothing, the mean is {fmean(values):.3g}: {len(values)} {_TOO_FEW}")


def _rounded(value: float, rounding: str) -> float:
    exact = Decimal(value)
    return float(exact.quantize(Decimal(1).scaleb(exact.adjusted() - 2), rounding=rounding)) if exact else 0.0


# What a run says to a rule, and the bounds that follow from what all of them say. Failing one of these rules says that
# a bound is out of date, not that the run is ill; a trend has HARDLY_FALLS.
_Observe = Callable[[Rule, Log], float]
_Bound = Callable[[Rule, Sequence[float], Sequence[Log]], dict[str, float]]
KINDS: Mapping[str, tuple[_Observe, _Bound]] = {
    "range": (_value, _range_bounds),
    "trend": (_ratio, _trend_bounds),
    "each": (_lowest, _each_bounds),
    "expect": (_value, _expect_bounds),
    **dict.fromkeys(COSTS, (_cost, _cost_bounds)),
}
