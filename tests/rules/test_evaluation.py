"""What holds for every rule: missing metrics, `when`, severity, the outcome, and verdicts as JSON."""

from __future__ import annotations

import json
import math
from array import array

import pytest

from cvl.readers.base import Reading, Series
from cvl.rules import Context, Metric, Outcome, Rule, Status, Verdict, Verification, Where, evaluate, outcome
from cvl.rules.kinds import KINDS
from tests.rules.made import HERE, reading, series, verdict, verdicts

FINITE = "- finite: [loss]"

# Each rule that reads a metric, as short as it may be written.
RULES = {
    "finite": "[loss]",
    "count": "{metric: loss, min: 1}",
    "init": "{metric: loss, value: 1}",
    "trend": "{metric: loss, ratio_max: 1}",
    "no_spike": "loss",
    "plateau": "{metric: loss, epochs: 1}",
    "range": "{metric: loss, min: 0}",
    "gap": "{metrics: [loss, val_loss], diff_max: 1}",
    "above": "{metric: loss}",
    "not_constant": "loss",
    "expect": "{metric: loss, value: 1, tol: 1}",
    "each": "{metric: loss, min: 0}",
    "sum": "{metric: loss, parts: [part_a]}",
}


def test_every_rule_is_tried_here() -> None:
    assert set(RULES) == {kind for kind in KINDS if KINDS[kind].judge}


@pytest.mark.parametrize("rule", RULES)
def test_a_missing_metric_fails_with_what_there_is_and_the_nearest(rule: str) -> None:
    found = verdict(f"- {rule}: {RULES[rule]}", train__lossy=[1.0], other=[1.0])
    assert (found.status, found.found) == (Status.FAIL, "missing")
    assert "the nearest is train/lossy; there are: train/lossy, other" in found.reason


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("values", [[math.nan], [math.inf, math.nan], [1.0], [1.0, 1.0], [-1.0] * 40])
def test_no_rule_raises_on_odd_series(rule: str, values: list[float]) -> None:
    curves = {
        "train__loss": values,
        "train__loss__x": values,
        "val__loss": values,
        "a": values,
        "baseline__loss": values,
    }
    found = verdict(f"- {rule}: {RULES[rule]}", **curves)
    assert found.rule == rule
    assert not math.isnan(values[-1]) or found.status in (Status.FAIL, Status.NOT_RUN) or rule == "count"


def test_no_log_at_all() -> None:
    verification = Verification({"loss": Metric("loss", "train/loss")})
    (found,) = evaluate([Rule("finite", ("loss",))], verification, {}, Context(HERE))
    assert found.reason == "nothing logged train/loss: there is no log, or it is empty"


def one_reader(name: str, value: float) -> dict[str, Reading]:
    return {name: Reading({"m": Series("m", "f", array("q", [1]), array("d", [1]), array("d", [value]))})}


def test_a_metric_comes_from_its_reader_else_from_the_first_that_has_it() -> None:
    logs = one_reader("first", 1) | one_reader("second", 2)
    rule = Rule("range", ("m",), {"min": 0.0})
    for reader, found in ((None, "1"), ("second", "2")):
        verification = Verification({"m": Metric("m", "m", reader)})
        assert [v.found for v in evaluate([rule], verification, logs, Context(HERE))] == [found]
    (absent,) = evaluate([rule], Verification({"m": Metric("m", "m", "third")}), logs, Context(HERE))
    assert (absent.status, absent.reason) == (Status.FAIL, "no third log in /run; there are: first, second")


def test_a_star_in_a_key_is_the_sum_of_the_columns() -> None:
    verification = Verification({"m": Metric("m", "train/*_loss")})
    logs = reading(train__box_loss=[1, 2], train__cls_loss=[3, 4], train__loss=[9, 9], val__box_loss=[9, 9])
    rules = [Rule("range", ("m",), {"at": "first", "min": 4, "max": 4}), Rule("range", ("m",), {"min": 6, "max": 6})]
    assert [v.status for v in evaluate(rules, verification, logs, Context(HERE))] == [Status.PASS, Status.PASS]


def test_a_sum_has_the_rows_that_all_columns_have() -> None:
    verification = Verification({"m": Metric("m", "train/*_loss")})
    logs = reading(series("train/a_loss", [1, 2, 3], steps=[1, 2, 5]), series("train/b_loss", [1, 1], steps=[2, 5]))
    (found,) = evaluate([Rule("count", ("m",), {"min": 9})], verification, logs, Context(HERE))
    assert found.found == "2 points"


@pytest.mark.parametrize(
    ("when", "runs"),
    [
        ("{WEIGHTS: none}", True),
        ("{WEIGHTS: null}", True),
        ("{WEIGHTS: coco}", False),
        ("{WEIGHTS: [coco, none]}", True),
        ("{LR: 1e-4}", True),
        ("{LR: 0.001}", False),
        ("{EMA: true}", True),
        ("{device: cpu}", True),
        ("{device: cuda, WEIGHTS: none}", False),
        ("{OTHER: 1}", False),
    ],
)
def test_when(when: str, runs: bool) -> None:
    run = Context(HERE, parameters={"WEIGHTS": "none", "LR": 0.0001, "EMA": True})
    found = verdict(f"{FINITE}\n  when: {when}", train__loss=[1.0], context=run)
    assert found.status is (Status.PASS if runs else Status.NOT_RUN)
    assert bool(found.reason) != runs


