"""Best so far and early stopping, on values chosen by hand."""

from __future__ import annotations

import math

import pytest

from cvl.kit.stopping import Best


@pytest.mark.parametrize(
    ("higher", "values", "best"),
    [
        (True, [0.1, 0.3, 0.3, 0.2, 0.4], [True, True, False, False, True]),
        (False, [0.9, 0.5, 0.5, 0.6, 0.1], [True, True, False, False, True]),
        (True, [math.nan, 0.1, math.nan, math.inf, -math.inf], [False, True, False, False, False]),
        (False, [-math.inf, math.inf, 3.0, math.nan], [False, False, True, False]),
        (True, [-5.0, 0.0], [True, True]),
    ],
)
def test_the_best_is_the_earliest_of_the_finite(higher: bool, values: list[float], best: list[bool]) -> None:
    seen = Best(higher, 0)
    assert [seen.update(value) for value in values] == best


def test_patience_counts_values_without_gain_in_a_row() -> None:
    seen = Best(higher=True, patience=2)
    stops = []
    for value in (0.5, 0.4, 0.6, 0.6, math.nan, 0.1):
        seen.update(value)
        stops.append(seen.stop)
    assert stops == [False, False, False, False, True, True]


def test_without_patience_it_never_stops() -> None:
    seen = Best(higher=True, patience=0)
    for _ in range(1000):
        seen.update(0.0)
    assert not seen.stop


def test_a_restored_one_goes_on_where_it_was_and_may_wait_longer() -> None:
    seen = Best(higher=False, patience=2)
    for value in (0.5, 0.7, 0.8):
        seen.update(value)
    again, patient = Best(higher=False, patience=2), Best(higher=False, patience=3)
    for other in (again, patient):
        other.load_state_dict(seen.state_dict())
    assert (seen.stop, again.stop, patient.stop) == (True, True, False)
    assert [again.update(value) for value in (0.5, 0.49)] == [False, True]
