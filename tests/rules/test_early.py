"""What may be said of a run before it has ended: nothing that its further log could take back."""

from __future__ import annotations

import math
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvl.rules import Status, Verdict, Verification, evaluate, parse
from tests.rules.made import HERE, Context, reading, section

RULES = """
- finite: [loss, signed, score]
- count: {metric: loss, min: 12, gaps: false}
- init: {metric: loss, value: 2, tol: 1}
- trend: {metric: loss, ratio_max: 0.5}
- no_spike: {metric: loss, factor: 3, window: 3}
- range: {metric: score, at: first, max: 0.5}
- range: {metric: score, at: best, min: 0.4, max: 0.9}
- range: {metric: loss, at: best, min: 0.1, max: 0.5}
- range: {metric: score, at: final, min: 0.4, max: 0.9}
- plateau: {metric: score, epochs: 3}
- not_constant: {metric: score}
- above: score
- gap: {metrics: [loss, val_loss], ratio_max: 1.2}
- artifact: checkpoints/best_model.pt
"""
VALUES = st.sampled_from([0.0, 0.05, 0.3, 0.6, 0.95, 2.0, 9.0, -1.0, math.nan, math.inf])
CURVE = st.lists(VALUES, min_size=1, max_size=14)


@cache
def parsed(rules: str) -> Verification:
    return parse(section(rules))


def judged(rules: str, *, ended: bool = False, own: bool = True, **curves: list[float]) -> tuple[Verdict, ...]:
    verification = parsed(rules)
    context = Context(HERE, preset_own_epochs=own)
    return evaluate(verification.presets["train"], verification, reading(**curves), context, ended=ended)


def failed(verdicts: tuple[Verdict, ...]) -> set[tuple[int, str, str]]:
    return {(i, v.rule, v.metric) for i, v in enumerate(verdicts) if v.status is Status.FAIL}


@given(CURVE, CURVE, st.integers(1, 14))
def test_no_failure_is_ever_taken_back(loss: list[float], score: list[float], cut: int) -> None:
    early = failed(judged(RULES, train__loss=loss[:cut], val__score=score[:cut]))
    assert early <= failed(judged(RULES, train__loss=loss, val__score=score, ended=True))
    assert early <= failed(judged(RULES, train__loss=loss, val__score=score))


@pytest.mark.parametrize(
    ("rule", "loss"),
    [
        ("finite: [loss]", [1, math.nan]),
        ("finite: [loss]", [1, math.inf]),
        ("finite: [loss]", [1, 0, 0, 0]),
        ("finite: [loss]", [1, -0.5]),
        ("no_spike: {metric: loss, factor: 3, window: 3}", [1, 1, 1, 4]),
        ("init: {metric: loss, value: 2, tol: 0.5}", [9]),
        ("range: {metric: loss, at: first, max: 3}", [9]),
        ("range: {metric: loss, at: best, min: 0.5, max: 3}", [2, 0.1]),
        ("range: {metric: score, at: best, min: 0.5, max: 1}", [0.2, 57.3]),
    ],
)
def test_what_stands_at_once(rule: str, loss: list[float]) -> None:
    (verdict,) = judged(f"- {rule}", train__loss=loss, val__score=loss)
    assert verdict.status is Status.FAIL
    assert verdict.where.step is not None


@pytest.mark.parametrize(
    ("rule", "loss"),
    [
        ("finite: [plain]", [1]),  # not logged yet
        ("count: {metric: loss, min: 9}", [1]),
        ("init: {metric: loss, value: 2}", [math.nan]),
        ("trend: {metric: loss, ratio_max: 0.5}", [1] * 9),
        ("no_spike: {metric: loss, window: 20}", [1] * 9),
        ("range: {metric: loss, at: first, max: 3}", [math.nan]),
        ("range: {metric: loss, at: best, max: 3}", [9]),
        ("range: {metric: loss, at: final, max: 3}", [9]),
        ("range: {metric: loss, at: '1', max: 3}", [9]),
        ("artifact: checkpoints/best_model.pt", [1]),
    ],
)
def test_what_waits_for_the_end(rule: str, loss: list[float]) -> None:
    (verdict,) = judged(f"- {rule}", train__loss=loss)
    assert (verdict.status, verdict.reason) == (Status.NOT_RUN, "judged at the end of a run")
    assert [v.status for v in judged(f"- {rule}", train__loss=loss, ended=True)] == [Status.FAIL]


def test_a_warning_stands_or_waits_likewise() -> None:
    lenient = "- {finite: [loss], severity: warn}\n- {trend: {metric: loss, ratio_max: 0.5}, severity: warn}"
    found = judged(lenient, train__loss=[1, 1, 1, 1, 1, 1, math.nan])
    assert [v.status for v in found] == [Status.WARN, Status.NOT_RUN]
