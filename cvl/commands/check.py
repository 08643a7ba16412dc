"""`cvl check`: judges a finished run again, or the training log of anybody."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import click

from cvl import catalogue, console, live, postmortem, ratings, readers, report, runs, verdict
from cvl.errors import MetricsError, UsageError
from cvl.judge import Judgement
from cvl.readers.growing import Memory
from cvl.report import github
from cvl.runs import Record

_SHOWN = 5  # sub-folders with logs, in a hint
_LOOKED_AT = 200  # sub-folders, at most


@click.command()
@click.argument("run", required=False)
@click.option("--task", default="", help=f"Task of a log without a manifest: {', '.join(ratings.TASKS)}.")
@click.option("--format", "form", default="text", type=click.Choice(list(report.FORMATS)), show_default=True)
@click.option("--strict", is_flag=True, help="Exit with 3 also where calibrated ranges do not apply.")
@click.option("--follow", is_flag=True, help="While the run goes on: say what changes, end at the first failure.")
def command(run: str | None, task: str, form: str, strict: bool, follow: bool) -> int:
    """Judge RUN (a name or a folder; the newest run that can be judged, where none is named).

    A run of this catalogue is judged by the rules of its manifest as they are now, any other folder of training
    logs by the health rules that need no calibration. --follow ends when the run does, when a rule has failed for
    good, or with Ctrl-C.
    """
    if task and not ratings.known(task):
        raise UsageError(f"--task {task!r}: no table rates it", hint=f"tasks are: {', '.join(ratings.TASKS)}")
    outputs = catalogue.outputs()
    folder = runs.find(run, outputs) if run else _newest(outputs)
    judge = partial(verdict.of_folder, folder, task=task, strict=strict)
    judgement = _followed(folder, judge) if follow else judge()
    if form == "text":
        click.echo(console.printable(_title(folder)))
    click.echo(report.get(form).render(judgement))
    if not judgement.readings and (inner := list(islice(_logs_below(folder), _SHOWN))):
        console.say(console.printable(f"hint: there are logs in {', '.join(map(str, inner))}"))
    if form == "text" and (kept := _post_mortem(folder)):
        click.echo(postmortem.words(kept))
    if form == "github":
        github.summarise(judgement)
    if judgement.outcome.word == "not judged":
        return UsageError.exit_code
    return 0 if judgement.outcome.ok else MetricsError.exit_code


def _followed(folder: Path, judge: Callable[..., Judgement]) -> Judgement:
    """What is to be said when following ends; Ctrl-C says that a folder without a record has ended."""
    try:
        ended = live.follow(folder, partial(judge, ended=False, memory=Memory()), lambda: _goes_on(folder), console.say)
    except KeyboardInterrupt:
        ended = True
    return judge(ended=ended)


def _goes_on(folder: Path) -> bool:
    """Nobody knows of a folder without a record."""
    return not runs.recorded(folder) or runs.load(folder).status == "running"


def _post_mortem(folder: Path) -> Mapping[str, Any]:
    return runs.load(folder).post_mortem if runs.recorded(folder) else {}


def _title(folder: Path) -> str:
    """What is judged."""
    if not runs.recorded(folder):
        return str(folder)
    record = runs.load(folder)
    return f"{folder.name} ({record.example} {record.preset})"


def _logs_below(folder: Path) -> Iterator[Path]:
    """Sub-folders that hold a log of their own."""
    below = (Path(root, name) for root, names, _ in os.walk(folder) for name in sorted(names))
    return (path for path in islice(below, _LOOKED_AT) if readers.read(path))


def _newest(outputs: list[Path]) -> Path:
    """The run started last that there is something to judge of: data, a prediction, a failed start have nothing."""
    found = [item for output in outputs for item in runs.within(output)]
    kept = [(path, record) for path, record in found if isinstance(record, Record)]
    for path, record in sorted(kept, key=lambda item: item[1].started, reverse=True):
        if readers.read(path) or (record.status in ("running", "done") and _has_rules(path, record)):
            return path
    raise UsageError(
        "there is no run to judge yet" if found else "there is no run yet",
        hint="`cvl check DIR` judges any folder of training logs",
    )


def _has_rules(folder: Path, record: Record) -> bool:
    example = verdict.example_of(record, folder)
    return example is not None and bool(example.verification.presets.get(record.preset))
