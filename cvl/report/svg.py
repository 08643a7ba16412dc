"""A chart drawn as inline SVG, small and without script: axes, lines, bounds, marks, values to hover over."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.etree.ElementTree import Element

from cvl.readers.base import Series
from cvl.report.curves import Chart, Mark, Span
from cvl.report.markup import tag
from cvl.rules import Status

WIDTH, HEIGHT = 460, 250
LEFT, RIGHT, TOP, BOTTOM = 54, WIDTH - 12, 14, HEIGHT - 36
STRETCHES, STRIPS = 240, 48
_DECADES = 2  # from which on an axis is logarithmic
_LIMIT = 1e150  # the square of what is drawn must be a number
_UNIT = 110  # pixels for the name of the horizontal axis
_BAD = TOP - 5  # where what is not finite is marked
_LETTER = 7  # pixels that a letter takes at most, on the average
_FAILED = (Status.FAIL, Status.WARN)

Point = tuple[float, float]


@dataclass(frozen=True)
class Scale:
    """Values to pixels; what lies outside is drawn at the edge."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        value, low, high = (math.log10(max(v, self.low)) if self.log else v for v in (value, self.low, self.high))
        share = (min(max(value, low), high) - low) / (high - low)
        return round(self.start + (self.end - self.start) * share, 1)

    def ticks(self, *, whole: bool = False) -> list[float]:
        """Four to seven round numbers."""
        if self.log:
            first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
            return [10.0**n for n in range(first, last + 1, max(1, math.ceil((last - first) / 5)))]
        rough = (self.high - self.low) / 7
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(unit * n for n in (1, 2, 5, 10) if unit * n >= rough)
        step = max(1.0, step) if whole else step
        return [n * step for n in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]


def draw(chart: Chart) -> Element:
    steps = [series.step[i] for series in chart.lines for i in (0, -1)]
    x = Scale(*_apart(min(steps), max(steps)), LEFT, RIGHT)
    y = _vertical(chart)
    parts = [*_axes(x, y, chart), *_band(chart, y)]
    for number, series in enumerate(chart.lines):
        parts += _line(series, number, x, y)
    points = list(_drawn_through(chart, x, y)) if chart.guides else []
    parts += _guides(chart, y, points)
    parts += _strips(chart, x)
    parts += [_span(span, x, y) for span in chart.spans]
    parts += [_mark(mark, x, y) for mark in chart.marks]
    names = ", ".join(series.name for series in chart.lines)
    return tag("svg", parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=f"Curves of {names}")


def number(value: float) -> str:
    """Six digits at most."""
    return f"{value:.6g}".replace("e+0", "e").replace("e-0", "e-")


def _apart(low: float, high: float) -> tuple[float, float]:
    """Two bounds that an axis can lie between."""
    if high - low > 1e-9 * max(abs(low), abs(high), 1e-290):
        return low, high
    half = abs(high) / 10 or 1
    return low - half, high + half


def _vertical(chart: Chart) -> Scale:
    """Over all finite values; a bound far from them only where it failed."""
    finite = [v for series in chart.lines for v in series.value if math.isfinite(v)]
    low, high = (max(-_LIMIT, min(_LIMIT, v)) for v in (min(finite, default=0), max(finite, default=1)))
    for guide in chart.guides:
        reach = math.inf if guide.status in _FAILED else high - low
        if guide.status not in _FAILED and 0 < guide.value < low / 10**_DECADES:
            continue  # it would press the curve flat
        if math.isfinite(guide.value) and low - reach <= guide.value <= high + reach:
            low, high = min(low, guide.value), max(high, guide.value)
    low, high = max(-_LIMIT, low), min(_LIMIT, high)
    if low > 0 and high / low >= 10**_DECADES:
        return Scale(low / 1.3, high * 1.3, BOTTOM, TOP, log=True)
    low, high = _apart(low, high)
    room = 0.06 * (high - low)
    return Scale(low if low == 0 else low - room, high + room, BOTTOM, TOP)


def _known(chart: Chart) -> bool:
    """Whether there is anything to read off the vertical axis."""
    values = [guide.value for guide in chart.guides] + [value for s in chart.lines for value in s.value]
    return any(map(math.isfinite, values))


