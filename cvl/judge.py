"""A run folder, judged: logs read, rules applied, the headline metric put into words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from cvl import ratings, readers, rules
from cvl.ratings import Summary
from cvl.readers.base import Reading, Series
from cvl.rules import Context, Metric, Outcome, Rule, Verdict, Verification
from cvl.rules.log import Log, Missing

# The loss of a log without rules of its own; Ultralytics logs the parts of it only.
_LOSSES = ("train/loss", "loss", "train_loss", "train/total_loss", "total_loss", "train/*_loss")
# Loose enough for fine-tuning from good weights, tight enough that a learning rate of 0 does not pass.
_RATIO_MAX = 0.95
_CLASSES = ("NUM_CLASSES", "CLASSES")


@dataclass(frozen=True)
class Judgement:
    """Everything that is said about a run's logs; `seen`: reader -> series -> its summary.

    `headline` is the series that was rated; `readings` and `metrics` are what reports draw.
    """

    folder: Path
    verdicts: tuple[Verdict, ...]
    outcome: Outcome
    rating: str = ""
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    seen: Mapping[str, Mapping[str, Summary]] = field(default_factory=dict, repr=False)
    headline: str = ""
    metrics: Mapping[str, Metric] = field(default_factory=dict, repr=False)
    readings: Mapping[str, Reading] = field(default_factory=dict, repr=False)


def judge(
    verification: Verification, preset: str, context: Context, *, task: str = "", strict: bool = False
) -> Judgement:
    """Judges `context.folder` by the rules of `preset`; without any, by built-in health rules on the loss."""
    found = readers.read(context.folder)
    wanted = verification.presets.get(preset, ())
    if not wanted:
        verification, wanted = _built_in(found, context)
        context = replace(context, preset_own_epochs=False)
    verdicts = rules.evaluate(wanted, verification, found, context)
    seen = {reader: {name: summary(s) for name, s in reading.series.items()} for reader, reading in found.items()}
    rating = _rate(task, seen, verification, context)
    return Judgement(
        folder=context.folder,
        verdicts=verdicts,
        outcome=rules.outcome(verdicts, strict=strict),
        rating=rating.sentence if rating else "",
        notes=rating.notes if rating else (),
        problems=tuple(_problems(found, context.folder)),
        seen=seen,
        headline=rating.metric if rating else "",
        metrics=verification.metrics,
        readings=found,
    )


def _problems(found: Mapping[str, Reading], folder: Path) -> Iterator[str]:
    if not found:
        yield f"{folder}: no training log found (known are {', '.join(readers.READERS)})"
    for reading in found.values():
        yield from (f"{problem.file}: {problem.message}" for problem in reading.problems)


def summary(series: Series) -> Summary:
    """`series` in a few numbers."""
    values = [value for value in series.value if math.isfinite(value)]
    if not values:
        return Summary(len(series))
    return Summary(len(series), values[0], values[-1], max(values), min(values), _stalled(values))


def _stalled(values: list[float]) -> bool:
    """Whether the last fifth is less than 1 % below the fifth before it."""
    fifth = len(values) // 5
    return fifth > 1 and median(values[-fifth:]) > 0.99 * median(values[-2 * fifth : -fifth])


def _built_in(found: Mapping[str, Reading], context: Context) -> tuple[Verification, tuple[Rule, ...]]:
    """The loss is finite and falls, where there is one."""
    log = Log(found, {}, context)
    for key in _LOSSES:
        try:
            log.find([key])
        except Missing:
            continue
        metrics = {key: Metric(key, key, better="lower", kind="loss")}
        return Verification(metrics), (Rule("finite", (key,)), Rule("trend", (key,), {"ratio_max": _RATIO_MAX}))
    return Verification(), ()


def _rate(
    task: str, seen: Mapping[str, Mapping[str, Summary]], verification: Verification, context: Context
) -> ratings.Rating | None:
    merged = {name: entry for reader in reversed(list(seen)) for name, entry in seen[reader].items()}
    given = next((context.parameters[name] for name in _CLASSES if name in context.parameters), None)
    return ratings.rate(task, merged, verification.metrics, given if isinstance(given, int) else None)
