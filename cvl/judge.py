"""A run folder, judged: logs read, rules applied, the headline metric put into words."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from cvl import defaults, ratings, readers, rules
from cvl.ratings import Summary
from cvl.readers.base import Reading, Series
from cvl.readers.growing import Memory
from cvl.rules import Context, Metric, Outcome, Status, Verdict, Verification
from cvl.rules.log import Log, Missing

_CLASSES = ("NUM_CLASSES", "CLASSES")


@dataclass(frozen=True)
class Judgement:
    """Everything that is said about a run's logs; `seen`: reader -> series -> its summary, `curves`: by metric.

    `headline` is the series that was rated; `readings` and `metrics` are what reports draw.
    """

    folder: Path
    verdicts: tuple[Verdict, ...]
    outcome: Outcome
    rating: str = ""
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    seen: Mapping[str, Mapping[str, Summary]] = field(default_factory=dict, repr=False)
    curves: Mapping[str, Series] = field(default_factory=dict, repr=False)
    headline: str = ""
    metrics: Mapping[str, Metric] = field(default_factory=dict, repr=False)
    readings: Mapping[str, Reading] = field(default_factory=dict, repr=False)


def judge(
    verification: Verification,
    preset: str,
    context: Context,
    *,
    task: str = "",
    strict: bool = False,
    ended: bool = True,
    memory: Memory | None = None,
) -> Judgement:
    """Judges `context.folder` by the rules of `preset`; without any, by built-in health rules on the loss.

    Of a run that has not `ended` only what cannot change any more is a failure; a `memory` spares reading it all again.
    """
    found = readers.read(context.folder, memory)
    wanted = verification.presets.get(preset, ())
    declared = verification.metrics
    if not wanted:
        verification, wanted = defaults.rules_for(found, task)
        context = replace(context, preset_own_epochs=False)
    verdicts = tuple(_distinct(rules.evaluate(wanted, verification, found, context, ended=ended)))
    seen = {reader: {name: summary(s) for name, s in reading.series.items()} for reader, reading in found.items()}
    rating = _rate(task, seen, declared, context)
    return Judgement(
        folder=context.folder,
        verdicts=verdicts,
        outcome=rules.outcome(verdicts, strict=strict),
        rating=rating.sentence if rating else "",
        notes=rating.notes if rating else _unrated(task, seen),
        problems=tuple(_problems(found, context.folder)),
        seen=seen,
        curves=_curves(Log(found, verification.metrics, context), rating.metric if rating else ""),
        headline=rating.metric if rating else "",
        metrics=verification.metrics,
        readings=found,
    )


def _distinct(verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
    """Without those of rules that were not run, where another of the same kind and metric says why."""
    said = set()
    for verdict in verdicts:
        key = verdict.rule, verdict.metric, verdict.reason
        if verdict.status is not Status.NOT_RUN or key not in said:
            yield verdict
        if verdict.status is Status.NOT_RUN:
            said.add(key)


def _curves(log: Log, rated: str) -> dict[str, Series]:
    """The series of the declared metrics by name, and of the rated one by its key."""
    curves = {}
    for name in log.metrics:
        with suppress(Missing):
            curves[name] = log.get(name)
    if rated and rated not in {metric.key for metric in log.metrics.values()}:
        with suppress(Missing):
            curves[rated] = log.find([rated])
    return curves


def _problems(found: Mapping[str, Reading], folder: Path) -> Iterator[str]:
    if not found:
        yield f"{folder}: no training log found (known are {', '.join(readers.READERS)})"
    for reading in found.values():
        yield from (f"{problem.file}: {problem.message}" for problem in reading.problems)


def summary(series: Series) -> Summary:
    """`series` in a few numbers."""
    values = series.value.tolist()
    if not math.isfinite(sum(values)):
        values = [value for value in values if math.isfinite(value)]
    if not values:
        return Summary(len(series))
    low, high = min(values), max(values)
    return Summary(len(series), values[0], values[-1], high, low, _stalled(values), _after_one(series))


def _after_one(series: Series) -> float | None:
    """The last value of the first epoch, where more follow."""
    i = bisect_right(series.epoch, 1.0)
    known = 0 < i < len(series) and series.epoch[i - 1] <= 1 and math.isfinite(series.value[i - 1])
    return series.value[i - 1] if known else None


def _stalled(values: list[float]) -> bool:
    """Whether the last fifth is less than 1 % below the fifth before it."""
    fifth = len(values) // 5
    return fifth > 1 and median(values[-fifth:]) > 0.99 * median(values[-2 * fifth : -fifth])


def _unrated(task: str, seen: Mapping[str, Mapping[str, Summary]]) -> tuple[str, ...]:
    """Nothing is to be said of a folder without logs: that is a problem already."""
    return ratings.unrated(task, [name for entries in seen.values() for name in entries]) if seen else ()


def _rate(
    task: str, seen: Mapping[str, Mapping[str, Summary]], metrics: Mapping[str, Metric], context: Context
) -> ratings.Rating | None:
    merged = {name: entry for reader in reversed(list(seen)) for name, entry in seen[reader].items()}
    parts = next((found for found in map(ratings.loss_parts, seen.values()) if len(found) > 1), {})
    given = next((context.parameters[name] for name in _CLASSES if name in context.parameters), None)
    return ratings.rate(task, merged, metrics, given if isinstance(given, int) else None, parts)
