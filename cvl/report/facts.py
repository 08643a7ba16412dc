"""What the written reports tell of a run beside its verdicts: from its record and its logs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from cvl import contract, runs
from cvl.judge import Judgement
from cvl.readers.base import Series
from cvl.rules.log import best
from cvl.runs import Record

MODEL_PARAMETERS = ("MODEL", "MODEL_ID", "ARCHITECTURE", "ENCODER")


@dataclass(frozen=True)
class Best:
    """The best point of the metric that was rated; `epochs` is the last epoch of the log."""

    name: str
    value: float
    step: int
    epoch: float
    epochs: float


def record_of(folder: Path) -> Record | None:
    """None where the folder is no run of the catalogue."""
    return runs.load(folder) if runs.recorded(folder) else None


def found(judgement: Judgement, *names: str) -> Series | None:
    """The first of these series that a log has with a point."""
    readings = judgement.readings.values()
    return next((r.series[name] for name in names for r in readings if name in r.series), None)


def best_of(judgement: Judgement) -> Best | None:
    """Of the headline metric; None where nothing was rated."""
    series = found(judgement, judgement.headline)
    declared = next((m.better for m in judgement.metrics.values() if m.key == judgement.headline), None)
    i = best(series, declared or ("lower" if "loss" in judgement.headline else "higher")) if series else None
    if series is None or i is None:
        return None
    return Best(series.name, series.value[i], series.step[i], series.epoch[i], last_epoch(judgement))


def last_epoch(judgement: Judgement) -> float:
    """NaN where no log counts epochs."""
    logs = (series.epoch[-1] for reading in judgement.readings.values() for series in reading.series.values())
    return max((epoch for epoch in logs if math.isfinite(epoch)), default=math.nan)


def model(record: Record) -> str:
    """The model that the parameters name, else the example."""
    named = (value(record, name) for name in MODEL_PARAMETERS)
    weights = value(record, "WEIGHTS")
    start = {"": "", "none": ", from scratch"}.get(weights, f", from {weights}")
    return (next(filter(None, named), "") or record.example) + start


def value(record: Record, name: str) -> str:
    """A parameter's effective value; empty where it is unset."""
    got = record.parameters.get(name, {}).get("value")
    return "" if got is None else str(got)


def data(record: Record) -> str:
    """The data set and how many pictures each split has."""
    own = value(record, contract.DATA_DIR)
    sizes = ", ".join(f"{count} {name}" for name, count in record.split_sizes.items())
    return (own or "the sample shipped with the example") + (f" ({sizes})" if sizes else "")


def hardware(record: Record) -> str:
    """What the job trained on."""
    gpus = record.hardware.get("gpus")
    if record.device != "cpu" and gpus and isinstance(gpus, list):
        return "; ".join(f"{gpus.count(name)} × {name}" for name in dict.fromkeys(map(str, gpus)))
    cpu = f"CPU: {record.hardware.get('cpu') or 'unknown'}"
    return cpu + (f", {record.hardware['cores']} cores" if record.hardware.get("cores") else "")


def took(seconds: float | None) -> str:
    """`12 s`, `11 min 12 s`, `3 h 05 min`."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
