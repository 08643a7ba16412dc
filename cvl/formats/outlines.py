"""Outlines of things on pictures: polygons (x, y, x, y, …) in pixels."""

from __future__ import annotations

from collections.abc import Iterable

from cvl.formats.dataset import TOLERANCE, Box

Polygon = tuple[float, ...]


def bounded(polygons: Iterable[Polygon], width: int, height: int) -> tuple[Polygon, ...]:
    """The polygons clipped to the picture; ValueError where one is none, or lies outside by more than boxes may."""
    return tuple(_bounded(polygon, width, height) for polygon in polygons)


def check(polygons: Iterable[Polygon], box: Box) -> None:
    """ValueError where one of the polygons has no area, or lies beside the box whose outline it is."""
    for polygon in polygons:
        xs, ys = polygon[::2], polygon[1::2]
        if not _area(xs, ys):
            raise ValueError("an outline without area")
        if max(xs) <= box.x0 or min(xs) >= box.x1 or max(ys) <= box.y0 or min(ys) >= box.y1:
            raise ValueError("an outline beside its box")


def _area(xs: Polygon, ys: Polygon) -> float:
    """The shoelace formula."""
    turns = zip(xs, ys, (*xs[1:], xs[0]), (*ys[1:], ys[0]), strict=True)
    return abs(sum(x * y_next - x_next * y for x, y, x_next, y_next in turns)) / 2


def _bounded(polygon: Polygon, width: int, height: int) -> Polygon:
    if len(polygon) < 6 or len(polygon) % 2:
        raise ValueError(f"an outline of {len(polygon)} numbers: it takes x and y of three points at least")
    slack_x, slack_y = TOLERANCE * width, TOLERANCE * height
    xs, ys = polygon[::2], polygon[1::2]
    if not all(abs(v) < float("inf") for v in polygon):
        raise ValueError("an outline with coordinates that are not finite")
    if min(xs) < -slack_x or min(ys) < -slack_y or max(xs) > width + slack_x or max(ys) > height + slack_y:
        reach = f"({min(xs):.1f}, {min(ys):.1f}, {max(xs):.1f}, {max(ys):.1f})"
        raise ValueError(f"an outline outside the picture: {reach} on {width}x{height}")
    points = zip(xs, ys, strict=True)
    return tuple(v for x, y in points for v in (min(max(0.0, x), width), min(max(0.0, y), height)))
