"""Which charts there are, what the rules draw into them, and drawing that holds for any numbers."""

from __future__ import annotations

import math
import re
from array import array
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvl import verdict
from cvl.judge import Judgement
from cvl.readers.base import Reading, Series
from cvl.report import curves, svg
from cvl.report.curves import Chart, Guide, Mark
from cvl.rules import Status, outcome
from tests.report import made

LOGS = Path(__file__).parents[1] / "readers/data"


def series(name: str, values: list[float], steps: list[int] | None = None) -> Series:
    numbers = array("q", steps or range(1, len(values) + 1))
    return Series(name, "log", numbers, array("d", [math.nan] * len(values)), array("d", values))


def titles(*names: str) -> list[str]:
    reading = Reading({name: series(name, [2.0, 1.0]) for name in names})
    found, _ = curves.charts(Judgement(Path("run"), (), outcome([]), readings={"any": reading}))
    return [f"{chart.title}: {', '.join(line.name for line in chart.lines)}" for chart in found]


def classes(element: Element) -> list[str]:
    return [part.get("class", "") for part in element.iter()]


def test_curves_that_belong_together_share_a_chart() -> None:
    assert titles("val/map50", "train/loss", "val/loss", "val/map50/a", "val/map50/b") == [
        "loss: train/loss, val/loss",
        "val/map50: val/map50",
        "val/map50/…: val/map50/a, val/map50/b",
    ]
    assert titles("loss", "eval_loss", "x") == ["loss: eval_loss, loss", "x: x"]


def test_too_many_are_counted() -> None:
    many = [series(f"val/f1/{n:02}", [0.0, n if n else math.nan]) for n in range(20)]
    other = [series(f"m{n}", [1.0, 2.0]) for n in range(40)]
    reading = Reading({one.name: one for one in [*many, *other, series("once", [1.0])]})
    found, left_out = curves.charts(Judgement(Path("run"), (), outcome([]), readings={"any": reading}))
    assert (len(found), left_out) == (curves.MAX_CHARTS, 41 - curves.MAX_CHARTS)
    assert [line.name for line in found[0].lines] == [f"val/f1/{n:02}" for n in range(8)] and found[0].left_out == 12


def test_a_trend_is_drawn_as_the_medians_it_compares(tmp_path: Path) -> None:
    found, _ = curves.charts(made.judged(tmp_path, made.rows()))
    chart = next(chart for chart in found if chart.title == "loss")
    (end,) = chart.guides
    assert end == Guide(pytest.approx(0.8 * 5.1, abs=0.3), "end ≤ 0.8 × start", Status.PASS)
    start, finish = chart.spans
    assert (start.first, start.last, finish.first, finish.last) == (10, 30, 280, 300)
    assert end.value == pytest.approx(0.8 * start.value) and finish.value < end.value
    assert finish.text.startswith(f"end {finish.value:.4g}\ntrend: pass\nwanted last / first ≤ 0.8\nfound ")


def test_rules_are_drawn_into_their_charts(tmp_path: Path) -> None:
    healthy, _ = curves.charts(made.judged(tmp_path / "healthy", made.rows()))
    (end,) = next(chart for chart in healthy if chart.title == "loss").guides
    assert end == Guide(pytest.approx(0.8 * 5.1, abs=0.3), "end ≤ 0.8 × start", Status.PASS)
    found, _ = curves.charts(made.judged(tmp_path, made.rows(nan_at=7)))
    by_title = {chart.title: chart for chart in found}
    assert [chart.title for chart in found][:3] == ["loss", "val/map50", "val/map50/…"]
    assert by_title["loss"].guides == []  # the trend of what is no number was not judged
    assert [(mark.step, mark.status) for mark in by_title["loss"].marks] == [(70, Status.FAIL), (300, Status.PASS)]
    assert by_title["loss"].marks[0].text == (
        "finite: fail\nwanted finite, not all 0, not negative\nfound nan\nmetrics.jsonl step 70 (epoch 7)"
    )
    status = Status.NOT_COMPARABLE
    assert by_title["val/map50"].guides == [
        Guide(0.5, "min 0.5", status, "above"), Guide(1.0, "max 1.0", status, "below"),
        Guide(0.05, "baseline", Status.PASS),
    ]  # fmt: skip
    assert by_title["val/map50/…"].guides == [Guide(0.1, "min 0.1", status, "above")]


def test_a_losses_decades_need_a_logarithm() -> None:
    wide = svg.draw(Chart("loss", [series("loss", [1000.0, 10.0, 0.5])]))
    assert [text.text for text in wide.iter("text")] == ["1", "10", "100", "1000", "1", "2", "3", "step, log scale"]
    narrow = svg.draw(Chart("loss", [series("loss", [8.0, 4.0, 2.0], [100, 200, 300])]))
    assert "step" in [text.text for text in narrow.iter("text")]


def test_bounds_are_lines_with_the_allowed_side_shaded() -> None:
    chart = Chart("m", [series("m", [0.2, 0.4])])
    chart.guides = [Guide(0.3, "min 0.3", Status.PASS, "above"), Guide(9, "max 9", Status.PASS, "below")]
    drawn = svg.draw(chart)
    assert classes(drawn).count("band") == 1 and [e.tag for e in drawn.iter() if e.get("class") == "guide pass"] == [
        "path", "text", "text",
    ]  # fmt: skip
    assert "↑ max 9" in [text.text for text in drawn.iter("text")]
    chart.guides = [Guide(9, "min 9", Status.FAIL, "above")]
    assert "↑" not in "".join(text.text or "" for text in svg.draw(chart).iter("text"))


