"""What the rules mean, for any numbers: order, ties, scale, values that are not finite, very short logs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvl.readers.base import Collector, Reading
from cvl.rules import Context, Metric, Rule, Status, Verdict, evaluate
from cvl.rules.kinds import KINDS
from cvl.rules.model import Verification
from tests.rules.made import HERE, reading

METRICS = Verification(
    {
        "loss": Metric("loss", "loss", better="lower", kind="loss", signed=True),
        "other": Metric("other", "other", better="lower"),
    }
)
RULES = (
    Rule("finite", ("loss",)),
    Rule("count", ("loss",), {"min": 4, "gaps": False}),
    Rule("init", ("loss",), {"value": "2.0", "tol": 1.0}),
    Rule("trend", ("loss",), {"ratio_max": 0.8}),
    Rule("trend", ("loss",), {"ratio_max": 0.8, "from": "first"}),
    Rule("no_spike", ("loss",), {"factor": 3, "window": 2}),
    Rule("plateau", ("loss",), {"epochs": 2}),
    *(Rule("range", ("loss",), {"at": at, "min": 1.0, "max": 2.0}) for at in ("final", "best", "first", "2")),
    Rule("expect", ("loss",), {"value": 1.5, "tol": 0.5}),
    Rule("gap", ("loss", "other"), {"ratio_max": 1.5}),
    Rule("above", ("loss",), {"baseline": "chance"}),
    Rule("not_constant", ("loss",), {"min": 0.5, "max": 2.5}),
    Rule("each", ("loss",), {"min": 0.5}),
    Rule("sum", ("loss",), {"parts": ("other",)}),
)
FEW = settings(deadline=None, max_examples=40)
any_number = st.floats(allow_nan=True, allow_infinity=True, width=32)
anything = st.lists(any_number, max_size=30)
positive = st.floats(1 / 128, 128, width=32)
curve = st.lists(positive, min_size=1, max_size=30)


def log(losses: Sequence[float], others: Sequence[float] = ()) -> dict[str, Reading]:
    more = {"other": others} if others else {}
    return reading(loss=losses, loss__a=losses, baseline__chance=[1.0], **more)


def judged(logs: dict[str, Reading], rules: Sequence[Rule] = RULES) -> tuple[Verdict, ...]:
    return evaluate(rules, METRICS, logs, Context(HERE))


def statuses(logs: dict[str, Reading], rules: Sequence[Rule] = RULES) -> list[Status]:
    return [verdict.status for verdict in judged(logs, rules)]


def test_every_rule_on_a_metric_is_here() -> None:
    assert {rule.kind for rule in RULES} == {kind for kind in KINDS if KINDS[kind].judge}


@FEW
@given(anything, anything)
def test_any_numbers_are_judged(losses: list[float], others: list[float]) -> None:
    for verdict in judged(log(losses, others)):
        assert verdict.wanted
        assert verdict.found or verdict.reason
        assert verdict.status is not Status.FAIL or verdict.hint or verdict.found == "no finite value"


@FEW
@given(st.permutations(range(12)), st.lists(any_number, min_size=12, max_size=12))
def test_rows_count_by_their_step_in_whatever_order_they_were_written(order: list[int], values: list[float]) -> None:
    def read(steps: Sequence[int]) -> dict[str, Reading]:
        collector = Collector()
        for step in steps:
            for name in ("loss", "other", "loss/a", "baseline/chance"):
                collector.add(Path("log"), name, (step, float(step), values[step]))
        return {"cvl_jsonl": collector.reading()}

    assert judged(read(order)) == judged(read(range(12)))


@FEW
@given(anything)
def test_the_same_log_is_judged_the_same_twice(losses: list[float]) -> None:
    logs = log(losses, losses)
    assert judged(logs) == judged(logs)


@FEW
@given(curve, st.sampled_from([0.25, 0.5, 2.0, 1024.0]))
def test_what_is_relative_does_not_depend_on_the_scale(losses: list[float], factor: float) -> None:
    relative = [rule for rule in RULES if rule.kind in ("finite", "count", "trend", "no_spike", "plateau", "gap")]
    scaled = [factor * value for value in losses]
    assert statuses(log(scaled, scaled[::-1]), relative) == statuses(log(losses, losses[::-1]), relative)


@FEW
@given(curve, st.sampled_from([0.25, 0.5, 2.0, 1024.0]))
def test_a_range_scales_with_its_bounds(losses: list[float], factor: float) -> None:
    rule = Rule("range", ("loss",), {"at": "best", "min": 1.0, "max": 2.0})
    wider = replace(rule, options={"at": "best", "min": factor, "max": 2 * factor})
    assert statuses(log([factor * v for v in losses]), [wider]) == statuses(log(losses), [rule])


@FEW
@given(curve, st.data())
def test_a_value_that_is_not_finite_is_never_the_best_first_or_final(losses: list[float], data: st.DataObject) -> None:
    ats = [Rule("range", ("loss",), {"at": at, "min": 1.0, "max": 2.0}) for at in ("final", "best", "first")]
    broken = list(losses)
    for bad in (math.nan, math.inf, -math.inf):
        broken.insert(data.draw(st.integers(0, len(broken))), bad)
    assert [v.found for v in judged(log(broken), ats)] == [v.found for v in judged(log(losses), ats)]
    assert statuses(log(broken), RULES[:1]) == [Status.FAIL]


@FEW
@given(curve, st.integers(1, 5))
def test_ties_go_to_the_earliest(losses: list[float], copies: int) -> None:
    best = Rule("range", ("loss",), {"at": "best", "min": 0.0})
    (first,), (again,) = judged(log(losses), [best]), judged(log(losses + [min(losses)] * copies), [best])
    assert first.where == again.where


@FEW
@given(st.lists(any_number, min_size=1, max_size=2))
def test_one_or_two_points_have_no_shape(losses: list[float]) -> None:
    shapes = [rule for rule in RULES if rule.kind in ("trend", "no_spike")]
    found = judged(log(losses), [replace(rule, options={**rule.options, "window": 2}) for rule in shapes])
    assert {verdict.status for verdict in found} == {Status.NOT_RUN}
    assert all(verdict.reason.startswith("too short") for verdict in found)


@FEW
@given(positive, st.integers(5, 20))
def test_a_curve_that_stands_still(value: float, length: int) -> None:
    found = {v.rule: v.status for v in judged(log([value] * length, [value] * length)) if v.rule != "range"}
    assert found["trend"] is (Status.NOT_RUN if length < 6 else Status.FAIL)
    assert found["plateau"] is found["not_constant"] is Status.FAIL
    assert found["gap"] is found["sum"] is found["no_spike"] is Status.PASS


@pytest.mark.parametrize("length", [0, 1, 2])
def test_very_short_logs_of_nothing_but_nan(length: int) -> None:
    found = judged(log([math.nan] * length, [math.nan] * length))
    passed = {verdict.rule for verdict in found if verdict.status is Status.PASS}
    assert passed <= {"count"}
