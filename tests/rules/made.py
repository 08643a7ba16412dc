"""Logs made up for a test, and rules written as a manifest writes them."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from cvl.readers.base import Reading, Series
from cvl.rules import Context, Verdict, evaluate, parse, problems

HERE = Path("/run")
METRICS = """
loss: {key: train/loss}
signed: {key: train/loss, signed: true}
total: {key: train/loss, kind: loss}
plain: {key: plain}
val_loss: {key: val/loss}
score: {key: val/score, better: higher}
iou: {key: val/iou, better: higher}
part_a: {key: a}
part_b: {key: b}
"""


def series(name: str, values: Sequence[float], *, steps: Sequence[int] = (), per_epoch: int = 1) -> Series:
    """Steps from 1 unless given; `per_epoch` points make an epoch."""
    numbers = list(steps) or list(range(1, len(values) + 1))
    epochs = array("d", ((i // per_epoch) + 1 for i in range(len(values))))
    return Series(name, str(HERE / "metrics.jsonl"), array("q", numbers), epochs, array("d", values))


def reading(*found: Series, **curves: Sequence[float]) -> dict[str, Reading]:
    """One reader's log; keywords name series, with `__` for `/`."""
    made = [series(name.replace("__", "/"), values) for name, values in curves.items()]
    return {"cvl_jsonl": Reading({one.name: one for one in (*found, *made)})}


def section(rules: str) -> dict[str, Any]:
    return {"metrics": yaml.safe_load(METRICS), "presets": {"train": yaml.safe_load(rules)}}


def verdicts(
    rules: str, *found: Series, own: bool = False, context: Context | None = None, **curves: Sequence[float]
) -> tuple[Verdict, ...]:
    """The verdicts of `rules` (YAML, a list) on a log with these series."""
    raw = section(rules)
    assert problems(raw) == []
    verification = parse(raw)
    run = replace(context or Context(HERE), preset_own_epochs=own)
    return evaluate(verification.presets["train"], verification, reading(*found, **curves), run)


def verdict(rules: str, *found: Series, **options: Any) -> Verdict:
    """The only verdict of `rules`."""
    (one,) = verdicts(rules, *found, **options)
    return one
