"""`cvl check`: judges a finished run again, or the training log of anybody."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click

from cvl import catalogue, console, contract, live, postmortem, ratings, report, runs, verdict
from cvl.errors import MetricsError, UsageError
from cvl.judge import Judgement
from cvl.report import github


@click.command()
@click.argument("run", required=False)
@click.option("--task", default="", help=f"Task of a log without a manifest: {', '.join(ratings.TASKS)}.")
@click.option("--format", "form", default="text", type=click.Choice(list(report.FORMATS)), show_default=True)
@click.option("--strict", is_flag=True, help="Exit with 3 also where calibrated ranges do not apply.")
@click.option("--follow", is_flag=True, help="While the run goes on: say what changes, end at the first failure.")
def command(run: str | None, task: str, form: str, strict: bool, follow: bool) -> int:
    """Judge RUN (a name or a folder; the newest run, where none is named).

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
    click.echo(report.get(form).render(judgement))
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
        ended = live.follow(folder, partial(judge, ended=False), lambda: _goes_on(folder), console.say)
    except KeyboardInterrupt:
        ended = True
    return judge(ended=ended)


def _goes_on(folder: Path) -> bool:
    """Nobody knows of a folder without a record."""
    return not runs.recorded(folder) or runs.load(folder).status == "running"


def _post_mortem(folder: Path) -> Mapping[str, Any]:
    return runs.load(folder).post_mortem if runs.recorded(folder) else {}


def _newest(outputs: list[Path]) -> Path:
    found = [path for output in outputs for path, _ in runs.within(output)]
    if not found:
        raise UsageError("there is no run yet", hint="`cvl check DIR` judges any folder of training logs")
    return max(found, key=lambda path: (path / contract.RECORD).stat().st_mtime)
