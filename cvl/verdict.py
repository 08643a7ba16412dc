"""A run of the catalogue judged by its manifest, from what its folder and record say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cvl import catalogue, contract, judge, manifest, readers, runs, settings
from cvl.errors import CvlError
from cvl.judge import Judgement
from cvl.manifest import Example, Preset
from cvl.params import Setting
from cvl.readers.base import Reading
from cvl.readers.growing import Memory
from cvl.rules import Context, Rule, Verification
from cvl.runs import Record


@dataclass(frozen=True)
class JobFacts:
    """What the job says of itself in config.yaml."""

    effective: Mapping[str, Any] = field(default_factory=dict)
    device: str = ""
    splits: Mapping[str, int] = field(default_factory=dict)


def of_run(
    example: Example,
    preset: Preset,
    record: Record,
    folder: Path,
    *,
    strict: bool = False,
    memory: Memory | None = None,
) -> Judgement:
    """Judges the run in `folder` by the rules that `example` has now."""
    run = context(example, preset, record, folder, memory)
    return judge.judge(
        example.verification,
        preset.name,
        run,
        task=next(iter(example.tasks), ""),
        strict=strict,
        ended=record.status not in runs.UNFINISHED,
        memory=memory,
    )


def context(example: Example, preset: Preset, record: Record, folder: Path, memory: Memory | None = None) -> Context:
    """What the rules need to know of the run in `folder`."""
    asked = {n: Setting(entry.get("asked", entry["value"]), entry["source"]) for n, entry in record.parameters.items()}
    job = job_facts(folder)
    device = job.device or "cpu"
    changed = settings.changed(example, preset, asked, device)
    rules = example.verification.presets.get(preset.name, ())
    return Context(
        folder=folder,
        parameters={name: setting.value for name, setting in asked.items()} | dict(job.effective),
        device=device,
        preset_own_epochs="NUM_EPOCHS" not in changed,
        changed=changed,
        turned=_turned(example, settings.nominal(example, preset, device), asked, job.effective),
        renew=f"`cvl calibrate {example.name} {preset.name}`",
        hardware=_hardware(record),
        seconds=record.seconds,
        siblings=_siblings(example, record, folder, memory) if any(rule.kind == "expect" for rule in rules) else (),
        runs=_named(rules, folder.parent, memory),
        judged=_judged(record),
    )


def _judged(record: Record) -> frozenset[tuple[str, str]]:
    """The rules that the run was judged by, as far as its record can be read."""
    known = [one for one in record.verdicts if isinstance(one, dict)]
    return frozenset((str(one.get("rule")), str(one.get("metric", ""))) for one in known)


def _turned(
    example: Example, usual: Mapping[str, Setting], asked: Mapping[str, Setting], effective: Mapping[str, Any]
) -> dict[str, object]:
    """The values that affect the result and are other than wanted, as auto is once it is decided."""
    found = {}
    for name in filter(lambda name: settings.counts(example, name), usual.keys() & effective.keys()):
        given = asked.get(name)
        wanted = usual[name] if given is None or given.source in settings.OWN else given
        if effective[name] != wanted.value and not _is_mounted(effective[name]):
            found[name] = effective[name]
    return dict(sorted(found.items()))


def of_folder(
    folder: Path, *, task: str = "", strict: bool = False, ended: bool = True, memory: Memory | None = None
) -> Judgement:
    """Judges any folder of logs: by its manifest where it is a run of the catalogue, else by the health rules.

    Whether a run has ended its record knows; of a folder without one the caller says it.
    """
    if runs.recorded(folder):
        record = runs.load(folder)
        example = example_of(record, folder)
        if example is not None and record.preset in example.presets:
            return of_run(example, example.presets[record.preset], record, folder, strict=strict, memory=memory)
    return judge.judge(Verification(), "", Context(folder), task=task, strict=strict, ended=ended, memory=memory)


def keep(record: Record, judgement: Judgement, folder: Path) -> None:
    """Puts the verdicts, and what the job says of itself, into the record."""
    job = job_facts(folder)
    record.verdict = judgement.outcome.word
    record.health_only = judgement.outcome.health_only
    record.verdicts = [verdict.to_json() for verdict in judgement.verdicts]
    record.rating = judgement.rating
    record.device, record.split_sizes = job.device, dict(job.splits)
    for name, value in job.effective.items():
        entry = record.parameters.get(name)
        if entry is None or entry["value"] == value or _is_mounted(value):
            continue
        if entry["source"] == "default":
            entry["source"] = "device"
        else:
            entry["asked"] = entry["value"]
        entry["value"] = value
    record.images_per_s = _last(judgement, "perf/images_per_s")
    record.peak_memory_gb = _last(judgement, "perf/vram_gb") or _last(judgement, "perf/ram_gb")


def job_facts(folder: Path) -> JobFacts:
    """From config.yaml; empty where the job did not get that far."""
    try:
        raw = yaml.safe_load((folder / contract.CONFIG).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError):
        return JobFacts()
    if not isinstance(raw, dict):
        return JobFacts()
    job = raw.pop("x-job", None) or {}
    return JobFacts(raw, str(job.get("device", "")), job.get("splits", {}))


def _hardware(record: Record) -> tuple[str, ...]:
    names = [*(record.hardware.get("gpus") or ()), record.hardware.get("cpu")]
    return tuple(str(name) for name in names if name)


def _siblings(
    example: Example, record: Record, folder: Path, memory: Memory | None
) -> tuple[Mapping[str, Reading], ...]:
    """The logs of the newest finished run of every other seed, where all else that affects the result is the same."""
    mine, found = _profile(example, record, folder), {_seed(record, folder): folder}
    for path, other in runs.within(folder.parent):
        if isinstance(other, Record) and other.status == "done" and _profile(example, other, path) == mine:
            seed = _seed(other, path)
            found[seed] = folder if found.get(seed) == folder else path
    return tuple(readers.read(path, memory) for path in found.values() if path != folder)


def _profile(example: Example, record: Record, folder: Path) -> tuple[object, ...]:
    """What must be equal in runs that are seeds of one experiment."""
    job = job_facts(folder)
    free = {contract.OUTPUT_DIR, contract.RESUME, *(n for n, p in example.parameters.items() if not p.affects_result)}
    kept = {name: entry["value"] for name, entry in record.parameters.items() if name not in free}
    values = kept | {name: v for name, v in job.effective.items() if name in kept and not _is_mounted(v)}
    return record.example, record.preset, record.content_hash, job.device, values


def _seed(record: Record, folder: Path) -> object:
    """The value of SEED; without such a parameter every run is a seed of its own."""
    return record.parameters.get("SEED", {}).get("value", folder)


def _named(rules: tuple[Rule, ...], output: Path, memory: Memory | None) -> dict[str, Mapping[str, Reading]]:
    """The logs of the runs that `rules` name, as far as they lie in `output`."""
    names = {str(rule.options["run"]) for rule in rules if "run" in rule.options}
    found = {name: output / name for name in names if (output / name / contract.RECORD).is_file()}
    return {name: readers.read(path, memory) for name, path in found.items() if path.parent == output}


def _is_mounted(value: object) -> bool:
    """Whether `value` is a path as the job sees it; the record keeps the host's."""
    return str(value).startswith("/")


def example_of(record: Record, folder: Path) -> Example | None:
    """The example that the run is of: the one it lies in, else the catalogue's."""
    for found in _places(record, folder):
        try:
            example = manifest.load(found / contract.MANIFEST)
        except CvlError:
            continue
        if example.name == record.example:
            return example
    return None


def _places(record: Record, folder: Path) -> Iterator[Path]:
    yield folder.parent.parent
    with suppress(CvlError):
        yield catalogue.root() / record.example


def _last(judgement: Judgement, name: str) -> float | None:
    """The last value that the job logged under `name`."""
    found = (series[name].final for series in judgement.seen.values() if name in series)
    return next(found, None)
