"""Runs beside each other: what they reached, and in what they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cvl import readers, runs, verdict
from cvl.errors import UsageError
from cvl.params import suggest
from cvl.readers.base import Series
from cvl.rules import Metric
from cvl.rules.log import Log, Missing, best, finite
from cvl.rules.model import Context
from cvl.runs import Record
from cvl.settings import OWN

# In the record of every run, and different in each.
_NOT_COMPARED = ("OUTPUT_DIR", "RESUME")


@dataclass(frozen=True)
class Compared:
    """One run and its logs; `name` tells it from those it is compared with."""

    name: str
    folder: Path
    record: Record
    log: Log

    def curve(self, metric: Metric) -> Series | None:
        """What was logged of a metric, where this run's example logs it; None where nothing was."""
        metric = self.log.metrics.get(metric.name, metric)
        try:
            return self.log.find([metric.key], metric.reader if metric.reader in self.log.readings else None)
        except Missing:
            return None

    def best(self, metric: Metric) -> float | None:
        curve = self.curve(metric)
        i = best(curve, metric.better) if curve and metric.better else None
        return None if curve is None or i is None else curve.value[i]

    def final(self, metric: Metric) -> float | None:
        curve = self.curve(metric)
        points = finite(curve) if curve else []
        return curve.value[points[-1]] if curve and points else None


def load(folder: Path) -> Compared:
    """The run in `folder`; its metrics are those that its example declares."""
    record = runs.load(folder)
    example = verdict.example_of(record, folder)
    metrics = example.verification.metrics if example else {}
    return Compared(record.run, folder, record, Log(readers.read(folder), metrics, Context(folder)))


def load_all(folders: Iterable[Path]) -> list[Compared]:
    """Runs of one name get that of their example before it; those of one example and name their folder."""
    found = [load(folder) for folder in folders]
    for names in ([f"{run.record.example}/{run.record.run}" for run in found], [str(run.folder) for run in found]):
        count = Counter(run.name for run in found)
        found = [replace(run, name=n) if count[run.name] > 1 else run for run, n in zip(found, names, strict=True)]
    return found


def metrics(found: Sequence[Compared], wanted: Sequence[str]) -> list[Metric]:
    """The metrics asked for, by name in the manifest or in the log; else all declared ones that say what is better."""
    declared = {name: metric for run in found for name, metric in run.log.metrics.items()}
    if not wanted:
        return [metric for metric in declared.values() if metric.better]
    logged = {name for run in found for reading in run.log.readings.values() for name in reading.series}
    by_key = {metric.key: metric for metric in declared.values()}
    for name in wanted:
        if name not in declared and name not in logged:
            near = suggest(name, (*declared, *logged))
            known = ", ".join(sorted({*declared, *logged})[:20])
            raise UsageError(
                f"no run has a metric {name!r}" + (f", did you mean {near!r}?" if near else ""),
                hint=f"known are: {known}",
            )
    return [declared.get(name) or by_key.get(name) or Metric(name, name) for name in wanted]


def table(found: Sequence[Compared], wanted: Sequence[Metric]) -> list[dict[str, Any]]:
    """One row a run: verdict, best and final values, cost, and the parameters in which the runs differ."""
    differing = [name for name in _parameter_names(found) if len({str(_value(run.record, name)) for run in found}) > 1]
    return [
        {
            "run": run.name,
            "example": f"{run.record.example} {run.record.preset}",
            "verdict": run.record.verdict or run.record.status,
            **{f"{m.name} {at}": value for m in wanted for at, value in _values(run, m).items()},
            "seconds": run.record.seconds,
            "images/s": run.record.images_per_s,
            "memory GB": run.record.peak_memory_gb,
            **{name: _value(run.record, name) for name in differing},
        }
        for run in found
    ]


def winners(found: Sequence[Compared], wanted: Sequence[Metric]) -> dict[str, str]:
    """For each metric that says what is better the run with the best value, of equals the first."""
    names = {}
    for metric in wanted:
        reached = [(value, run.name) for run in found if (value := run.best(metric)) is not None]
        if len(reached) > 1:
            sign = 1 if metric.better == "lower" else -1
            names[f"{metric.name} best"] = min(reached, key=lambda pair: sign * pair[0])[1]
    return names


def _values(run: Compared, metric: Metric) -> dict[str, float | None]:
    return ({"best": run.best(metric)} if metric.better else {}) | {"final": run.final(metric)}


def curves(found: Sequence[Compared], wanted: Sequence[Metric]) -> dict[str, dict[str, Series]]:
    """Metric -> run -> what it logged, without those that nothing logged."""
    panels = {m.name: {run.name: curve for run in found if (curve := run.curve(m)) is not None} for m in wanted}
    return {name: lines for name, lines in panels.items() if lines}


def difference(one: Compared, other: Compared) -> dict[str, dict[str, tuple[Any, Any]]]:
    """Section -> name -> both values, where they differ; sections in which nothing differs are left out."""
    pairs = zip(_sections(one).items(), _sections(other).values(), strict=True)
    found = {section: _differing(mine, its) for (section, mine), its in pairs}
    wanted = metrics([one, other], ())
    found["metrics"] = _differing(*({k: v for m in wanted for k, v in _named(run, m).items()} for run in (one, other)))
    return {section: entries for section, entries in found.items() if entries}


def _named(run: Compared, metric: Metric) -> dict[str, float | None]:
    return {f"{metric.name} {at}": value for at, value in _values(run, metric).items()}


def _sections(run: Compared) -> dict[str, Mapping[str, Any]]:
    record = run.record
    environment = dict(record.environment)
    packages = environment.pop("packages", None) or {}
    image = {name: environment.pop(name, None) for name in ("image", "image_id")}
    hidden = ("python", "accepted_versions")  # paths of this machine; what they differ in is among the packages
    return {
        "parameters": {name: _value(record, name) for name in record.parameters if name not in _NOT_COMPARED},
        "code": {
            "example": f"{record.example} {record.preset}",
            "commit": record.git.get("commit"),
            "changed": record.git.get("changed"),
            **record.proof,
            "content": record.content_hash[:16],
            "cvl": record.cvl,
        },
        "image": image,
        "environment": {k: v for k, v in environment.items() if k not in hidden} | {"engine": record.engine} | packages,
        "hardware": {**record.hardware, "device": record.device},
        "data": record.split_sizes,
        "outcome": {
            name: value
            for name, value in asdict(record).items()
            if name in ("status", "verdict", "exit_code", "rating", "seconds", "images_per_s", "peak_memory_gb")
        },
    }


def _differing(mine: Mapping[str, Any], its: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    names = dict.fromkeys((*mine, *its))
    return {name: (mine.get(name), its.get(name)) for name in names if mine.get(name) != its.get(name)}


def _parameter_names(found: Sequence[Compared]) -> list[str]:
    """Those that all of the runs have, and those that were set: examples have defaults of their own."""
    names = dict.fromkeys(name for run in found for name in run.record.parameters)
    return [name for name in names if name not in _NOT_COMPARED and _tells(found, name)]


def _tells(found: Sequence[Compared], name: str) -> bool:
    entries = [run.record.parameters.get(name, {}) for run in found]
    return all(entries) or any(entry.get("source", "default") not in OWN for entry in entries)


def _value(record: Record, name: str) -> Any:
    return record.parameters.get(name, {}).get("value")
