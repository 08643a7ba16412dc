"""The rules for a log without rules: which series get which, and what they say of a broken training."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from cvl import defaults
from cvl.rules import Context, Verdict, evaluate
from tests.rules.made import HERE, reading

FALLING = [3.0 * 0.8**i for i in range(24)]
RISING = [0.03 * i for i in range(1, 25)]


def judged(task: str = "", **curves: Sequence[float]) -> tuple[Verdict, ...]:
    log = reading(**curves)
    verification, rules = defaults.rules_for(log, task)
    return evaluate(rules, verification, log, Context(HERE))


def told(word: str, task: str = "", **curves: Sequence[float]) -> set[str]:
    """Verdicts with this status as `rule metric`."""
    return {f"{v.rule} {v.metric}" for v in judged(task, **curves) if v.status.value == word}


HEALTHY: dict[str, Sequence[float]] = {
    "train__loss": FALLING, "val__loss": [1.1 * value for value in FALLING], "val__iou": RISING,
    "train__lr": [1e-3] * 24, "grad_norm": [math.inf, *[1.0] * 23],
}  # fmt: skip


def test_a_healthy_log_raises_nothing() -> None:
    found = judged("segmentation", **HEALTHY)
    assert {v.status.value for v in found} == {"pass"}
    assert [v.rule for v in found] == [
        "finite", "finite", "trend", "no_spike", "count", "not_constant", "gap",
        "range", "range", "range", "not_constant",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("broken", "caught"),
    [
        ({"train__lr": [0.0] * 24}, "range train/lr"),
        ({"train__loss": [3.0, 3.1] * 12}, "trend train/loss"),
        ({"train__loss": [-value for value in FALLING]}, "finite train/loss"),
        ({"train__loss": [3.0, math.nan, *FALLING[2:]]}, "finite train/loss"),
        ({"train__loss": [*FALLING[:8], 0.0, 0.0, 0.0, 0.0]}, "finite train/loss"),
        ({"train__loss": [1.0, 600.0, 90.0, *[1.1] * 9]}, "trend train/loss"),
        ({"val__loss": [math.inf] * 24}, "finite val/loss"),
        ({"val__loss": [0.7] * 24}, "not_constant val/loss"),
        ({"val__iou": [0.31] * 24}, "not_constant val/iou"),
        ({"val__iou": [0.0] * 24}, "range val/iou"),
        ({"val__iou": [-1.0] * 24}, "range val/iou"),
        ({"val__iou": [math.nan] * 24}, "range val/iou"),
        ({"grad_norm": [0.0] * 24}, "range grad_norm"),
    ],
)
def test_breaks_are_named(broken: dict[str, Sequence[float]], caught: str) -> None:
    assert caught in told("fail", "segmentation", **{**HEALTHY, **broken})


def test_standing_still_in_words() -> None:
    (found,) = (
        v for v in judged(**{**HEALTHY, "val__loss": [0.7] * 24}) if v.metric == "val/loss" and v.rule != "finite"
    )
    assert (found.wanted, found.found) == ("not always the same", "0.7 in all 24 rows")


@pytest.mark.parametrize(
    ("odd", "warned"),
    [
        ({"val__loss": [3.0] * 23 + [2.9]}, "gap train/loss, val/loss"),
        ({"train__loss": [3.0 * 0.9**i for i in range(30)] + [90.0] + [0.1] * 3}, "no_spike train/loss"),
    ],
)
def test_what_healthy_runs_do_too_is_a_warning(odd: dict[str, Sequence[float]], warned: str) -> None:
    curves = {**HEALTHY, **odd}
    assert warned in told("warn", "segmentation", **curves)
    assert told("fail", "segmentation", **curves) == set()


def test_a_loss_that_explodes_and_comes_back_below_its_start_has_learned() -> None:
    assert told("fail", train__loss=[1.0, 600.0, 90.0, *[0.2] * 9]) == set()


def test_a_few_rows_at_zero_are_no_failure_yet() -> None:
    assert told("fail", val__map=[0.0] * 3, train__loss=FALLING) == set()
    assert told("warn", val__map=[0.0] * 3, train__loss=FALLING) == {"range val/map"}


def test_parts_of_a_loss_over_a_few_noisy_epochs_are_a_warning() -> None:
    noisy = [0.689, 0.697, 0.691, 0.696, 0.695, 0.694, 0.692, 0.693]
    assert told("warn", train__box_loss=noisy, train__cls_loss=noisy) == {"trend train/*_loss"}
    assert told("fail", train__box_loss=[1.0] * 8, train__cls_loss=[2.0] * 8) == {"trend train/*_loss"}


def test_a_perfect_score_may_stay() -> None:
    assert told("fail", val__accuracy=[1.0] * 24) == set()


def test_a_part_of_a_loss_may_be_zero_or_negative_but_not_nan() -> None:
    assert told("fail", train__loss=FALLING, loss_mask=[0.0] * 24, loss_kl=[-1.0] * 24) == set()
    assert told("fail", train__loss=FALLING, loss_mask=[math.nan] * 24) == {"finite loss_mask"}


def test_the_training_loss_with_the_most_points_is_followed() -> None:
    curves = {"train_loss_step": FALLING, "train_loss_epoch": FALLING[:6]}
    assert "trend train_loss_step" in told("pass", **curves)


def test_groups_of_weights_with_a_rate_of_zero_are_no_fault() -> None:
    assert told("fail", lr__pg0=[0.0] * 9, lr__pg1=[0.1] * 9) == set()


def test_no_series_no_rules() -> None:
    assert defaults.rules_for({}, "")[1] == ()
    assert defaults.rules_for(reading(some__thing=[1.0]), "")[1] == ()
