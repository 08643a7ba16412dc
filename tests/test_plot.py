"""Curves as a picture, whatever was logged."""

from __future__ import annotations

import math
from array import array
from pathlib import Path

import pytest
from PIL import Image

from cvl import plot
from cvl.readers.base import Series

NONE = math.nan


def curve(values: list[float], *, epochs: bool = True) -> Series:
    steps = range(1, len(values) + 1)
    numbers = array("d", steps if epochs else [NONE] * len(values))
    return Series("x", "f", array("q", steps), numbers, array("d", values))


def drawn(file: Path, values: list[float], *, epochs: bool = True, name: str = "run") -> int:
    """How many pixels of the panel have the colour of the only curve, edges left out."""
    plot.write(file, {"title": {name: curve(values, epochs=epochs)}})
    with Image.open(file) as image:
        assert image.size == (900, 350)
        panel = image.crop((70, 30, 890, 296)).convert("RGB")
    return sum(count for count, (red, _, blue) in panel.getcolors(1 << 20) or () if red < 60 and blue > 150)  # type: ignore[misc]


@pytest.mark.parametrize(
    "values",
    [
        [1.0, 2.0, 3.0],
        [0.5],
        [0.5, 0.5, 0.5],
        [0.0, 0.0],
        [1.0, NONE, 3.0],
        [1.0, math.inf, 3.0],
        [1e308, -1e308, 1.0],
        [1e299, -1e299],
        [1e-320, 2e-320],
        [-5.0, 1e15],
        [float(i % 7) for i in range(50_000)],
    ],
)
@pytest.mark.parametrize("epochs", [True, False])
def test_what_is_finite_is_drawn(tmp_path: Path, values: list[float], epochs: bool) -> None:
    assert drawn(tmp_path / "plot.png", values, epochs=epochs) > 10


def test_what_is_not_finite_leaves_an_empty_panel(tmp_path: Path) -> None:
    assert drawn(tmp_path / "plot.png", [NONE, math.inf]) == 0


def test_foreign_names_are_drawn_as_far_as_the_font_goes(tmp_path: Path) -> None:
    assert drawn(tmp_path / "plot.png", [1, 2], name="\x1b[31m\n名前" * 50) > 10


def test_a_picture_is_as_high_as_it_has_panels_and_runs(tmp_path: Path) -> None:
    runs = {f"run-{i}": curve([1, i]) for i in range(10)}
    plot.write(tmp_path / "plot.webp", {"loss": runs, "score": runs})
    with Image.open(tmp_path / "plot.webp") as image:
        assert (image.format, image.size) == ("WEBP", (900, 850))


def test_an_epoch_of_many_steps_is_one_point() -> None:
    steps = array("q", range(1, 8))
    line = Series("x", "f", steps, array("d", [1, 1, 1, 2, 2, 3, 3]), array("d", [9, 1, 3, 2, NONE, NONE, NONE]))
    assert list(plot._points(line, epochs=True))[:2] == [(1, 3), (2, 2)]
    assert math.isnan(list(plot._points(line, epochs=True))[2][1])
    assert list(plot._points(line, epochs=False))[:4] == [(1, 9), (2, 1), (3, 3), (4, 2)]


def test_a_single_epoch_is_drawn_over_its_steps() -> None:
    line = Series("x", "f", array("q", [1, 2]), array("d", [1, 1]), array("d", [2, 1]))
    assert not plot._by_epoch({"run": line}) and plot._by_epoch({"run": curve([1, 2])})