def _axes(x: Scale, y: Scale, chart: Chart) -> Iterator[Element]:
    for value in y.ticks() if _known(chart) else ():
        at = y.at(value)
        yield tag("path", d=f"M{LEFT} {at}H{RIGHT}", class_="grid")
        yield tag("text", number(value), x=LEFT - 6, y=at + 4, text_anchor="end")
    for value in x.ticks(whole=True):
        yield tag("text", number(value), x=x.at(value), y=BOTTOM + 16, text_anchor="middle")
    yield tag("path", d=f"M{LEFT} {BOTTOM}H{RIGHT}", class_="axis")
    by_epoch = all(s.epoch[i] == s.step[i] for s in chart.lines for i in (0, -1))
    words = ("epoch" if by_epoch else "step") + (", log scale" if y.log else "")
    yield tag("text", words, x=RIGHT, y=HEIGHT - 4, text_anchor="end")


def _line(series: Series, number: int, x: Scale, y: Scale) -> Iterator[Element]:
    """What is finite, stretch by stretch; a cross at the upper edge for what is not."""
    stretches: list[list[Point]] = [[]]
    for i in thinned(series.value):
        value, at = series.value[i], x.at(series.step[i])
        if math.isfinite(value):
            stretches[-1].append((at, y.at(value)))
            continue
        stretches.append([])
        told = tag("title", f"{series.name} is {value} at step {series.step[i]}")
        yield tag("path", told, d=f"M{at - 4} {_BAD - 4}l8 8m0-8l-8 8", class_="broken")
    path = "".join("M" + "L".join(f"{left} {top}" for left, top in part) for part in stretches if len(part) > 1)
    yield tag("path", d=path, class_=f"line s{number}")
    for part in stretches:
        if len(part) == 1:
            yield tag("circle", cx=part[0][0], cy=part[0][1], r=1.5, class_=f"dot s{number}")


def thinned(values: Sequence[float]) -> list[int]:
    """Of each stretch the lowest, the highest and the first that is not finite, so that no spike is lost."""
    size = math.ceil(len(values) / STRETCHES)
    kept = {0, len(values) - 1}
    for start in range(0, len(values), size) if size > 1 else ():
        stretch = range(start, min(start + size, len(values)))
        finite = [i for i in stretch if math.isfinite(values[i])]
        if finite:
            kept |= {min(finite, key=values.__getitem__), max(finite, key=values.__getitem__)}
        if len(finite) < len(stretch):
            kept.add(next(i for i in stretch if not math.isfinite(values[i])))
    return sorted(kept) if size > 1 else list(range(len(values)))


def _band(chart: Chart, y: Scale) -> Iterator[Element]:
    """Where the bounds let a value lie."""
    guides = [guide for guide in chart.guides if guide.status is not Status.NOT_COMPARABLE]
    floors = [y.at(guide.value) for guide in guides if guide.allowed == "above"]
    ceilings = [y.at(guide.value) for guide in guides if guide.allowed == "below"]
    top, bottom = max(ceilings, default=TOP), min(floors, default=BOTTOM)
    if (floors or ceilings) and bottom > top:
        yield tag("rect", x=LEFT, y=top, width=RIGHT - LEFT, height=round(bottom - top, 1), class_="band")


def _guides(chart: Chart, y: Scale, points: Sequence[Point]) -> Iterator[Element]:
    """Lines with their texts where no curve passes, else below the axis; only the text where a bound lies outside."""
    below = float(LEFT)
    for guide in chart.guides:
        kind, at, words = f"guide {guide.status.value}", y.at(guide.value), guide.text
        if not y.low <= guide.value <= y.high:
            words = ("↑ " if guide.value > y.high else "↓ ") + words
            yield tag("text", words, x=LEFT + 6, y=TOP + 10 if guide.value > y.high else BOTTOM - 6, class_=kind)
            continue
        yield tag("path", d=f"M{LEFT} {at}H{RIGHT}", class_=kind)
        hidden, place = _free(words, at, points)
        if hidden and below + _LETTER * len(words) < RIGHT - _UNIT:
            place, words = (below, HEIGHT - 4), f"┄ {words}"
            below += _LETTER * (len(words) + 1)
        yield tag("text", words, x=place[0], y=place[1], class_=kind)


