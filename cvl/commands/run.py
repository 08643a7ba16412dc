"""`cvl run`: a preset of an example, run and judged."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, TextIO

import click

from cvl import (
    catalogue,
    console,
    contract,
    launch,
    manifest,
    params,
    plan,
    postmortem,
    report,
    runs,
    settings,
    verdict,
)
from cvl.engines.base import Engine
from cvl.errors import CvlError, JobError, UsageError
from cvl.judge import Judgement
from cvl.liveline import LiveLine, columns
from cvl.manifest import Example, Preset
from cvl.params import Setting
from cvl.runs import Record
from cvl.settings import Given

_GPUS = re.compile(r"all|none|(device=)?([0-9]+|(GPU|MIG)-[\w/-]+)(,([0-9]+|(GPU|MIG)-[\w/-]+))*")


@dataclass(frozen=True)
class Options:
    """The command line, parsed."""

    assignments: tuple[str, ...]
    config: Path | None
    data: Path | None
    output: Path | None
    run_name: str | None
    resume: str | None
    engine: str
    gpus: str
    python: str
    accept_versions: bool
    env_names: tuple[str, ...]
    timeout: float | None
    strict: bool
    abort_on_fail: bool
    dry_run: bool
    as_json: bool


class _Command(click.Command):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        words = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            _refuse_parameter(error.option_name, words)
            raise


@click.command(cls=_Command)
@click.argument("name")
@click.argument("preset", default="")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("-e", "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Set a parameter.")
@click.option("--config", type=click.Path(path_type=Path), help="Parameters from a YAML file.")
@click.option("--data", type=click.Path(path_type=Path), help="Your own data set.")
@click.option("--output", type=click.Path(path_type=Path), help="Folder for runs [default: the example's outputs/].")
@click.option("--name", "run_name", help="Name of the run.")
@click.option(
    "--resume",
    is_flag=False,
    flag_value=runs.LATEST,
    metavar="[RUN|CHECKPOINT]",
    help="Go on with a run (the preset's latest, where none is named), or from a checkpoint file.",
)
@click.option("--engine", default="auto", type=click.Choice(["auto", "docker", "local"]), show_default=True)
@click.option("--gpus", default="", help="all, none, a number, or ids such as 0,1 [default: all there are].")
@click.option("--python", default="", metavar="PATH", help="Interpreter for the local engine.")
@click.option("--accept-versions", is_flag=True, help="Let other package versions serve; the record says so.")
@click.option("--env", "env_names", multiple=True, metavar="NAME", help="Pass one more environment variable on.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), help="Stop the job after so many seconds.")
@click.option("--strict", is_flag=True, help="Exit with 3 also where calibrated ranges do not apply.")
@click.option("--abort-on-fail", is_flag=True, help="Stop the job as soon as a rule has failed for good; exit with 3.")
@click.option("--dry-run", is_flag=True, help="Print all parameters and the exact command, and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print the run record as JSON; the job's output goes to stderr.")
def command(name: str, preset: str, arguments: tuple[str, ...], **options: Any) -> int:
    """Run PRESET of the example NAME, and judge what it logged.

    \b
    BATCH_SIZE=2 cvl run NAME train
    cvl run NAME train -e BATCH_SIZE=2
    cvl run NAME train -- --batch-size 2
    mean the same. Words after `--` that are no parameters go to the example.
    """
    given = Options(**options)
    example = catalogue.find(name)
    if not preset:
        raise UsageError(f"{example.name}: which preset?", hint=f"its presets are: {', '.join(example.presets)}")
    chosen = manifest.preset(example, preset)
    _check_gpus(given.gpus)
    if not chosen.command:
        words = launch.script_command(example, chosen, arguments)
        return _print_command(shlex.join(words)) if given.dry_run else launch.run_script(words)
    job = _decide(example, chosen, arguments, given)
    launch.check_output(job.plan)
    engine = launch.choose(given.engine, job.plan, python=given.python, accept_versions=given.accept_versions)
    if given.dry_run:
        in_force = settings.in_force(example, chosen, job.settings)
        console.say(f"{example.name} {chosen.name}\n{console.columns(in_force, indent='  ')}")
        return _print_command(engine.command(job.plan))
    record, judgement = _run(job, engine, sys.stderr if given.as_json else sys.stdout)
    if given.as_json:
        click.echo(json.dumps(asdict(record), indent=2))
    else:
        _show(job, record, judgement)
    if record.status != "interrupted" and not launch.refused(record):
        _write_reports(job, record, judgement)
    return launch.exit_code(record, strict=given.strict)


def _refuse_parameter(option: str, words: list[str]) -> None:
    """A parameter of the example among the options of cvl is said to be one."""
    example = next(filter(None, (_example(word) for word in words if not word.startswith("-"))), None)
    match = params.canonical(example.parameters, option.lstrip("-"), "") if example else None
    if example is None or match is None:
        return
    value = next((word.partition("=")[2] for word in words if word.startswith(f"{option}=")), "")
    value = value or next((word for before, word in pairwise(words) if before == option), "VALUE")
    raise UsageError(
        f"{option} is a parameter of {example.name}, not an option of cvl",
        hint=f"-e {match[0]}={value}, or put it after `--`",
    )


def _example(word: str) -> Example | None:
    with suppress(CvlError):
        return catalogue.find(word)
    return None


def _check_gpus(word: str) -> None:
    if word and not _GPUS.fullmatch(word):
        raise UsageError(f"--gpus: {word!r} is no GPU choice: all, none, a number or ids")


def _print_command(line: str) -> int:
    click.echo(line)
    return 0


def _run(job: launch.Job, engine: Engine, stream: TextIO) -> tuple[Record, Judgement | None]:
    """The job's output goes to `stream`; on a terminal with a line about the metrics."""
    if not stream.isatty():
        return launch.run(job, engine, launch.to_stream(stream))
    line = LiveLine(launch.to_stream(stream), columns)
    try:
        return launch.run(job, engine, line.write, show=line.show)
    finally:
        line.clear()


