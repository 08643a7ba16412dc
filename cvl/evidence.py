"""Evidence that an example trained: written from a passed run, stale as soon as what it proves has changed."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cvl import manifest, proof, runs
from cvl.errors import UsageError
from cvl.manifest import Example
from cvl.rules import Context, Status
from cvl.runs import Record

if TYPE_CHECKING:
    from cvl.judge import Judgement

FOLDER = "evidence"
CURRENT, STALE, BROKEN, NONE = "current", "stale", "broken", "none"


@dataclass(frozen=True)
class Evidence:
    """One file of evidence; `proof` is what the run ran with, as hashes."""

    example: str
    preset: str
    run: str
    date: str
    hardware: str
    device: str
    summary: str
    rating: str
    verdicts: list[dict[str, str]]
    versions: dict[str, str]
    split_sizes: dict[str, int]
    seconds: float | None
    images_per_s: float | None
    peak_memory_gb: float | None
    git: dict[str, Any]
    cvl: str
    proof: dict[str, str]


@dataclass(frozen=True)
class State:
    """What a file of evidence is worth today, or that a preset has none; `changed` says what made it stale."""

    preset: str
    word: str
    file: Path | None = None
    evidence: Evidence | None = None
    changed: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.word}: {', '.join(self.changed)}" if self.changed else self.word


def record(folder: Path) -> Path:
    """Writes the evidence of the run in `folder`; UsageError where that run proves nothing about its preset."""
    from cvl import verdict  # `verify` and `list` never need it

    run = runs.load(folder)
    example = verdict.example_of(run, folder)
    if example is None:
        raise UsageError(f"{run.run}: there is no example {run.example!r} here that it could be evidence of")
    preset = manifest.preset(example, run.preset)
    context = verdict.context(example, preset, run, folder)
    judgement = verdict.of_run(example, preset, run, folder)
    if reason := _refusal(run, context, judgement, proof.of(example, preset)):
        ruled = example.verification.presets
        hint = f"`cvl run {example.name} {run.preset}` makes some"
        if not ruled.get(run.preset):
            hint = f"{run.preset} has no rules; presets with rules: {', '.join(ruled) or 'none'}"
        raise UsageError(f"{run.run} is no evidence: {reason}", hint=hint)
    found = _evidence(example, run, context, judgement, proof.of(example, preset))
    return _write(example.folder / FOLDER / f"{run.preset}-{_slug(found.hardware)}.json", found)


def states(example: Example) -> list[State]:
    """All evidence of `example`, and each preset with rules that has none."""
    found = [_state(example, file) for file in sorted((example.folder / FOLDER).glob("*.json"))]
    have = {state.preset for state in found}
    bare = [preset for preset in example.verification.presets if preset not in have]
    return [*found, *(State(preset, NONE) for preset in bare)]


def summary(example: Example) -> str:
    """`smoke current, train none`: the best there is of each preset; `none` where there is none at all."""
    words: dict[str, str] = {}
    for state in states(example):
        if state.word == CURRENT or state.preset not in words:
            words[state.preset] = state.word
    known = set(words.values()) - {NONE}
    return ", ".join(f"{preset} {word}" for preset, word in words.items()) if known else NONE


def _refusal(run: Record, context: Context, judgement: Judgement, now: dict[str, str]) -> str:
    if run.status != "done":
        return f"it is {run.status}"
    if judgement.outcome.word != "pass":
        return f"its verdict is {judgement.outcome}"
    if context.changed:
        return f"it ran with other parameters than the preset's own ({', '.join(context.changed.values())})"
    if judgement.outcome.health_only:
        return next(v.reason for v in judgement.verdicts if v.status is Status.NOT_COMPARABLE)
    if not run.proof:
        return "its record does not say what it ran with: it is older than that, or code changed before a resume"
    changed = _changed(run.proof, {**now, "rules": run.proof["rules"]})  # it was just judged by today's rules
    return f"since then changed: {', '.join(changed)}" if changed else ""


def _evidence(example: Example, run: Record, context: Context, judgement: Judgement, now: dict[str, str]) -> Evidence:
    from cvl import measured

    return Evidence(
        example=example.name,
        preset=run.preset,
        run=run.run,
        date=run.ended[:10],
        hardware=runs.hardware(run),
        device=context.device,
        summary=str(judgement.outcome),
        rating=judgement.rating,
        verdicts=[
            {"rule": v.rule, "metric": v.metric, "status": v.status.value, "wanted": v.wanted, "found": v.found}
            for v in judgement.verdicts
        ],
        versions=measured.versions(example, run),
        split_sizes=run.split_sizes,
        seconds=run.seconds,
        images_per_s=run.images_per_s,
        peak_memory_gb=run.peak_memory_gb,
        git=run.git,
        cvl=run.cvl,
        proof=now,
    )


def _state(example: Example, file: Path) -> State:
    try:
        found = Evidence(**json.loads(file.read_text(encoding="utf-8")))
        known = dict(found.proof)
    except (OSError, ValueError, TypeError, RecursionError) as error:
        return State(file.stem, BROKEN, file, changed=(f"not evidence ({error})",))
    if found.preset not in example.presets:
        return State(found.preset, STALE, file, found, ("the preset is gone",))
    changed = _changed(known, proof.of(example, example.presets[found.preset]))
    return State(found.preset, STALE if changed else CURRENT, file, found, tuple(changed))


def _changed(then: dict[str, str], now: dict[str, str]) -> list[str]:
    return [name for name in dict.fromkeys((*then, *now)) if then.get(name) != now.get(name)]


def _slug(hardware: str) -> str:
    """`nvidia-h100-80gb-hbm3`; a CPU's trademark signs left out."""
    words = re.sub(r"\((r|tm)\)", " ", hardware.lower())
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-")[:60] or "unknown"


def _write(file: Path, found: Evidence) -> Path:
    file.parent.mkdir(exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.write_text(json.dumps(asdict(found), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(temporary, file)
    return file


def rows(example: Example, found: Sequence[State]) -> Iterator[tuple[str, ...]]:
    """A line for each state."""
    for state in found:
        known = state.evidence
        facts = (str(known.hardware), str(known.date), str(known.run)) if known else ("", "", "")
        yield example.name, state.preset, *facts, str(state)
