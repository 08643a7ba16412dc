"""`cvl runs`: runs and their records."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from cvl import catalogue, console, contract, postmortem, runs
from cvl.runs import Record


@click.group()
def command() -> None:
    """List runs and show their records."""


@command.command("list")
@click.argument("name", required=False)
@click.option("--output", type=click.Path(path_type=Path), help="Another folder of runs.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(name: str | None, output: Path | None, as_json: bool) -> None:
    """Show the runs of the example NAME, or all; newest last."""
    found = [item for folder in _outputs(name, output) for item in runs.within(folder)]
    if as_json:
        click.echo(json.dumps([{"folder": str(path), **_as_json(record)} for path, record in found], indent=2))
    elif found:
        click.echo(console.columns([("RUN", "STATUS", "VERDICT", "STARTED", "TOOK", "EXAMPLE"), *map(_row, found)]))
    else:
        console.say("no runs yet; `cvl run yolo-ui-detection smoke` makes one")


@command.command()
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
def show(run: str, as_json: bool) -> None:
    """Show the record of RUN: a name, the unique beginning of one, or a folder."""
    folder = runs.find(run, _outputs(None, None))
    record = runs.load(folder)
    if as_json:
        click.echo(json.dumps(asdict(record), indent=2))
        return
    facts = [
        ("run", record.run),
        ("folder", str(folder)),
        ("example", f"{record.example} {record.preset}"),
        (
            "status",
            record.status + ("" if record.exit_code is None else f" (exit code of the job: {record.exit_code})"),
        ),
        ("verdict", record.verdict or "none"),
        ("rating", record.rating),
        ("started", record.started),
        ("took", _took(record)),
        ("engine", record.engine),
        ("device", record.device),
        ("hardware", ", ".join(record.hardware.get("gpus") or [str(record.hardware.get("cpu", ""))])),
        ("commit", str(record.git.get("commit", "")) + (" with changes" if record.git.get("changed") else "")),
        ("data", record.data + "".join(f", {name} {count}" for name, count in record.split_sizes.items())),
        ("images/s", "" if record.images_per_s is None else f"{record.images_per_s:.1f}"),
        ("peak memory", "" if record.peak_memory_gb is None else f"{record.peak_memory_gb:.2f} GB"),
        ("resumed", ", ".join(record.resumes)),
        ("stopped for", record.reason),
    ]
    click.echo(console.columns([fact for fact in facts if fact[1]]))
    changed = [(n, str(p["value"]), p["source"]) for n, p in record.parameters.items() if p["source"] != "default"]
    if changed:
        click.echo("\nParameters that were set\n" + console.columns(changed, indent="  "))
    if record.post_mortem:
        click.echo("\n" + postmortem.words(record.post_mortem))
    for verdict in record.verdicts:
        if verdict.get("status") == "fail":
            click.echo(f"\n✗ {verdict.get('rule')}: wanted {verdict.get('wanted')}, found {verdict.get('found')}")


def _outputs(name: str | None, output: Path | None) -> list[Path]:
    if output:
        return [output]
    folders = [catalogue.folder_of(name)] if name else catalogue.folders(catalogue.root())
    return [folder / Path(contract.OUTPUTS).name for folder in folders]


def _row(item: tuple[Path, Record | str]) -> tuple[str, ...]:
    path, record = item
    if isinstance(record, str):
        return path.name, "BROKEN", "", "", "", record
    return record.run, record.status, record.verdict or "-", record.started, _took(record), record.example


def _took(record: Record) -> str:
    return "" if record.seconds is None else f"{record.seconds:.0f} s"


def _as_json(record: Record | str) -> dict[str, object]:
    return {"broken": record} if isinstance(record, str) else asdict(record)