def _write_reports(job: launch.Job, record: Record, judgement: Judgement | None) -> None:
    """Of a failed run too; a report that cannot be written costs the report and never the run."""
    judged = judgement or verdict.of_run(job.example, job.preset, record, job.plan.run_folder)
    for form in report.DOCUMENTS:
        try:
            console.say(f"report: {report.write(form, judged)}")
        except JobError as error:
            console.say(error.message)


def _show(job: launch.Job, record: Record, judgement: Judgement | None) -> None:
    """How the run ended: the verdict, and where to look."""
    saved = any((job.plan.run_folder / contract.CHECKPOINTS).glob("*"))
    how = "goes on with what was saved" if saved else "begins it anew, since nothing was saved yet"
    goes_on = f"; --resume {record.run} {how}" if _can_resume(job) else ""
    if record.status == "timed_out":
        console.say(f"stopped after {job.plan.timeout:g} s (--timeout){goes_on}")
    elif record.status == "interrupted":
        console.say(f"interrupted{goes_on}")
    elif judgement is None:
        console.say(f"error: the job failed (exit code {record.exit_code}); its output is above and in the log")
        if record.post_mortem.get("cause") != postmortem.SAID:  # the job's own words are the last above
            console.say(postmortem.words(record.post_mortem))
    elif judgement.verdicts:
        click.echo(f"\n{job.example.name} {job.preset.name}\n{report.get('text').render(judgement)}")
    if record.status == "stopped":
        console.say(f"stopped (--abort-on-fail): {record.reason}")
    click.echo(f"run: {job.plan.run_folder}")


def _can_resume(job: launch.Job) -> bool:
    resume = job.example.parameters.get(contract.RESUME)
    return resume is not None and settings.uses(job.preset, resume)


