"""Metrics looked up in what the readers found, and the points of one metric."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cvl.params import suggest
from cvl.readers.base import Reading, Series
from cvl.rules.model import Context, Metric, Where


class Missing(Exception):
    """The log does not have what a rule needs; `args` are (wanted, reason)."""


@dataclass(frozen=True)
class Log:
    """Every series of a run, and what else is known of it."""

    readings: Mapping[str, Reading]
    metrics: Mapping[str, Metric]
    context: Context

    def get(self, name: str) -> Series:
        """The series of the declared metric `name`; Missing where nothing logged it."""
        metric = self.metrics[name]
        if metric.reader and metric.reader not in self.readings:
            there = f"; there are: {', '.join(self.readings)}" if self.readings else ""
            raise Missing(metric.key, f"no {metric.reader} log in {self.context.folder}{there}")
        return self.find([metric.key], metric.reader)

    def find(self, keys: list[str], reader: str | None = None) -> Series:
        """The series of the first of `keys` that a log has."""
        readings = [self.readings[reader]] if reader else list(self.readings.values())
        for key in keys:
            for reading in readings:
                if found := _series(reading, key):
                    return found
        raise Missing(keys[0], _absent(keys[0], [name for reading in readings for name in reading.series]))

    def groups(self, name: str) -> dict[str, Series]:
        """The series `<key>/<group>` of the declared metric `name`, by group; Missing where there are none."""
        metric = self.metrics[name]
        found = {
            key.removeprefix(f"{metric.key}/"): series
            for reader, reading in reversed(list(self.readings.items()))
            for key, series in reading.series.items()
            if key.startswith(f"{metric.key}/") and metric.reader in (None, reader)
        }
        if not found:
            names = [name for reading in self.readings.values() for name in reading.series]
            raise Missing(f"{metric.key}/<group>", _absent(f"{metric.key}/<class or prompt>", names, near=metric.key))
        return dict(sorted(found.items()))

    def where(self, series: Series, i: int | None = None) -> Where:
        """Point `i` of `series`, or its file alone."""
        path, folder = Path(series.file), self.context.folder
        file = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else series.file
        if i is None:
            return Where(file)
        epoch = series.epoch[i]
        return Where(file, series.step[i], None if math.isnan(epoch) else epoch)


def finite(series: Series) -> list[int]:
    """Indices of the finite points."""
    if math.isfinite(sum(series.value)):  # only then may all be; a long log is judged again and again
        return list(range(len(series)))
    return [i for i, value in enumerate(series.value) if math.isfinite(value)]


def best(series: Series, better: str | None) -> int | None:
    """Index of the best finite point, the earliest of equals."""
    if series.value and math.isfinite(sum(series.value)):
        return series.value.index(min(series.value) if better == "lower" else max(series.value))
    points = finite(series)
    if not points:
        return None
    sign = 1 if better == "lower" else -1
    return min(points, key=lambda i: (sign * series.value[i], i))


def at_epoch(series: Series, epoch: float) -> list[int]:
    """Indices of the finite points in that epoch."""
    return [i for i in finite(series) if series.epoch[i] == epoch]


def matching(names: Iterable[str], key: str) -> list[str]:
    """The names that `key`, in which `*` stands for any text, describes."""
    pattern = re.compile(".*".join(map(re.escape, key.split("*"))), re.DOTALL)
    return [name for name in names if pattern.fullmatch(name)]


def _series(reading: Reading, key: str) -> Series | None:
    """The series called `key` that has a point; for a pattern the sum where all its columns have one."""
    if key in reading.series:
        return reading.series[key]
    parts = [reading.series[name] for name in matching(reading.series, key)] if "*" in key else []
    return _sum(key, parts) if parts else None


def _sum(key: str, parts: list[Series]) -> Series | None:
    columns = [dict(zip(part.step, part.value, strict=True)) for part in parts]
    rows = [i for i, step in enumerate(parts[0].step) if all(step in column for column in columns)]
    steps = array("q", (parts[0].step[i] for i in rows))
    values = array("d", (sum(column[step] for column in columns) for step in steps))
    return Series(key, parts[0].file, steps, array("d", (parts[0].epoch[i] for i in rows)), values) if rows else None


def _absent(key: str, names: list[str], *, near: str = "") -> str:
    """What is missing, with the name nearest to it (or to `near`) and those that there are."""
    if not names:
        return f"nothing logged {key}: there is no log, or it is empty"
    near = suggest(near or key, names)
    listed = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    return f"nothing logged {key}{f', the nearest is {near}' if near else ''}; there are: {listed}"
