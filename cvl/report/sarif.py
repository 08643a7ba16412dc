"""SARIF 2.1.0: failures and warnings for a code-scanning page."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from cvl import contract
from cvl.judge import Judgement
from cvl.report import items
from cvl.report.items import Item


def render(judgement: Judgement) -> str:
    return document(items.of(judgement))


def document(found: Iterable[Item]) -> str:
    tool = {"driver": {"name": "cvl", "version": contract.VERSION}}
    results = [_result(item) for item in found if item.level in ("error", "warning")]
    content = {"version": "2.1.0", "runs": [{"tool": tool, "results": results}]}
    return json.dumps(content, indent=2)


def _result(item: Item) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": item.file}}
    if item.line:
        place["region"] = {"startLine": item.line}
    text = "\n".join(filter(None, (item.message, item.detail)))
    return {
        "ruleId": item.name,
        "level": item.level,
        "message": {"text": text},
        "locations": [{"physicalLocation": place}] if item.file else [],
    }
