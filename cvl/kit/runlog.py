"""The log of a run: metrics.jsonl, the CSV files and trackers; it goes on after a resume without a double row."""

from __future__ import annotations

import atexit
import csv
import io
import json
import math
import os
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from cvl import contract
from cvl.errors import UsageError
from cvl.kit import trackers
from cvl.params import Setting, Value

Row = dict[str, Any]

EPOCH_COLUMNS = (
    "epoch",
    "avg_loss",
    "total_loss",
    "epoch_time_sec",
    "learning_rate",
    "is_best",
    "checkpoint_path",
    "timestamp",
)
# Where a run goes on from stays out of a config.yaml that may start another run.
_NOT_REUSED = (contract.OUTPUT_DIR, contract.RESUME)


class RunLog:
    """Appends what a training run measures to the files of its folder.

    `resumed_epoch` is the last finished epoch of the run that goes on; rows after it are dropped. `name` is what
    trackers call the run, the folder's name where it is empty, and `config` what they keep of its parameters. A job
    that ends before it closes its log is a failed run there, and its metrics.json holds what there was.
    """

    def __init__(
        self,
        folder: Path,
        *,
        resumed_epoch: int | None = None,
        name: str = "",
        config: Mapping[str, object] | None = None,
    ) -> None:
        self.folder = folder
        self.jsonl = folder / contract.METRICS
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        if resumed_epoch is None and self.jsonl.exists() and read_rows(self.jsonl):
            raise UsageError(f"{folder} already holds a run", hint=f"go on with RESUME={folder}, or another OUTPUT_DIR")
        self._epochs = folder / "logs" / "epoch_metrics.csv"
        self._batches = folder / "logs" / "batch_metrics.csv"
        self.rows: list[Row] = []
        self.rewind(resumed_epoch or 0)
        start = trackers.Start(folder, name or folder.name, self.last_step + 1, config or {})
        self._sinks = trackers.configured(start)
        atexit.register(self.close, failed=True)

    @property
    def last_step(self) -> int:
        """Optimizer steps done, as far as they were logged."""
        return max((int(row["step"]) for row in self.rows), default=0)

    def rewind(self, epoch: int) -> None:
        """Drops every row after `epoch`, and those of the final evaluation, which comes again."""
        rows = read_rows(self.jsonl) if self.jsonl.exists() else []
        self.rows = [row for row in rows if row["epoch"] <= epoch and not any(k.startswith("reload/") for k in row)]
        write_text(self.jsonl, "".join(f"{_line(row)}\n" for row in self.rows))
        for file in (self._epochs, self._batches):
            rewind_csv(file, epoch)

    def scalars(self, values: Mapping[str, float], *, step: int, epoch: int) -> None:
        """One row: `step` is optimizer steps done, `epoch` counts from 1; NaN is written as NaN."""
        row: Row = {"step": step, "epoch": epoch, "time": round(time.time(), 3), **values}
        with self.jsonl.open("a", encoding="utf-8") as file:
            file.write(f"{_line(row)}\n")
        self.rows.append(row)
        for sink in self._sinks:
            sink.log(values, step)

    def batch(self, epoch: int, batch: int, loss: float, parts: Mapping[str, float]) -> None:
        """A row of batch_metrics.csv; `parts` are named without `loss_`."""
        head = ("epoch", "batch", "loss", *(f"loss_{part}" for part in parts), "timestamp")
        values = (epoch, batch, _number(loss), *map(_number, parts.values()), _now())
        _append_csv(self._batches, head, values)

    def epoch(
        self,
        epoch: int,
        losses: Iterable[float],
        *,
        seconds: float,
        learning_rate: float,
        is_best: bool,
        checkpoint: str,
    ) -> None:
        """A row of epoch_metrics.csv from the losses of the epoch's batches."""
        total, count = 0.0, 0
        for loss in losses:
            total, count = total + loss, count + 1
        average = total / count if count else math.nan
        values = (epoch, _number(average), _number(total), round(seconds, 2), _number(learning_rate))
        _append_csv(self._epochs, EPOCH_COLUMNS, (*values, is_best, checkpoint, _now()))

    def best(self, name: str) -> float | None:
        """The highest finite value (of a loss the lowest); None where there is none."""
        found = summary(self.rows)["best"].get(name)
        return float(found["value"]) if found else None

    def close(self, *, failed: bool = False) -> None:
        """Writes metrics.json: the final and the best value of every metric."""
        atexit.unregister(self.close)
        write_json(self.folder / contract.FINAL_METRICS, summary(self.rows))
        for sink in self._sinks:
            sink.close(failed=failed)


