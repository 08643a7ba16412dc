"""`cvl list`: the catalogue."""

from __future__ import annotations

import json

import click

from cvl import catalogue, console
from cvl.catalogue import Entry

FACTS = ("description", "capability", "stability", "tasks", "frameworks", "tags", "datasets", "modalities")


@click.command()
@click.argument("keyword", nargs=-1)
@click.option("--task", default="", help="Only examples of this task, such as object_detection.")
@click.option("--framework", default="", help="Only examples of this framework, such as ultralytics.")
@click.option("--stability", type=click.Choice(["stable", "beta", "experimental"]))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(keyword: tuple[str, ...], task: str, framework: str, stability: str | None, as_json: bool) -> None:
    """Show the catalogue, or the examples that every KEYWORD fits."""
    wanted = {"task": task, "framework": framework, "stability": stability or ""}
    every = list(catalogue.entries(catalogue.root()))
    found = [entry for entry in every if catalogue.matches(entry, keyword=" ".join(keyword), **wanted)]
    if as_json:
        click.echo(json.dumps([_as_json(entry) for entry in found], indent=2))
        return
    if found:
        click.echo(console.columns([_row(entry) for entry in found]))
    else:
        console.say("no example fits; `cvl list` without filters shows all")
        _say_known("task", task, {value for entry in every if entry.example for value in entry.example.tasks})
        frameworks = {value for entry in every if entry.example for value in entry.example.frameworks}
        _say_known("framework", framework, frameworks)
    broken = [entry.name for entry in found if entry.example is None]
    if broken:
        console.say(f"broken: {', '.join(broken)}; `cvl verify examples/{broken[0]}` shows every problem")


def _say_known(option: str, word: str, known: set[str]) -> None:
    if word and word not in known:
        console.say(f"--{option} {word!r}: no example has it; there are: {', '.join(sorted(known))}")


def _row(entry: Entry) -> tuple[str, ...]:
    if entry.example is None:
        return entry.name, "BROKEN", "", entry.error.splitlines()[0]
    example = entry.example
    return example.name, example.stability, ", ".join(example.tasks), example.description


def _as_json(entry: Entry) -> dict[str, object]:
    if entry.example is None:
        return {"name": entry.name, "folder": str(entry.folder), "broken": entry.error.splitlines()}
    facts = {key: getattr(entry.example, key) for key in FACTS}
    return {"name": entry.name, "folder": str(entry.folder), **facts, "presets": list(entry.example.presets)}
