"""Which curves a page shows, and what the rules say of them: bounds as lines, judged points as marks."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field

from cvl.judge import Judgement
from cvl.readers import cvl_jsonl
from cvl.readers.base import Reading, Series
from cvl.rules import Context, Status, Verdict
from cvl.rules.case import shown
from cvl.rules.comparisons import spellings
from cvl.rules.curves import ends
from cvl.rules.log import Log, Missing

MAX_CHARTS, MAX_LINES = 24, 8
_SPLIT = re.compile(r"^(train|training|val|valid|validation|test|eval)[/_]|[/_](train|val|valid|test|eval)$", re.I)


@dataclass(frozen=True)
class Guide:
    """A bound: the side that is `allowed` is above or below it, or neither."""

    value: float
    text: str
    status: Status
    allowed: str = ""


@dataclass(frozen=True)
class Mark:
    """A point that a rule judged."""

    step: int
    value: float
    status: Status
    text: str


@dataclass(frozen=True)
class Span:
    """The median of the points from one step to another."""

    first: int
    last: int
    value: float
    status: Status
    text: str


@dataclass
class Chart:
    """`left_out` counts the curves that would have been too many."""

    title: str
    lines: list[Series]
    guides: list[Guide] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    left_out: int = 0


def charts(judgement: Judgement) -> tuple[list[Chart], int]:
    """Those that a rule is about first, then losses, then the rest; and how many are left out."""
    log = Log(judgement.readings, judgement.metrics, Context(judgement.folder))
    found = _grouped(curves(judgement, log))
    for verdict in judgement.verdicts:
        if verdict.status is not Status.NOT_RUN:
            _draw_in(verdict, log, found)
    ranked = sorted(found.values(), key=lambda c: (not (c.guides or c.marks or c.spans), "loss" not in c.title.lower()))
    for chart in ranked:
        _thin_out(chart)
    return ranked[:MAX_CHARTS], max(0, len(ranked) - MAX_CHARTS)


def own(judgement: Judgement) -> list[Reading]:
    """The log of the catalogue's own format, where there is one: another tool's says the same again."""
    readings = judgement.readings
    return [readings[cvl_jsonl.NAME]] if cvl_jsonl.NAME in readings else list(readings.values())


def curves(judgement: Judgement, log: Log) -> list[Series]:
    """Every series of two points or more, and whatever else the rules are about, such as sums."""
    named = {name: series for reading in reversed(own(judgement)) for name, series in reading.series.items()}
    for verdict in judgement.verdicts:
        metric = judgement.metrics.get(verdict.metric)
        if metric and (series := _series(log, metric.name)):
            named.setdefault(metric.key, series)
    return [series for series in named.values() if len(series) > 1]


def _grouped(found: list[Series]) -> dict[str, Chart]:
    """A curve of one split beside that of the other; the classes of a metric together."""
    groups: dict[str, list[Series]] = {}
    for series in found:
        groups.setdefault(_group(series.name), []).append(series)
    return {
        key: Chart(lines[0].name if len(lines) == 1 else key, sorted(lines, key=lambda s: s.name))
        for key, lines in groups.items()
    }


def _group(name: str) -> str:
    return f"{name.rpartition('/')[0]}/…" if name.count("/") > 1 else _SPLIT.sub("", name) or name


def _draw_in(verdict: Verdict, log: Log, found: dict[str, Chart]) -> None:
    """The bounds of a rule, and the point it looked at."""
    name = verdict.metric.rpartition(", ")[2]
    if name not in log.metrics:
        return
    if verdict.rule == "each":
        chart = found.get(f"{log.metrics[name].key}/…")
        series = None
    else:
        series = _series(log, name)
        chart = found.get(_group(series.name)) if series else None
    if chart is None:
        return
    chart.guides += _guides(verdict, series, log)
    spans = list(_spans(verdict, series)) if series and verdict.rule == "trend" else []
    chart.spans += spans
    if series and not spans and (mark := _mark(verdict, series)):
        chart.marks.append(mark)


def _guides(verdict: Verdict, series: Series | None, log: Log) -> Iterator[Guide]:
    options, status = verdict.options, verdict.status
    for name, allowed in (("min", "above"), ("max", "below")):
        if verdict.rule in ("range", "each", "not_constant") and name in options:
            yield Guide(float(options[name]), f"{name} {options[name]}", status, allowed)  # type: ignore[arg-type]
    if verdict.rule == "trend" and series:
        # The limit that was applied, which is not always the option's.
        limit = float(verdict.wanted.rpartition(" ≤ ")[2])
        start, _ = ends(series, alone=_alone(verdict))
        if math.isfinite(start):
            yield Guide(limit * start, f"end ≤ {limit:g} × start", status)
    if verdict.rule == "above":
        names = [str(options["baseline"])] if "baseline" in options else spellings(log.metrics[verdict.metric])
        try:
            yield Guide(log.find([f"baseline/{name}" for name in names]).value[-1], "baseline", status)
        except Missing:
            return


def _alone(verdict: Verdict) -> bool:
    return verdict.options.get("from") == "first"


def _spans(verdict: Verdict, series: Series) -> Iterator[Span]:
    """The two ends that a trend compares."""
    size = max(3, len(series) // 10)
    start, end = ends(series, alone=_alone(verdict))
    places = (0, 0 if _alone(verdict) else size - 1, start, "start"), (-size, -1, end, "end")
    for first, last, value, name in places if len(series) >= 2 * size else ():
        if math.isfinite(value):
            told = f"{name} {shown(value)}\n{_told(verdict)}"
            yield Span(series.step[first], series.step[last], value, verdict.status, told)


def _told(verdict: Verdict) -> str:
    words = f"{verdict.rule}: {verdict.status.value}\nwanted {verdict.wanted}\nfound {verdict.found}"
    return f"{words}\n{verdict.where}"


def _mark(verdict: Verdict, series: Series) -> Mark | None:
    step = verdict.where.step
    if step is None:
        return None
    i = bisect_left(series.step, step)
    if i == len(series) or series.step[i] != step:
        return None
    return Mark(step, series.value[i], verdict.status, _told(verdict))


def _series(log: Log, name: str) -> Series | None:
    try:
        return log.get(name)
    except Missing:
        return None


def _thin_out(chart: Chart) -> None:
    """Of many classes the ones that end lowest."""
    if len(chart.lines) > MAX_LINES:
        chart.left_out = len(chart.lines) - MAX_LINES
        last = {s.name: s.value[-1] for s in chart.lines}
        chart.lines = sorted(chart.lines, key=lambda s: (math.isfinite(last[s.name]), last[s.name]))[:MAX_LINES]
