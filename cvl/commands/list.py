"""`cvl list`: the catalogue."""

from __future__ import annotations

import json

import click

from cvl import catalogue, console
from cvl.catalogue import Entry


@click.command()
@click.argument("keyword", nargs=-1)
@click.option("--task", default="", help="Only examples of this task, such as object_detection.")
@click.option("--framework", default="", help="Only examples of this framework, such as ultralytics.")
@click.option("--stability", type=click.Choice(["stable", "beta", "experimental"]), default=None)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(keyword: tuple[str, ...], task: str, framework: str, stability: str | None, as_json: bool) -> None:
    """Show the catalogue, or the examples that every KEYWORD fits."""
    found = [
        entry
        for entry in catalogue.entries(catalogue.root())
        if catalogue.matches(
            entry, keyword=" ".join(keyword), task=task, framework=framework, stability=stability or ""
        )
    ]
    if as_json:
        click.echo(json.dumps([_as_json(entry) for entry in found], indent=2))
        return
    if found:
        click.echo(console.columns([_row(entry) for entry in found]))
    else:
        console.say("no example fits; `cvl list` without filters shows all")
    broken = [entry.name for entry in found if entry.example is None]
    if broken:
        console.say(f"broken: {', '.join(broken)}; `cvl verify examples/{broken[0]}` shows every problem")


def _row(entry: Entry) -> tuple[str, ...]:
    if entry.example is None:
        return entry.name, "BROKEN", "", entry.error.splitlines()[0]
    example = entry.example
    return example.name, example.stability, ", ".join(example.tasks), example.description


def _as_json(entry: Entry) -> dict[str, object]:
    if entry.example is None:
        return {"name": entry.name, "folder": str(entry.folder), "broken": entry.error.splitlines()}
    example = entry.example
    return {
        "name": example.name,
        "folder": str(entry.folder),
        "capability": example.capability,
        "stability": example.stability,
        "tasks": example.tasks,
        "frameworks": example.frameworks,
        "tags": example.tags,
        "datasets": example.datasets,
        "modalities": example.modalities,
        "presets": list(example.presets),
        "description": example.description,
    }
