"""The rules for a log without rules of its own: health that needs no calibration. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

from cvl import names, ratings
from cvl.readers.base import Reading, Series
from cvl.rules import Metric, Rule, Verification
from cvl.rules.curves import HARDLY_FALLS, ends
from cvl.rules.log import matching

# What is true of a few rows by chance is a warning only.
_MANY = 5
_ENOUGH = 16  # fewer points of a loss that falls slowly may end, by noise, where they began
_WINDOW = 20
_PARTS = "train/*_loss"  # Ultralytics logs the parts of a loss only
_TINY = 1e-12
_EXPLOSION = 10
_DOUBLE = 2

Found = Iterator[tuple[Metric, Rule]]


def rules_for(readings: Mapping[str, Reading], task: str) -> tuple[Verification, tuple[Rule, ...]]:
    """The built-in rules that the series of a log allow, in the order of the report."""
    series = {
        name: one for reading in reversed(list(readings.values())) for name, one in reading.series.items() if len(one)
    }
    found = [*_losses(series), *_training(series), *_validation(series), *_effort(series), *_headline(series, task)]
    return Verification({metric.name: metric for metric, _ in found}), tuple(rule for _, rule in found)


def _losses(series: Mapping[str, Series]) -> Found:
    """A total is held to what a loss can be; a part of one may be 0 or negative, but not NaN."""
    for name in filter(names.is_loss, series):
        metric = Metric(name, name, better="lower", kind="loss" if names.is_total(name) else "other")
        yield metric, Rule("finite", (name,))


def training_loss(series: Mapping[str, Series]) -> str | None:
    """The training loss with the most points; where there are parts only, their sum."""
    totals = [name for name in series if names.is_total(name) and not names.is_validation(name)]
    if totals:
        return max(totals, key=lambda name: len(series[name]))
    return _PARTS if any(name.startswith("train/") and name.endswith("_loss") for name in series) else None


def validation_loss(series: Mapping[str, Series]) -> str | None:
    totals = [name for name in series if names.is_total(name) and names.is_validation(name)]
    return max(totals, key=lambda name: len(series[name]), default=None)


def _training(series: Mapping[str, Series]) -> Found:
    name = training_loss(series)
    if name is None:
        return
    metric = Metric(name, name, better="lower", kind="loss")
    curves = [series[name]] if name in series else [series[part] for part in matching(series, name)]
    severity = "error" if all(map(_tells, curves)) else "warn"
    yield metric, Rule("trend", (name,), {"ratio_max": HARDLY_FALLS}, severity=severity)
    if name in series and exploded(series[name]):
        yield metric, Rule("trend", (name,), {"ratio_max": 1.0, "from": "first"})
    if name in series and len(series[name]) > _WINDOW:
        yield metric, Rule("no_spike", (name,), {"window": _WINDOW}, severity="warn")
        yield metric, Rule("count", (name,), {"gaps": False}, severity="warn")


def _tells(series: Series) -> bool:
    """Whether noise is no excuse: enough points, all the same, or an end that is no number or far above the start."""
    first, last = ends(series)
    return len(series) >= _ENOUGH or len(set(series.value)) == 1 or last > _DOUBLE * first or math.isinf(last)


def exploded(series: Series) -> bool:
    """Whether the first tenth, with which `trend` compares the end, went far above where the loss began."""
    early = series.value[: max(3, len(series) // 10)]
    return any(value > _EXPLOSION * early[0] > 0 for value in early)


def _validation(series: Mapping[str, Series]) -> Found:
    """A validation loss that is the same to the last digit comes from weights that did not move."""
    name, train = validation_loss(series), training_loss(series)
    if name is None:
        return
    metric = Metric(name, name, better="lower", kind="loss")
    yield metric, Rule("not_constant", (name,), {"min": -math.inf, "max": math.inf})
    if train is not None:
        yield metric, Rule("gap", (train, name), {"ratio_max": 2.0}, severity="warn")


def _effort(series: Mapping[str, Series]) -> Found:
    """A learning rate or gradient that is 0 in every row teaches nothing."""
    for belongs in (names.is_rate, names.is_gradient):
        if name := _largest(series, belongs):
            yield Metric(name, name, better="higher"), Rule("range", (name,), {"at": "best", "min": _TINY})


def _largest(series: Mapping[str, Series], belongs: Callable[[str], bool]) -> str | None:
    """Of several (one a group of weights) that which gets highest: frozen groups are no fault."""
    highest = {name: max(filter(math.isfinite, series[name].value), default=0.0) for name in filter(belongs, series)}
    return max(highest, key=lambda name: highest[name], default=None)


def _headline(series: Mapping[str, Series], task: str) -> Found:
    """Once above 0 (0, -1 and NaN say that nothing was there to be found), and not always the same."""
    name = ratings.headline(task, series)
    if name is None:
        return
    metric, values = Metric(name, name, better="higher"), series[name].value
    yield (
        metric,
        Rule("range", (name,), {"at": "best", "min": _TINY}, severity="error" if len(values) >= _MANY else "warn"),
    )
    if len(values) >= 2 * _MANY and max(values) not in (1, 100):  # nothing is better than all
        yield metric, Rule("not_constant", (name,), {"min": -math.inf, "max": math.inf})
