"""The manifest's schema and the rules say the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cvl.rules.kinds import KINDS

SCHEMA = Path(__file__).resolve().parents[2] / "schemas/example.schema.json"
RULE: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))["$defs"].get("rule", {"properties": {}})


def options(rule: str) -> dict[str, Any]:
    """The long form of a rule."""
    stated = RULE["properties"][rule]
    return next(form for form in [stated, *stated.get("anyOf", ())] if form.get("type") == "object")


def test_the_same_rules() -> None:
    assert set(RULE["properties"]) - {"when", "severity", "calibrated"} == set(KINDS)


@pytest.mark.parametrize("rule", KINDS)
def test_the_same_options(rule: str) -> None:
    form, kind = options(rule), KINDS[rule]
    assert set(form["properties"]) - {"metric", "metrics"} == set(kind.options)
    assert set(form.get("required", ())) - {"metrics"} == set(kind.required)
    assert tuple(key for one in form.get("anyOf", ()) for key in one["required"]) == kind.any_of