def summary(rows: Iterable[Row]) -> dict[str, Any]:
    """Final and best values: of losses the lowest, of the rest the highest; ties go to the earliest."""
    final: dict[str, float] = {}
    best: dict[str, Row] = {}
    epoch = step = 0
    for row in rows:
        epoch, step = row["epoch"], row["step"]
        for name, value in row.items():
            if name in ("step", "epoch", "time") or not math.isfinite(value):
                continue
            final[name] = value
            sign = -1 if "loss" in name else 1
            ranked = name.startswith(("train/loss", "val/"))
            if ranked and (name not in best or sign * value > sign * best[name]["value"]):
                best[name] = {"value": value, "epoch": row["epoch"], "step": row["step"]}
    return {"epochs": epoch, "steps": step, "final": final, "best": best}


def write_config(
    folder: Path, settings: Mapping[str, Setting], *, effective: Mapping[str, Value], **job: object
) -> None:
    """config.yaml: the resolved parameters, usable as `--config`; where a value was replaced, what was asked for.

    `effective` holds the values that turned out otherwise, such as WEIGHTS: none after a failed fetch; `job` what the
    host's record keeps of the job (`device`: cpu or cuda, `splits`: pictures by split) and `example`, its name.
    """
    lines = [f"x-job: {yaml.safe_dump(job, default_flow_style=True, width=10_000).strip()}"] if job else []
    for name, setting in settings.items():
        value = effective.get(name, setting.value)
        text = yaml.safe_dump({name: value}, default_flow_style=False, width=10_000).strip()
        asked = f", asked for {setting.value}" if value != setting.value else ""
        lines.append(f"{'# ' if name in _NOT_REUSED else ''}{text}  # {setting.source}{asked}")
    write_text(folder / contract.CONFIG, "\n".join(lines) + "\n")


def example_of(folder: Path) -> str:
    """The example that config.yaml in `folder` names; an empty text where there is none."""
    try:
        config = yaml.safe_load((folder / contract.CONFIG).read_text(encoding="utf-8"))
        return str(config["x-job"]["example"])
    except (OSError, yaml.YAMLError, UnicodeDecodeError, LookupError, TypeError):
        return ""


def read_rows(file: Path) -> list[Row]:
    """The rows of a metrics.jsonl; a torn line is left out."""
    rows = []
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and "epoch" in row and "step" in row:
            rows.append(row)
    return rows


def write_json(file: Path, content: object) -> None:
    """JSON under a temporary name, then moved: who sees the file sees all of it."""
    write_text(file, json.dumps(content, indent=2) + "\n")


def write_text(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, file)


def _append_csv(file: Path, head: Iterable[str], values: Iterable[object]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if not file.exists():
        writer.writerow(head)
    writer.writerow(values)
    with file.open("a", encoding="utf-8") as out:
        out.write(text.getvalue())


def rewind_csv(file: Path, epoch: int) -> None:
    """Keeps the header and whole rows up to `epoch`."""
    if not file.exists():
        return
    lines = file.read_text(encoding="utf-8").splitlines()
    commas = lines[0].count(",") if lines else 0
    kept = [line for line in lines[1:] if line.count(",") == commas and int(line.split(",")[0]) <= epoch]
    write_text(file, "\n".join([*lines[:1], *kept]) + "\n")


def _line(row: Row) -> str:
    return json.dumps({name: float(value) if name.count("/") else value for name, value in row.items()})


def _number(value: float) -> str:
    return f"{value:.7g}"


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="milliseconds")
