"""`cvl calibrate`: bounds from measurement, written into the manifest."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from cvl import calibrate, catalogue, console, contract, edit, launch, manifest, measured, runs
from cvl.calibrate import Proposal
from cvl.commands import run as run_command
from cvl.document import Location
from cvl.errors import Interrupted, JobError, MetricsError, UsageError
from cvl.manifest import Example, Preset
from cvl.measured import SEED, Run
from cvl.rules.model import Calibration

_SEEDS = 5


@click.command()
@click.argument("name")
@click.argument("preset")
@click.option(
    "--runs",
    "count",
    type=click.IntRange(min=calibrate.LEAST_RUNS),
    help=f"Train with so many seeds [default: {_SEEDS}].",
)
@click.option("--from", "earlier", multiple=True, metavar="RUN", help="A finished run to take instead; repeat it.")
@click.option("-e", "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Set a parameter.")
@click.option("--output", type=click.Path(path_type=Path), help="Folder for runs [default: the example's outputs/].")
@click.option("--engine", default="auto", type=click.Choice(["auto", "docker", "local"]), show_default=True)
@click.option("--python", default="", metavar="PATH", help="Interpreter for the local engine.")
@click.option("--accept-versions", is_flag=True, help="Let other package versions serve; the record says so.")
@click.option("--dry-run", is_flag=True, help="Print the bounds, and leave the manifest as it is.")
def command(
    name: str, preset: str, count: int | None, earlier: tuple[str, ...], output: Path | None, dry_run: bool,
    assignments: tuple[str, ...], engine: str, python: str, accept_versions: bool,
) -> None:  # fmt: skip
    """Measure the rules of PRESET of the example NAME, and write their bounds into its manifest.

    Those with a bound to measure: range, trend, each, expect, throughput, vram_gb, wall_clock_s. A bound is mean - k sd
    of the runs (mean + k sd where lower is better): 99 % of healthy runs lie on its good side with 95 % confidence; of
    expect it is the mean itself, with the room that the mean of its seeds needs. The more runs, the smaller k, the
    tighter the bound.
    """
    example = catalogue.find(name)
    chosen = manifest.preset(example, preset)
    _check(example, chosen, count, earlier, assignments)
    place = (output or launch.default_output(example)).absolute()
    found = [measured.load(example, chosen, folder) for folder in _earlier(earlier, place)]
    if not earlier:
        words = [f"--engine={engine}", *(["--python", python] if python else []), f"--output={place}"]
        words += ["--accept-versions"] * accept_versions + [word for pair in assignments for word in ("-e", pair)]
        for seed in range(count or _SEEDS):
            found.append(_train(example, chosen, ["-e", f"{SEED}={seed}", *words], place, found))
    origin = measured.origin(example, found)
    proposals = calibrate.propose(example.verification, preset, [run.log for run in found], origin)
    click.echo(_report(example, found, origin, proposals))
    if not any(proposal.bounds for proposal in proposals):
        raise UsageError(f"no rule of {preset} gets a bound from these runs", hint="the reasons stand above")
    if not dry_run:
        _write(example, preset, proposals)


def _check(
    example: Example, preset: Preset, count: int | None, earlier: Sequence[str], assignments: Sequence[str]
) -> None:
    """Everything that can be said before hours of training."""
    if not any(rule.kind in calibrate.KINDS for rule in example.verification.presets.get(preset.name, ())):
        raise UsageError(
            f"{preset.name} has no rule with a bound to measure: {', '.join(calibrate.KINDS)}",
            hint="write one with any bound; this fills it in",
        )
    if SEED not in example.parameters:
        raise UsageError(f"{example.name} declares no {SEED}: without seeds there is nothing to measure")
    if any(word.partition("=")[0].upper() == SEED for word in assignments):
        raise UsageError(f"-e {SEED}: calibrate sets it, from 0 on")
    if count and earlier:
        raise UsageError("--runs trains, --from takes what there is: give one of them")


def _earlier(words: Sequence[str], place: Path) -> list[Path]:
    """The folders of the runs that --from names."""
    folders = [runs.find(word, [place]) for word in words]
    for folder in folders:
        if folders.count(folder) > 1:
            raise UsageError(f"--from: the run {folder.name} is given twice")
    if folders and len(folders) < calibrate.LEAST_RUNS:
        raise UsageError(
            f"--from: {len(folders)} runs, at least {calibrate.LEAST_RUNS} are needed",
            hint="name more finished runs with other seeds, or leave --from out: then calibrate trains them",
        )
    return folders


def _train(example: Example, preset: Preset, words: Sequence[str], place: Path, before: Sequence[Run]) -> Run:
    """One run by `cvl run` itself; what it prints is talk here."""
    name = runs.new_name(preset.name)
    console.say(f"run {len(before) + 1}: {name}")
    arguments = [str(example.folder), preset.name, "--name", name, *words]
    with contextlib.redirect_stdout(sys.stderr):
        code = run_command.command.main(arguments, prog_name="cvl run", standalone_mode=False)
    finished = " ".join(f"--from {run.record.run}" for run in before)
    hint = f"what is finished counts, with more runs: `cvl calibrate {example.name} {preset.name} {finished} …`"
    if code == Interrupted.exit_code:
        raise Interrupted("interrupted", hint=hint if before else "")
    if code not in (0, MetricsError.exit_code):
        raise JobError(f"{name} ended with exit code {code}", hint=hint if before else "")
    return measured.load(example, preset, place / name)


def _report(example: Example, found: Sequence[Run], origin: Calibration, proposals: Sequence[Proposal]) -> str:
    versions = "".join(f", {name} {version}" for name, version in origin.versions.items())
    head = [
        ("runs", ", ".join(run.record.run for run in found)),
        ("seeds", ", ".join(map(str, origin.seeds))),
        ("on", f"{origin.device} ({origin.hardware}){versions}"),
        (
            "bound",
            f"mean ∓ {calibrate.factor(origin.runs):.3g} sd of logarithms (99 % of runs, 95 % confidence; sd ≥ 1 %)",
        ),
        *(("expect", _of_mean(proposal)) for proposal in proposals if "tol" in proposal.bounds),
    ]
    titles = ("RULE", "METRIC", "AT", "LOWEST", "HIGHEST", "MEAN", "SD", "PRESENT", "PROPOSED")
    rows = [titles, *(row for proposal in proposals for row in _rows(proposal))]
    notes = [line for proposal in proposals for line in _notes(proposal)]
    return "\n".join([console.columns(head), "", console.columns(rows), *notes])


def _of_mean(proposal: Proposal) -> str:
    seeds, runs_ = calibrate.seeds(proposal.rule), proposal.calibrated.runs if proposal.calibrated else 0
    return (
        f"mean ± {calibrate.factor_of_mean(runs_, seeds):.3g} sd (99 % of means of {seeds}, 95 % confidence; sd ≥ 1 %)"
    )


def _rows(proposal: Proposal) -> Iterator[tuple[str, ...]]:
    rule, runs_ = proposal.rule, proposal.calibrated
    if runs_ is None:
        return
    seen = (f"{value:.4g}" for value in (runs_.lowest, runs_.highest, runs_.mean, runs_.sd))
    present = ", ".join(f"{name} {rule.options[name]:g}" for name in proposal.bounds if name in rule.options) or "none"
    proposed = ", ".join(f"{name} {value:g}" for name, value in proposal.bounds.items())
    yield rule.kind, ", ".join(rule.metrics), str(rule.options.get("at", "")), *seen, present, proposed


def _notes(proposal: Proposal) -> Iterator[str]:
    rule, runs_ = proposal.rule, proposal.calibrated
    name = f"{rule.kind} {', '.join(rule.metrics)}".strip()
    if runs_ is None:
        yield f"{name} stays as it is: {proposal.reason}"
        return
    if runs_.lowest == runs_.highest:
        yield f"{name}: all runs are equal; does {SEED} reach the job?"
    low, high = (float(str(rule.options.get(side, "nan"))) for side in ("min", "max"))
    if ("min" not in proposal.bounds and runs_.lowest < low) or ("max" not in proposal.bounds and runs_.highest > high):
        yield f"{name}: the bound on its good side excludes some of these runs; remove it"


def _write(example: Example, preset: str, proposals: Sequence[Proposal]) -> None:
    file = example.folder / contract.MANIFEST
    if manifest.load(file).verification != example.verification:
        raise UsageError(
            f"the rules in {file} were changed meanwhile, so nothing is written",
            hint="`cvl calibrate … --from RUN --from RUN …` proposes anew from the same runs",
        )
    changes: dict[Location, object] = {}
    for proposal in proposals:
        if proposal.calibrated is None:
            continue
        at = ("verification", "presets", preset, proposal.index)
        changes |= {(*at, proposal.rule.kind, name): value for name, value in proposal.bounds.items()}
        entry = {**asdict(proposal.calibrated), "seeds": list(proposal.calibrated.seeds)}
        changes |= {(*at, "calibrated"): {name: value for name, value in entry.items() if value not in ("", {})}}
    edit.write(file, changes)
    console.say(f"{file}: written; `git diff` shows the bounds")
