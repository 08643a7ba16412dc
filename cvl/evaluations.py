"""evaluation/metrics.json of a run, whichever example wrote it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cvl import contract

_MAX_BYTES = 16_000_000


@dataclass(frozen=True)
class Evaluation:
    """Empty where there is none. Of a detector also what it was judged by (a hash) and what it costs."""

    split: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    groups: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    truth: str = ""
    model: Mapping[str, str | float] = field(default_factory=dict)


def read(folder: Path) -> Evaluation:
    path = folder / contract.EVALUATION
    try:
        raw = json.loads(path.read_bytes()) if path.is_file() and path.stat().st_size < _MAX_BYTES else {}
    except (OSError, ValueError, RecursionError):
        return Evaluation()
    if not isinstance(raw, dict):
        return Evaluation()
    groups, model = raw.get("groups"), raw.get("model")
    named = {name: _numbers(group) for name, group in groups.items()} if isinstance(groups, dict) else {}
    about = {name: value for name, value in model.items() if _plain(value)} if isinstance(model, dict) else {}
    return Evaluation(
        str(raw.get("split", "")), _numbers(raw.get("metrics")), named, str(raw.get("truth") or ""), about
    )


def _numbers(raw: object) -> dict[str, float]:
    if not isinstance(raw, dict):
        return {}
    numbers = ((str(name), _float(item)) for name, item in raw.items())
    return {name: item for name, item in numbers if item is not None}


def _float(raw: object) -> float | None:
    try:
        return float(raw) if isinstance(raw, (int, float)) and not isinstance(raw, bool) else None
    except OverflowError:
        return None


def _plain(raw: object) -> bool:
    return isinstance(raw, (str, int, float)) and not isinstance(raw, bool)
