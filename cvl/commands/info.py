"""`cvl info`: one example, whole, or one of its presets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace

import click

from cvl import catalogue, console, evidence, manifest, settings, tables
from cvl.manifest import Example, Preset
from cvl.params import Parameter, as_word


@click.command()
@click.argument("name")
@click.argument("preset", default="")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(name: str, preset: str, as_json: bool) -> None:
    """Show the presets, parameters and rules of the example NAME, or those of PRESET alone."""
    example = catalogue.find(name)
    if preset:
        example = _narrowed(example, manifest.preset(example, preset))
    if as_json:
        click.echo(json.dumps(_as_json(example), indent=2, default=str))
        return
    for line in _lines(example):
        click.echo(line)


def _narrowed(example: Example, preset: Preset) -> Example:
    """As if `preset` were all that there is."""
    rules = example.verification.presets
    return replace(
        example,
        presets={preset.name: preset},
        parameters={
            name: replace(p, presets=(preset.name,))
            for name, p in example.parameters.items()
            if settings.uses(preset, p)
        },
        verification=replace(
            example.verification, presets={name: rules[name] for name in rules if name == preset.name}
        ),
    )


def _lines(example: Example) -> Iterator[str]:
    yield console.paragraph(f"{example.name} ({example.stability}): {example.description}")
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
    yield console.columns([(p.name, _about(p)) for p in example.presets.values()], indent="  ")
    yield from _parameters(example)
    if example.verification.presets:
        found = [state for state in evidence.states(example) if state.preset in example.presets]
        yield "\nEvidence"
        yield console.columns([row[1:] for row in evidence.rows(example, found)], indent="  ")
    for preset, rules in example.verification.presets.items():
        yield f"\nRules of {preset}"
        yield "\n".join(console.paragraph(str(rule), indent="  ") for rule in rules)


def _about(preset: Preset) -> str:
    env = ", ".join(f"{name}={as_word(value)}" for name, value in preset.env.items())
    return preset.description + (f" ({env})" if env else "")


def _parameters(example: Example) -> Iterator[str]:
    """Grouped by the presets that use them, the common ones first."""
    if example.parameters:
        yield "\n" + console.paragraph(
            "Parameters are set by NAME=VALUE before the command, -e NAME=VALUE, or -- --name VALUE at its end"
        )
    groups: dict[tuple[str, ...], list[Parameter]] = {(): []}
    for parameter in example.parameters.values():
        groups.setdefault(parameter.presets, []).append(parameter)
    for presets, group in groups.items():
        if group:
            yield f"\nParameters of {', '.join(presets) or 'every preset'}"
            yield console.columns([_row(p) for p in group], indent="  ")


def _row(parameter: Parameter) -> tuple[str, ...]:
    kind = " ".join(filter(None, [parameter.type, tables.allowed(parameter)]))
    aliases = ", ".join(alias.name for alias in parameter.aliases)
    about = f"{parameter.description} [{kind}{f'; also {aliases}' if aliases else ''}]"
    return parameter.name, tables.defaults(parameter), about


def _as_json(example: Example) -> dict[str, object]:
    known = {key: value for key, value in asdict(example).items() if value not in ("", (), {})}
    return {**known, "evidence": [asdict(state) for state in evidence.states(example)]}