@pytest.mark.parametrize(("severity", "status"), [("error", "fail"), ("warn", "warn"), ("info", "warn")])
def test_severity(severity: str, status: str) -> None:
    found = verdict(f"{FINITE}\n  severity: {severity}", train__loss=[math.nan])
    assert (found.status.value, found.severity) == (status, severity)
    assert outcome([found]).ok == (severity != "error")


def test_severity_changes_no_pass() -> None:
    assert verdict(f"{FINITE}\n  severity: warn", train__loss=[1.0]).status is Status.PASS


def test_one_verdict_a_metric_in_the_order_of_the_rules() -> None:
    found = verdicts("- finite: [loss, score]\n- range: {metric: loss, min: 0}", train__loss=[1], val__score=[1])
    assert [(v.rule, v.metric) for v in found] == [("finite", "loss"), ("finite", "score"), ("range", "loss")]


def test_verdicts_survive_json() -> None:
    run = Context(HERE, changed={"LR": "LR is 1, not 2"})
    rules = (
        "- finite: [loss]\n- range: {metric: loss, min: 0}\n- trend: {metric: loss, ratio_max: 1}\n- finite: [score]"
    )
    found = verdicts(rules, train__loss=[math.nan, 1.0], context=run)
    assert {v.status for v in found} == {Status.FAIL, Status.NOT_COMPARABLE, Status.NOT_RUN}
    text = json.dumps([v.to_json() for v in found], allow_nan=False)
    assert tuple(map(Verdict.from_json, json.loads(text))) == found


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (Where("m.csv", 3, 3), "m.csv epoch 3"),
        (Where("m.csv", 30, 3), "m.csv step 30 (epoch 3)"),
        (Where("m.csv", 30), "m.csv step 30"),
        (Where("m.csv"), "m.csv"),
        (Where(), ""),
    ],
)
def test_where(where: Where, text: str) -> None:
    assert str(where) == text


def verdicts_of(*statuses: str) -> list[Verdict]:
    return [Verdict("finite", Status(status)) for status in statuses]


@pytest.mark.parametrize(
    ("statuses", "text", "ok", "strict_ok"),
    [
        (["pass", "pass"], "PASS (2 of 2 rules)", True, True),
        (["pass", "fail", "fail"], "FAIL (2 of 3 rules)", False, False),
        (["pass", "not_comparable"], "PASS, health only (1 of 2 rules, 1 not comparable)", True, False),
        (["fail", "not_comparable"], "FAIL (1 of 2 rules, 1 not comparable)", False, False),
        (["pass", "warn", "not_run"], "PASS (1 of 3 rules, 1 warn, 1 not run)", True, True),
        (["not_run"], "NOT JUDGED (1 not run)", True, True),
        (["not_comparable"], "NOT JUDGED (1 not comparable)", True, False),
        ([], "NOT JUDGED (no rule applies)", True, True),
    ],
)
def test_outcome(statuses: list[str], text: str, ok: bool, strict_ok: bool) -> None:
    found = verdicts_of(*statuses)
    assert str(outcome(found)) == text
    assert outcome(found).ok is ok
    assert outcome(found, strict=True).ok is strict_ok


def test_the_word_is_what_a_record_keeps() -> None:
    assert outcome(verdicts_of("pass", "not_comparable")) == Outcome(
        "pass", "1 of 2 rules, 1 not comparable", ok=True, health_only=True
    )


@pytest.mark.parametrize(
    ("typo", "nearest"),
    [
        ("metrics/map50(B)", "metrics/mAP50(B)"),
        ("metrics/mAP50-95", "metrics/mAP50-95(B)"),
        ("train_loss_stp", "train_loss_step"),
        ("eval-accuracy", "eval_accuracy"),
        ("learningrate", "learning_rate"),
        ("bbox/ap", "bbox/AP"),
        ("bbox/AP-buton", "bbox/AP-button"),
        ("coco/bbox_map", "coco/bbox_mAP"),
        ("train/los", "train/loss"),
        ("val_los", "val_loss"),
    ],
)
def test_the_nearest_name_in_the_spellings_of_every_framework(typo: str, nearest: str) -> None:
    names = [
        "metrics/mAP50(B)", "metrics/mAP50-95(B)", "train_loss_step", "train_loss_epoch", "eval_accuracy",
        "learning_rate", "bbox/AP", "bbox/AP-button", "coco/bbox_mAP", "train/loss", "val_loss", "grad_norm",
    ]  # fmt: skip
    logs = reading(*(series(name, [1.0]) for name in names))
    (found,) = evaluate([Rule("finite", ("m",))], Verification({"m": Metric("m", typo)}), logs, Context(HERE))
    assert f"nothing logged {typo}, the nearest is {nearest}; there are: " in found.reason
