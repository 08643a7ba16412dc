"""Outlines of things on pictures: polygons (x, y, x, y, …) in pixels."""

from __future__ import annotations

from collections.abc import Iterable

from cvl.formats.dataset import TOLERANCE

Polygon = tuple[float, ...]


def bounded(polygons: Iterable[Polygon], width: int, height: int) -> tuple[Polygon, ...]:
    """The polygons clipped to the picture; ValueError where one lies outside, by the tolerance of boxes."""
    return tuple(_bounded(polygon, width, height) for polygon in polygons)


def _bounded(polygon: Polygon, width: int, height: int) -> Polygon:
    slack_x, slack_y = TOLERANCE * width, TOLERANCE * height
    xs, ys = polygon[::2], polygon[1::2]
    if not all(abs(v) < float("inf") for v in polygon):
        raise ValueError("an outline with coordinates that are not finite")
    if min(xs) < -slack_x or min(ys) < -slack_y or max(xs) > width + slack_x or max(ys) > height + slack_y:
        reach = f"({min(xs):.1f}, {min(ys):.1f}, {max(xs):.1f}, {max(ys):.1f})"
        raise ValueError(f"an outline outside the picture: {reach} on {width}x{height}")
    points = zip(xs, ys, strict=True)
    return tuple(v for x, y in points for v in (min(max(0.0, x), width), min(max(0.0, y), height)))
