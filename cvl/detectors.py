"""Detectors beside each other, by the evaluations of their runs: quality of each class, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cvl import evaluations
from cvl.evaluations import Evaluation

_QUALITY = {"map": "mAP", "map50": "mAP50", "map75": "mAP75"}
_RATES = {"precision": "precision", "recall": "recall"}
_COST = {
    "latency_ms": "latency ms",
    "parameters": "parameters",
    "memory_gb": "memory GB",
    "image_size": "image size",
    "device": "device",
    "hardware": "hardware",
}


@dataclass(frozen=True)
class Detector:
    """A run and the evaluation that it wrote."""

    run: str
    evaluation: Evaluation


@dataclass(frozen=True)
class Comparison:
    """One row a run; `best` names for each row of numbers that compare the run with the best one.

    `notes` say what does not compare, and why.
    """

    rows: list[dict[str, Any]]
    best: dict[str, str]
    same_truth: bool
    notes: list[str]


def compare(folders: dict[str, Path]) -> Comparison | None:
    """The runs among these (name -> folder) whose evaluation is that of a detector; None where there is none."""
    read = {run: evaluations.read(folder) for run, folder in folders.items()}
    found = [Detector(run, evaluation) for run, evaluation in read.items() if "map" in evaluation.metrics]
    if not found:
        return None
    rows, others = table(found), [run for run, evaluation in read.items() if "map" not in evaluation.metrics]
    notes = [f"{run} has no evaluation of a detector; the preset `evaluate` makes one" for run in others]
    best = {}
    if apart := _apart(found):
        notes.append(apart)
    else:
        best = _winners(rows, [*_QUALITY.values(), *_classes(found).values(), *_RATES.values()], highest=True)
    if len({_hardware(one) for one in found}) > 1:
        notes.append("latency was measured on different hardware")
    else:
        best |= _winners(rows, [_COST["latency_ms"]], highest=False)
    return Comparison(rows, best, not apart, notes)


def table(found: Sequence[Detector]) -> list[dict[str, Any]]:
    """Split, model, quality (of each class its mAP) and cost; None where a run does not say."""
    classes = _classes(found)
    return [
        {
            "run": one.run,
            "split": one.evaluation.split,
            "model": one.evaluation.model.get("name"),
            **{title: one.evaluation.metrics.get(key) for key, title in _QUALITY.items()},
            **{title: one.evaluation.groups.get(name, {}).get("map") for name, title in classes.items()},
            **{title: one.evaluation.metrics.get(key) for key, title in _RATES.items()},
            **{title: one.evaluation.model.get(key) for key, title in _COST.items()},
        }
        for one in found
    ]


def _classes(found: Sequence[Detector]) -> dict[str, str]:
    """The classes of all, in the order of their first run."""
    return {name: f"AP {name}" for one in found for name in one.evaluation.groups}


def _apart(found: Sequence[Detector]) -> str:
    """Why the qualities do not compare; nothing where they do."""
    if len({one.evaluation.truth for one in found}) == 1 and found[0].evaluation.truth:
        return ""
    unknown = [one.run for one in found if not one.evaluation.truth]
    if unknown:
        return f"{', '.join(unknown)}: nothing says which pictures it was judged on; the preset `evaluate` does"
    splits = {one.evaluation.split for one in found}
    where = f" ({', '.join(sorted(splits))})" if len(splits) > 1 else ""
    return f"judged on different pictures or boxes{where}: quality does not compare"


def _hardware(one: Detector) -> tuple[object, object]:
    return one.evaluation.model.get("device"), one.evaluation.model.get("hardware")


def _winners(rows: Sequence[dict[str, Any]], names: Sequence[str], *, highest: bool) -> dict[str, str]:
    """For each name the run with the best value, of equals the first; none where no run has a worse one."""
    sign = -1 if highest else 1
    values = {n: [(sign * row[n], row["run"]) for row in rows if isinstance(row[n], int | float)] for n in names}
    differ = {name: some for name, some in values.items() if len({value for value, _ in some}) > 1}
    return {name: min(some, key=lambda pair: pair[0])[1] for name, some in differ.items()}
