"""`cvl report`: a run as a page, or as a written report."""

from __future__ import annotations

from pathlib import Path

import click

from cvl import catalogue, report, runs, verdict


@click.command()
@click.argument("run")
@click.option("--format", "form", default="html", type=click.Choice(list(report.DOCUMENTS)), show_default=True)
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="The file [default: in the run's folder]."
)
@click.option("--task", default="", help="Task of a log without a manifest, such as object_detection or segmentation.")
def command(run: str, form: str, output: Path | None, task: str) -> None:
    """Write a report of RUN (a name, or any folder of training logs) and print where it is.

    html is one page that needs no network and no other file; markdown is the written training report.
    """
    judgement = verdict.of_folder(runs.find(run, catalogue.outputs()), task=task)
    click.echo(report.write(form, judgement, output))
