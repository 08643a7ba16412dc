"""Finished runs of one preset that may be compared: healthy, of one profile, with different seeds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cvl import calibrate, plan, readers, runs, settings, verdict
from cvl.errors import MetricsError, UsageError
from cvl.manifest import Example, Preset
from cvl.rules.log import Log
from cvl.rules.model import Calibration
from cvl.runs import Record

SEED = "SEED"
# Frameworks whose package has another name.
_PACKAGES = {"pytorch": ("torch",), "ultralytics": ("ultralytics", "ultralytics-opencv-headless")}


@dataclass(frozen=True)
class Run:
    """One run, its logs read."""

    record: Record
    log: Log

    @property
    def seed(self) -> int:
        return int(str(self.log.context.parameters[SEED]))


def load(example: Example, preset: Preset, folder: Path) -> Run:
    """The run in `folder`; UsageError where it is of something else or unfinished, MetricsError where it is ill."""
    record = runs.load(folder)
    if (record.example, record.preset) != (example.name, preset.name):
        raise UsageError(f"{record.run} is a run of {record.example} {record.preset}, not of {preset.name}")
    if record.status != "done":
        raise UsageError(f"{record.run} is {record.status}: only runs that came to their end can be measured")
    context = verdict.context(example, preset, record, folder)
    if not str(context.parameters.get(SEED, "")).isdigit():
        raise UsageError(f"{record.run} has no {SEED} in its record", hint="bounds come from runs with different seeds")
    log = Log(readers.read(folder), example.verification.metrics, context)
    rules = example.verification.presets.get(preset.name, ())
    if ill := calibrate.failures(log, example.verification, rules):
        what = f"{ill[0].rule} {ill[0].metric}".strip()
        raise MetricsError(
            f"{record.run} is not healthy: {what} wanted {ill[0].wanted}, found {ill[0].found}",
            hint="bounds are measured on healthy runs only: mend the training first",
        )
    return Run(record, log)


def origin(example: Example, found: Sequence[Run]) -> Calibration:
    """What the runs have in common, still without numbers; UsageError where they are not of one profile."""
    first = found[0]
    for run in found[1:]:
        _refuse_other(_profile(example, first), _profile(example, run), f"{first.record.run} and {run.record.run}")
    seeds = tuple(run.seed for run in found)
    if len(set(seeds)) < len(seeds):
        raise UsageError(f"seeds {', '.join(map(str, seeds))}: the same seed twice is one run, not two")
    return Calibration(
        date=runs.now()[:10],
        runs=len(found),
        seeds=seeds,
        lowest=0,
        highest=0,
        mean=0,
        sd=0,
        device=first.log.context.device,
        hardware="; ".join(dict.fromkeys(runs.hardware(run.record) for run in found)),
        versions=versions(example, first.record),
        parameters=first.log.context.turned,
    )


def versions(example: Example, record: Record) -> dict[str, str]:
    """Versions of torch and the frameworks: those installed, in a container those pinned."""
    wanted = ["torch", *(package for name in example.frameworks for package in _PACKAGES.get(name, (name,)))]
    installed = record.environment.get("packages")
    known = installed if isinstance(installed, dict) else _pins(example)
    return {name: str(known[name]) for name in dict.fromkeys(wanted) if name in known}


def _pins(example: Example) -> dict[str, str]:
    texts = [example.folder / name for name in plan.image_files(example)]
    text = "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in texts if path.is_file())
    return {name.lower(): version for name, version in re.findall(r"([\w.-]+)==([\w.+]+)", text)}


def _profile(example: Example, run: Run) -> dict[str, object]:
    """Everything that must be the same for two runs to be samples of one thing."""
    context = run.log.context
    counting = {n: v for n, v in context.parameters.items() if n in example.parameters and settings.counts(example, n)}
    return {"device": context.device, **counting, **versions(example, run.record)}


def _refuse_other(mine: Mapping[str, object], other: Mapping[str, object], names: str) -> None:
    for name in dict.fromkeys((*mine, *other)):
        if mine.get(name) != other.get(name):
            raise UsageError(f"{names} differ in {name}: {mine.get(name)} and {other.get(name)}")