def _decide(example: Example, preset: Preset, arguments: tuple[str, ...], options: Options) -> launch.Job:
    """Checks everything that can be checked before anything starts, and makes the plan."""
    output = (options.output or launch.default_output(example)).absolute()
    resume = _resume_path(options.resume, example, preset, output)
    given = Given(options.config, options.assignments, arguments, options.data, resume)
    values, extra = settings.gather(example, preset, given, os.environ)
    values, idle = settings.without_idle(example, preset, values)
    gone_on_with = _run_folder(values)
    if earlier := _earlier(gone_on_with, example, preset) if gone_on_with else _of_checkpoint(values, example, preset):
        given = replace(given, earlier=earlier)
        values, extra = settings.gather(example, preset, given, os.environ)
        values, idle = settings.without_idle(example, preset, values)
    for name, line in idle.items():
        console.say(f"warning: {line}")
        for alias in example.parameters[name].names:
            os.environ.pop(alias.name, None)  # a process of this machine would inherit it
    values = settings.locate(example, values, Path.cwd())
    launch.check_data(example, preset, values)
    folder = gone_on_with or _new_folder(preset, values, output, options.run_name)
    request = plan.Request(
        run=runs.check_name(folder.name),
        output=folder.parent,
        settings={n: s for n, s in values.items() if s.source != "default" and n != contract.OUTPUT_DIR},
        extra=extra,
        gpus=options.gpus,
        env_names=options.env_names,
        timeout=options.timeout,
    )
    made = plan.make(example, preset, request, launch.this_host())
    return launch.Job(example, preset, made, values, options.strict, options.abort_on_fail)


def _resume_path(word: str | None, example: Example, preset: Preset, output: Path) -> Path | None:
    """What `--resume WORD` means: a checkpoint file, or a run's folder; no WORD is the preset's latest run."""
    if word is None:
        return None
    if word == runs.LATEST:
        return _latest(example, preset, output)
    return Path(word).absolute() if Path(word).is_file() else runs.find(word, [output])


def _latest(example: Example, preset: Preset, output: Path) -> Path:
    of = (example.name, preset.name)
    known = [(path, record) for path, record in runs.within(output) if isinstance(record, Record)]
    own = [(path.resolve(), record) for path, record in known if (record.example, record.preset) == of]
    found = [path for path, record in own if not launch.refused(record)]
    if not found:
        hint = "--resume RUN names one; `cvl runs list` shows the runs there are"
        raise UsageError(f"there is no run of {preset.name} to go on with in {output}", hint=hint)
    return found[-1]


def _run_folder(values: dict[str, Setting]) -> Path | None:
    """The run that is gone on with, where RESUME names a run's folder."""
    resume = values.get(contract.RESUME)
    if resume is None or not resume.value or not Path(str(resume.value)).is_dir():
        return None
    return Path(str(resume.value)).resolve()


def _earlier(folder: Path, example: Example, preset: Preset) -> dict[str, object]:
    """What the user set when the run began; it holds on unless it is set anew."""
    record = runs.load(folder)
    if (record.example, record.preset) != (example.name, preset.name):
        raise UsageError(f"{folder.name} is a run of {record.example} {record.preset}, not of {preset.name}")
    if record.status == "running":
        raise UsageError(f"{folder.name} still runs (process {record.pid})", hint="stop it first")
    return _set_by_the_user(record, example)


def _of_checkpoint(values: dict[str, Setting], example: Example, preset: Preset) -> dict[str, object]:
    """The same of the run that RESUME's file lies in, where that is a run of this preset; else nothing."""
    resume = values.get(contract.RESUME)
    folder = Path(str(resume.value)).resolve().parent.parent if resume and resume.value else None
    if folder is None or not (folder / contract.RECORD).is_file():
        return {}
    record = runs.load(folder)
    return _set_by_the_user(record, example) if (record.example, record.preset) == (example.name, preset.name) else {}


def _set_by_the_user(record: Record, example: Example) -> dict[str, object]:
    skip = (contract.RESUME, contract.OUTPUT_DIR)
    return {
        name: entry["value"]
        for name, entry in record.parameters.items()
        if name in example.parameters and name not in skip and entry["source"] not in settings.OWN
    }


def _new_folder(preset: Preset, values: dict[str, Setting], output: Path, name: str | None) -> Path:
    """Where a new run goes: `--name` in the output folder, or exactly OUTPUT_DIR."""
    wanted = values.get(contract.OUTPUT_DIR)
    if wanted is not None and wanted.value and wanted.source not in settings.OWN:
        folder = Path(str(wanted.value))
    else:
        folder = output / runs.check_name(name or runs.new_name(preset.name))
    if (folder / contract.RECORD).exists():
        raise UsageError(f"the run {folder.name} exists already in {folder.parent}", hint=f"--resume {folder.name}")
    return folder
