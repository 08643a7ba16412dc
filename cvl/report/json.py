"""A judgement for machines."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from cvl.judge import Judgement


def as_dict(judgement: Judgement) -> dict[str, Any]:
    return {
        "folder": str(judgement.folder),
        "verdict": judgement.outcome.word,
        "summary": str(judgement.outcome),
        "ok": judgement.outcome.ok,
        "health_only": judgement.outcome.health_only,
        "rating": judgement.rating,
        "notes": list(judgement.notes),
        "verdicts": [verdict.to_json() for verdict in judgement.verdicts],
        "problems": list(judgement.problems),
        "metrics": {
            reader: {name: asdict(summary) for name, summary in series.items()}
            for reader, series in judgement.seen.items()
        },
    }


def render(judgement: Judgement) -> str:
    return json.dumps(as_dict(judgement), indent=2, allow_nan=False)
