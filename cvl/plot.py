"""Curves of several runs as one picture, drawn with Pillow."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from cvl.errors import UsageError
from cvl.readers.base import Series

Curves = Mapping[str, Series]  # by run
Range = tuple[float, float]

SUFFIXES = (".png", ".webp", ".jpg")
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#444444")  # also for the colour-blind
_WIDTH, _HEIGHT, _ROW = 900, 320, 20  # of the picture, of a panel, of a line of the legend
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 20, 34, 34
_FINE = 2  # drawn so many times larger, then reduced: Pillow's lines have no smooth edges
_MOST = 2000  # points of a curve; more do not fit the width
_HUGE = 1e300  # nothing near the largest float can be scaled


def write(file: Path, panels: Mapping[str, Curves]) -> None:
    """One panel a title, one line a run; UsageError where `file` is no picture that can be written."""
    from PIL import Image

    if file.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--plot {file}: a picture's name ends in {', '.join(SUFFIXES)}")
    runs = list(dict.fromkeys(run for curves in panels.values() for run in curves))
    colours = {run: COLOURS[i % len(COLOURS)] for i, run in enumerate(runs)}
    size = _WIDTH, _HEIGHT * len(panels) + _ROW * len(runs) + 10
    image = Image.new("RGB", (size[0] * _FINE, size[1] * _FINE), "white")
    pen = _Pen(image)
    for i, (title, curves) in enumerate(panels.items()):
        _panel(pen, title, curves, colours, i * _HEIGHT)
    for i, run in enumerate(runs):
        y = _HEIGHT * len(panels) + _ROW * i
        pen.line([(_LEFT, y + 8), (_LEFT + 24, y + 8)], colours[run], 2)
        pen.text((_LEFT + 32, y + 8), run, "lm")
    try:
        image.reduce(_FINE).save(file)
    except OSError as error:
        raise UsageError(f"--plot {file}: {error.strerror or error}") from None


class _Pen:
    """Draws in the coordinates of the finished picture."""

    def __init__(self, image: Any) -> None:
        from PIL import ImageDraw, ImageFont

        self._draw, self._font = ImageDraw.Draw(image), ImageFont.load_default(13 * _FINE)

    def line(self, points: list[tuple[float, float]], colour: str, width: int = 1) -> None:
        self._draw.line([(x * _FINE, y * _FINE) for x, y in points], colour, width * _FINE, joint="curve")

    def dot(self, at: tuple[float, float], colour: str) -> None:
        self._draw.circle((at[0] * _FINE, at[1] * _FINE), 3 * _FINE, colour)

    def text(self, at: tuple[float, float], words: str, anchor: str) -> None:
        """Names are foreign text: what the font cannot show becomes a question mark."""
        plain = words.encode("latin-1", "replace").decode("latin-1")
        shown = "".join(c if c.isprintable() else "?" for c in plain)[:110]
        self._draw.text((at[0] * _FINE, at[1] * _FINE), shown, "black", self._font, anchor)


def _panel(pen: _Pen, title: str, curves: Curves, colours: Mapping[str, str], top: int) -> None:
    epochs = _by_epoch(curves)
    lines = {run: list(_points(curve, epochs=epochs)) for run, curve in curves.items()}
    known = [point for points in lines.values() for point in points if math.isfinite(point[1])]
    xs, ys = (_range([point[i] for point in known]) for i in (0, 1))
    low, high = top + _HEIGHT - _BOTTOM, top + _TOP

    def place(point: tuple[float, float]) -> tuple[float, float]:
        x = _LEFT + (point[0] - xs[0]) / (xs[1] - xs[0]) * (_WIDTH - _LEFT - _RIGHT)
        return x, low - (point[1] - ys[0]) / (ys[1] - ys[0]) * (low - high)

    pen.text((_LEFT, top + 16), title, "lm")
    pen.text((_WIDTH - _RIGHT, top + 16), "over epochs" if epochs else "over steps", "rm")
    for y in _ticks(ys):
        pen.line([place((xs[0], y)), place((xs[1], y))], "#dddddd")
        pen.text((_LEFT - 8, place((0, y))[1]), f"{y:.4g}", "rm")
    for x in _ticks(xs):
        pen.text((place((x, 0))[0], low + 14), f"{x:.6g}", "mm")
    for run, points in lines.items():
        for part in _unbroken(points):
            pen.line([place(point) for point in part], colours[run], 2)
            if len(part) == 1:
                pen.dot(place(part[0]), colours[run])


def _by_epoch(curves: Curves) -> bool:
    """Whether every point has an epoch, and there is more than one."""
    found = {epoch for curve in curves.values() for epoch in curve.epoch}
    return len(found) > 1 and not any(map(math.isnan, found))


def _points(curve: Series, *, epochs: bool) -> Iterator[tuple[float, float]]:
    """Of an epoch with several values the median of those that can be drawn."""
    at: dict[float, list[float]] = {}
    for x, y in zip(curve.epoch if epochs else curve.step, curve.value, strict=True):
        at.setdefault(x, []).append(y)
    for x in list(at)[:: max(1, math.ceil(len(at) / _MOST))]:
        known = [y for y in at[x] if abs(y) < _HUGE]
        yield x, median(known) if known else math.nan


def _unbroken(points: list[tuple[float, float]]) -> Iterator[list[tuple[float, float]]]:
    """The stretches between values that are not finite."""
    part: list[tuple[float, float]] = []
    for point in [*points, (0.0, math.nan)]:
        if math.isfinite(point[1]):
            part.append(point)
        elif part:
            yield part
            part = []


def _range(values: list[float]) -> Range:
    """From the smallest to the largest, never of no width."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    margin = max(abs(low), 1.0) * 1e-6
    return (low, high) if high - low > margin else (low - max(abs(low), 1.0) / 2, high + max(abs(high), 1.0) / 2)


def _ticks(span: Range) -> list[float]:
    """Round numbers within `span`, about five."""
    raw = (span[1] - span[0]) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * k for k in (1, 2, 5, 10) if power * k >= raw)
    first, last = math.ceil(span[0] / step), math.floor(span[1] / step)
    return [i * step for i in range(first, last + 1)]
