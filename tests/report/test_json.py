"""The judgement for machines."""

from __future__ import annotations

import json
from pathlib import Path

from cvl import report
from cvl.judge import Judgement
from cvl.ratings import Summary
from cvl.rules import Status, Verdict, Where, outcome


def test_it_holds_the_whole_judgement() -> None:
    verdict = Verdict("finite", Status.FAIL, "loss", "finite", "nan", Where("metrics.jsonl", 3, 1), "why", "what to do")
    seen = {"cvl_jsonl": {"train/loss": Summary(2, 3, None, 3, 3)}}
    judgement = Judgement(Path("run"), (verdict,), outcome([verdict]), "poor", ("a note",), ("f: torn",), seen)
    found = json.loads(report.get("json").render(judgement))
    assert Verdict.from_json(found["verdicts"][0]) == verdict
    assert found["metrics"]["cvl_jsonl"]["train/loss"]["points"] == 2
    assert {key: found[key] for key in ("folder", "verdict", "ok", "health_only", "rating", "notes", "problems")} == {
        "folder": "run", "verdict": "fail", "ok": False, "health_only": False,
        "rating": "poor", "notes": ["a note"], "problems": ["f: torn"],
    }  # fmt: skip


def test_every_format_renders() -> None:
    assert {"text", "json"} <= set(report.FORMATS)
    empty = Judgement(Path("run"), (), outcome([]))
    for name in report.FORMATS:
        assert "not judged" in report.get(name).render(empty).lower()
