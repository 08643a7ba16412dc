"""`cvl evidence`: what proves that the examples train, and whether it still does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from cvl import catalogue, console, contract, evidence, runs
from cvl.evidence import State
from cvl.manifest import Example


@click.group()
def command() -> None:
    """Record that an example trained, and see what is stale."""


@command.command()
@click.argument("run")
def record(run: str) -> None:
    """Write the evidence of RUN, a passed run of a preset with its own parameters, into its example's folder."""
    outputs = [folder / Path(contract.OUTPUTS).name for folder in catalogue.folders(catalogue.root())]
    file = evidence.record(runs.find(run, outputs))
    console.say(f"{file}: written; commit it, and `cvl render` brings the README's table up to date")


@command.command("list")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(name: str | None, as_json: bool) -> None:
    """Show the evidence of the example NAME, or of all."""
    found = [(example, state) for example, state in _states(name) if state.file]
    if as_json:
        click.echo(json.dumps([_as_json(example, state) for example, state in found], indent=2))
    elif found:
        head = ("EXAMPLE", "PRESET", "HARDWARE", "DATE", "RUN", "STATE")
        click.echo(console.columns([head, *(row for e, state in found for row in evidence.rows(e, [state]))]))
    else:
        console.say("no evidence yet; `cvl evidence record RUN` writes it from a passed run")


@command.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(name: str | None, as_json: bool) -> None:
    """Show for each preset that has rules whether its evidence is current, stale (and since what changed) or none."""
    found = list(_states(name))
    if as_json:
        click.echo(json.dumps([_as_json(example, state) for example, state in found], indent=2))
    else:
        click.echo(console.columns([(example.name, state.preset, str(state)) for example, state in found]))


def _states(name: str | None) -> Iterator[tuple[Example, State]]:
    """The states of one example, or of every one whose manifest can be read."""
    if name:
        found = [catalogue.find(name)]
    else:
        found = [entry.example for entry in catalogue.entries(catalogue.root()) if entry.example]
    yield from ((example, state) for example in found for state in evidence.states(example))


def _as_json(example: Example, state: State) -> dict[str, object]:
    return {
        "example": example.name,
        "preset": state.preset,
        "state": state.word,
        "changed": list(state.changed),
        "file": str(state.file) if state.file else None,
        "evidence": asdict(state.evidence) if state.evidence else None,
    }
