"""SARIF 2.1.0: failures and warnings for a code-scanning page."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cvl import contract
from cvl.judge import Judgement
from cvl.report import items
from cvl.report.items import Item

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def render(judgement: Judgement) -> str:
    return document(items.of(judgement))


def document(found: Iterable[Item]) -> str:
    tool = {"driver": {"name": "cvl", "version": contract.VERSION}}
    results = [_result(item) for item in found if item.level in ("error", "warning")]
    content = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [{"tool": tool, "results": results}]}
    return json.dumps(content, indent=2)


def _result(item: Item) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": _uri(item.file)}}
    if item.line:
        place["region"] = {"startLine": item.line}
    text = "\n".join(filter(None, (item.message, item.detail)))
    return {
        "ruleId": item.name,
        "level": item.level,
        "message": {"text": text},
        "locations": [{"physicalLocation": place}] if item.file else [],
    }


def _uri(file: str) -> str:
    """A path as a reference that no blank or `%` in it breaks."""
    path = Path(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