def _drawn_through(chart: Chart, x: Scale, y: Scale) -> Iterator[Point]:
    """Points along the lines, a few pixels apart."""
    lines = [[(s.step[i], s.value[i]) for i in thinned(s.value) if math.isfinite(s.value[i])] for s in chart.lines]
    lines += [[(span.first, span.value), (span.last, span.value)] for span in chart.spans]
    for line in lines:
        places = [(x.at(step), y.at(value)) for step, value in line]
        yield from places[-1:]
        for (left, start), (right, end) in pairwise(places):
            count = 1 + int(max(right - left, abs(end - start)) / 8)
            yield from ((left + (right - left) * k / count, start + (end - start) * k / count) for k in range(count))


def _free(words: str, at: float, points: Sequence[Point]) -> tuple[int, Point]:
    """Where a text above or below the line `at` hides the fewest points: how many, and its left and base."""
    width = _LETTER * len(words)
    first, last = LEFT + 6, RIGHT - 4 - width
    lefts = [last + (first - last) * k / 6 for k in range(7)]
    bases = [base for base in (at - 5, at + 14) if TOP + 10 <= base <= BOTTOM - 2]

    def hidden(place: Point) -> int:
        left, base = place
        return sum(left - 4 <= x <= left + width + 4 and base - 14 <= y <= base + 5 for x, y in points)

    places = [(round(left, 1), round(base, 1)) for left in lefts for base in bases]
    return min(((hidden(place), place) for place in places), key=lambda found: found[0])


def _span(span: Span, x: Scale, y: Scale) -> Element:
    """A short thick line; of a single step a long dash."""
    first, last, at = x.at(span.first), x.at(span.last), y.at(span.value)
    first, last = (first, last) if last - first >= 6 else (max(LEFT, last - 6), min(RIGHT, first + 6))
    return tag("path", tag("title", span.text), d=f"M{first} {at}H{last}", class_=f"span {span.status.value}")


def _mark(mark: Mark, x: Scale, y: Scale) -> Element:
    at = x.at(mark.step), y.at(mark.value) if math.isfinite(mark.value) else float(_BAD)
    told = tag("title", mark.text)
    kind = f"mark {mark.status.value}"
    if mark.status in _FAILED:
        return tag("path", told, d=f"M{at[0] - 6} {at[1] - 6}l12 12m0-12l-12 12", class_=kind)
    return tag("circle", told, cx=at[0], cy=at[1], r=4.5, class_=kind)


def _strips(chart: Chart, x: Scale) -> Iterator[Element]:
    """Invisible columns whose titles tell the values below them."""
    longest = max(chart.lines, key=len)
    count = min(STRIPS, len(longest))
    picked = [round(k * (len(longest) - 1) / max(1, count - 1)) for k in range(count)]
    places = [x.at(longest.step[i]) for i in picked]
    edges = [float(LEFT), *((a + b) / 2 for a, b in pairwise(places)), float(RIGHT)]
    for i, (left, right) in zip(picked, pairwise(edges), strict=True):
        told = tag("title", "\n".join(_values(chart, longest, i)))
        size = {"y": TOP, "width": round(right - left, 1), "height": BOTTOM - TOP}
        yield tag("rect", told, x=round(left, 1), **size, class_="strip")


def _values(chart: Chart, longest: Series, i: int) -> Iterator[str]:
    step, epoch = longest.step[i], longest.epoch[i]
    yield f"step {step}" + ("" if math.isnan(epoch) or epoch == step else f", epoch {epoch:g}")
    for series in chart.lines:
        j = bisect_left(series.step, step)
        near = min((k for k in (j - 1, j) if 0 <= k < len(series)), key=lambda k: abs(series.step[k] - step))
        place = "" if series.step[near] == step else f" (step {series.step[near]})"
        yield f"{series.name} {number(series.value[near])}{place}"
