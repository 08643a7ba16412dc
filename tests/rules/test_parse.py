"""What the manifest's section may say, and what is said about mistakes in it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from cvl.rules import Rule, parse, problems
from tests.rules.made import section


def told(rules: str, **known: Any) -> list[str]:
    """Problems as `path: message` below the preset's list."""
    found = []
    for location, message in problems(section(rules), **known):
        assert location[:2] == ("presets", "train")
        found.append(f"{'.'.join(map(str, location[2:]))}: {message}")
    return found


@pytest.mark.parametrize(
    ("rules", "wanted"),
    [
        ("- range: {metric: lost, min: 1}", ["0.range.metric: unknown metric 'lost', did you mean loss?"]),
        ("- finite: [loss, zzz]", ["0.finite.metrics.1: unknown metric 'zzz'"]),
        ("- finte: [loss]", ["0.finte: unknown rule 'finte', did you mean finite?"]),
        ("- finite: [loss]\n- {}", ["1: one rule a list item, found none"]),
        ("- {finite: [loss], count: {metric: loss, min: 1}}", ["0: one rule a list item, found finite, count"]),
        (
            "- trend: {metric: loss, ratio_maks: 1}",
            [
                "0.trend.ratio_maks: unknown option 'ratio_maks', did you mean ratio_max?",
                "0.trend: the option 'ratio_max' is missing",
            ],
        ),
        ("- trend: {metric: loss, ratio_max: low}", ["0.trend.ratio_max: 'low' is not a number"]),
        ("- trend: {ratio_max: 1}", ["0.trend: names no metric"]),
        ("- range: {metric: loss}", ["0.range: needs 'min' or 'max'"]),
        (
            "- range: {metric: plain, at: best, min: 1}",
            ["0.range.metric: the metric 'plain' needs `better: higher` or `better: lower` for this"],
        ),
        ("- gap: {metric: loss, diff_max: 1}", ["0.gap: needs two metrics: `metrics: [train, validation]`"]),
        ("- init: {metric: loss, value: ln(3)}", ["0.init.value: 'ln(3)' is not a number, ln2 or ln(classes)"]),
        (
            "- init: {metric: loss, value: ln(classes)}",
            ["0.init: ln(classes) needs 'classes': a number, or the name of a parameter"],
        ),
        ("- artifact: ../other/best.pt", ["0.artifact.path: '../other/best.pt' is not a path in the run's folder"]),
        ("- artifact: a**b", ["0.artifact.path: 'a**b' is not a path in the run's folder"]),
        ("- artifact: /etc/passwd", ["0.artifact.path: '/etc/passwd' is not a path in the run's folder"]),
        ("- artifact: {path: a.pt, reload: scor}", ["0.artifact.reload: unknown metric 'scor', did you mean score?"]),
        ("- expect: {metric: loss, value: 1}", ["0.expect: the option 'tol' is missing"]),
        ("- expect: {metric: loss, value: ln2, tol: 1}", ["0.expect.value: 'ln2' is not a number"]),
        (
            "- params: {group: head, metric: loss}",
            ["0.params.metric: unknown option 'metric'", "0.params: needs 'changed' or 'trainable'"],
        ),
        ("- vram_gb: {max: 8}", ["0.vram_gb: the option 'hardware' is missing"]),
        ("- sum: {metric: loss, parts: [part_a, zzz]}", ["0.sum.parts.1: unknown metric 'zzz'"]),
    ],
)
def test_mistakes(rules: str, wanted: list[str]) -> None:
    assert told(rules) == wanted


def test_readers_are_those_there_are() -> None:
    section = {"metrics": {"m": {"key": "a", "reader": "ultralitics"}, "n": {"key": "a", "reader": "cvl_jsonl"}}}
    assert problems(section) == [
        (("metrics", "m", "reader"), "there is no reader 'ultralitics', did you mean ultralytics?")
    ]


def test_when_names_declared_parameters() -> None:
    rules = "- finite: [loss]\n  when: {WEIGHT: none, device: cuda}"
    assert told(rules) == []
    assert told(rules, parameters=["WEIGHTS"]) == [
        "0.when.WEIGHT: 'WEIGHT' is not a declared parameter, did you mean WEIGHTS?"
    ]
    assert len(told(rules, parameters=[])) == 1


def test_presets_are_those_of_the_manifest() -> None:
    ((location, message),) = problems(section("[]"), presets=["trains"])
    assert (location, message) == (("presets", "train"), "there is no preset 'train', did you mean trains?")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("finite: loss", Rule("finite", ("loss",))),
        ("finite: [loss, score]", Rule("finite", ("loss", "score"))),
        ("finite: {metrics: [loss, score]}", Rule("finite", ("loss", "score"))),
        ("trend: {metric: loss, ratio_max: 8e-1}", Rule("trend", ("loss",), {"ratio_max": 0.8})),
        ("range: {metric: loss, at: 3, min: 0}", Rule("range", ("loss",), {"at": "3", "min": 0})),
        ("count: {metric: loss, gaps: false}", Rule("count", ("loss",), {"gaps": False})),
        ("artifact: best.pt", Rule("artifact", (), {"path": "best.pt"})),
        ("sum: {metric: loss, parts: [part_a]}", Rule("sum", ("loss",), {"parts": ("part_a",)})),
        ("{finite: loss, severity: warn, when: {A: 1, B: [x, y]}}",
         Rule("finite", ("loss",), {}, {"A": (1,), "B": ("x", "y")}, "warn")),
    ],
)  # fmt: skip
def test_ways_to_write_a_rule(text: str, rule: Rule) -> None:
    raw = section("[]") | {"presets": {"train": [yaml.safe_load(text)]}}
    assert problems(raw) == []
    assert parse(raw).presets["train"] == (rule,)


@pytest.mark.parametrize(
    ("entry", "kind", "better"),
    [
        ({"key": "train/loss"}, "loss", "lower"),
        ({"key": "train/box_loss"}, "loss", "lower"),
        ({"key": "train/loss", "kind": "other"}, "other", None),
        ({"key": "lossless"}, None, None),
        ({"key": "gloss"}, None, None),
        ({"key": "x", "kind": "loss"}, "loss", "lower"),
        ({"key": "x", "better": "higher"}, None, "higher"),
    ],
)
def test_a_key_that_ends_in_loss_is_one(entry: dict[str, str], kind: str | None, better: str | None) -> None:
    metric = parse({"metrics": {"m": entry}}).metrics["m"]
    assert (metric.kind, metric.better) == (kind, better)


def test_nothing_is_fine() -> None:
    assert problems({}) == []
    assert parse({}).presets == {}


def test_a_rule_in_words() -> None:
    (rule,) = parse(section("- range: {metric: loss, min: 1}\n  when: {device: cpu}")).presets["train"]
    assert str(rule) == "range loss, min 1, when device=cpu"
