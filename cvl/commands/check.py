"""`cvl check`: judges a finished run again, or the training log of anybody."""

from __future__ import annotations

from pathlib import Path

import click

from cvl import catalogue, contract, report, runs, verdict
from cvl.errors import MetricsError, UsageError
from cvl.report import github


@click.command()
@click.argument("run", required=False)
@click.option("--task", default="", help="Task of a log without a manifest, such as object_detection or segmentation.")
@click.option("--format", "form", default="text", type=click.Choice(list(report.FORMATS)), show_default=True)
@click.option("--strict", is_flag=True, help="Exit with 3 also where calibrated ranges do not apply.")
def command(run: str | None, task: str, form: str, strict: bool) -> int:
    """Judge RUN (a name or a folder; the newest run, where none is named).

    A run of this catalogue is judged by the rules of its manifest as they are now, any other folder of training
    logs by the health rules that need no calibration.
    """
    outputs = catalogue.outputs()
    folder = runs.find(run, outputs) if run else _newest(outputs)
    judgement = verdict.of_folder(folder, task=task, strict=strict)
    click.echo(report.get(form).render(judgement))
    if form == "github":
        github.summarise(judgement)
    if judgement.outcome.word == "not judged":
        return UsageError.exit_code
    return 0 if judgement.outcome.ok else MetricsError.exit_code


def _newest(outputs: list[Path]) -> Path:
    found = [path for output in outputs for path, _ in runs.within(output)]
    if not found:
        raise UsageError("there is no run yet", hint="`cvl check DIR` judges any folder of training logs")
    return max(found, key=lambda path: (path / contract.RECORD).stat().st_mtime)
