"""`cvl info`: one example, whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

import click

from cvl import catalogue, console, evidence, tables
from cvl.manifest import Example
from cvl.params import Parameter


@click.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(name: str, as_json: bool) -> None:
    """Show the presets, parameters and rules of the example NAME."""
    example = catalogue.find(name)
    if as_json:
        click.echo(json.dumps(_as_json(example), indent=2, default=str))
        return
    for line in _lines(example):
        click.echo(line)


def _lines(example: Example) -> Iterator[str]:
    yield f"{example.name} ({example.stability}): {example.description}"
    yield ""
    facts = [
        ("capability", example.capability),
        ("tasks", ", ".join(example.tasks)),
        ("frameworks", ", ".join(example.frameworks)),
        ("data sets", ", ".join(example.datasets)),
        ("own data", f"--data DIR as {' or '.join(example.data_formats)}" if example.data_formats else "no"),
        ("needs", tables.needs(example)),
        ("licence", example.license or "not said"),
        ("folder", str(example.folder)),
    ]
    yield console.columns([fact for fact in facts if fact[1]])
    yield "\nPresets"
    yield console.columns([(p.name, p.description) for p in example.presets.values()], indent="  ")
    if example.parameters:
        yield f"\nParameters: BATCH_SIZE=2 cvl run {example.name} train, -e BATCH_SIZE=2, or -- --batch-size 2"
        yield console.columns([_row(p) for p in example.parameters.values()], indent="  ")
    if example.verification.presets:
        yield "\nEvidence"
        yield console.columns([row[1:] for row in evidence.rows(example, evidence.states(example))], indent="  ")
    for preset, rules in example.verification.presets.items():
        yield f"\nRules of {preset}"
        yield "\n".join(f"  {rule}" for rule in rules)


def _row(parameter: Parameter) -> tuple[str, ...]:
    aliases = ", ".join(alias.name for alias in parameter.aliases)
    about = parameter.description + (f" [also {aliases}]" if aliases else "")
    return parameter.name, parameter.type, tables.defaults(parameter), tables.allowed(parameter), about


def _as_json(example: Example) -> dict[str, object]:
    known = {key: value for key, value in asdict(example).items() if value not in ("", (), {})}
    return {**known, "evidence": [asdict(state) for state in evidence.states(example)]}