def test_a_bound_decades_below_does_not_press_the_curve_flat() -> None:
    drawn = svg.draw(Chart("m", [series("m", [0.2, 0.4])], [Guide(1e-12, "min 1e-12", Status.PASS, "above")]))
    words = [text.text for text in drawn.iter("text")]
    assert "↓ min 1e-12" in words and "step" in words


def test_every_bad_value_has_a_cross_and_a_point_alone_a_dot() -> None:
    drawn = svg.draw(Chart("m", [series("m", [1, 2, math.nan, math.nan, 3, math.inf])]))
    broken = [part[0].text for part in drawn.iter("path") if part.get("class") == "broken"]
    assert broken == ["m is nan at step 3", "m is nan at step 4", "m is inf at step 6"]
    (line,) = [part.get("d", "") for part in drawn.iter("path") if part.get("class") == "line s0"]
    assert line.count("M") == line.count("L") == 1 and classes(drawn).count("dot s0") == 1


def test_nothing_finite_has_no_vertical_axis() -> None:
    drawn = svg.draw(Chart("m", [series("m", [math.nan, math.inf])]))
    assert [text.text for text in drawn.iter("text")] == ["1", "2", "step"] and "grid" not in classes(drawn)


def test_a_rule_without_bounds_draws_none() -> None:
    for folder in ("keras/nan", "lightning/healthy"):
        found, _ = curves.charts(verdict.of_folder(LOGS / folder))
        guides = [guide for chart in found for guide in chart.guides]
        assert all(math.isfinite(guide.value) and guide.text != "min -inf" for guide in guides)


def test_a_trend_is_drawn_by_the_ends_and_the_limit_that_were_judged() -> None:
    found, _ = curves.charts(verdict.of_folder(LOGS / "lightning/healthy"))
    chart = next(chart for chart in found if chart.spans)
    (limit,), (_, end) = chart.guides, chart.spans
    assert chart.title == "train/loss_step" and limit.text == "end ≤ 0.95 × start"
    assert end.value <= limit.value < chart.lines[0].value[-1] and chart.marks[1:] == []
    assert classes(svg.draw(chart)).count("span pass") == 2


def label(values: list[float], bound: float) -> tuple[float, float]:
    drawn = svg.draw(Chart("m", [series("m", values)], [Guide(bound, "limit", Status.PASS)]))
    (found,) = [part for part in drawn.iter("text") if (part.text or "").endswith("limit")]
    return float(found.get("x", "")), float(found.get("y", ""))


def test_a_label_keeps_clear_of_the_curve() -> None:
    left, base = label([4.0, 4.0, 4.0, 4.0, 1.3, 1.3, 1.3], 1.05)
    assert left < 0.6 * svg.WIDTH and svg.BOTTOM - 40 < base < svg.BOTTOM
    assert label([1.0, 2.0] * 40, 1.5) == (svg.LEFT, svg.HEIGHT - 4)


def test_no_spike_is_lost_when_a_line_is_thinned() -> None:
    values = [1.0] * 100_000
    values[54_321], values[77_777], values[88_888] = 50.0, -3.0, math.nan
    kept = svg.thinned(values)
    assert {0, 54_321, 77_777, 88_888, 99_999} <= set(kept) and len(kept) < 3 * svg.STRETCHES


def test_values_to_hover_over() -> None:
    drawn = svg.draw(Chart("loss", [series("a", [1.0, 2.0, 3.0]), series("b", [9.0], [3])]))
    told = [part[0].text for part in drawn.iter("rect") if part.get("class") == "strip"]
    assert told == ["step 1\na 1\nb 9 (step 3)", "step 2\na 2\nb 9 (step 3)", "step 3\na 3\nb 9"]


def test_epochs_are_called_epochs() -> None:
    epochs = Series("m", "log", array("q", [1, 2]), array("d", [1, 2]), array("d", [1, 2]))
    assert "epoch" in [text.text for text in svg.draw(Chart("m", [epochs])).iter("text")]


@given(
    st.lists(st.floats(), min_size=2, max_size=30),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=30, max_size=30, unique=True),
    st.floats(),
)
def test_any_numbers_can_be_drawn(values: list[float], steps: list[int], bound: float) -> None:
    steps = sorted(steps[: len(values)])
    chart = Chart("m", [series("m", values, steps)])
    chart.guides = [Guide(bound, "b", Status.FAIL, "above")]
    chart.marks = [Mark(steps[-1], values[-1], Status.FAIL, "here")]
    for part in svg.draw(chart).iter():
        for name in ("d", "x", "y", "width", "height", "cx", "cy"):
            numbers = [float(n) for n in re.findall(r"-?[\d.]+(?:e[-+]?\d+)?|nan|inf", part.get(name, ""))]
            assert all(-20 <= number <= svg.WIDTH + 20 for number in numbers), (part.tag, part.attrib)
