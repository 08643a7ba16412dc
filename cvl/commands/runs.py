"""`cvl runs`: runs, their records, and runs beside each other."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from cvl import catalogue, compare, console, contract, detectors, plot, postmortem, runs
from cvl.errors import UsageError
from cvl.runs import Record


@click.group()
def command() -> None:
    """List runs, show their records, compare and annotate them."""


@command.command("list")
@click.argument("name", required=False)
@click.option("--output", type=click.Path(path_type=Path), help="Another folder of runs.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(name: str | None, output: Path | None, as_json: bool) -> None:
    """Show the runs of the example NAME, or all; the last started last."""
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
        ("environment", str(record.environment.get("python") or record.environment.get("image") or "")),
        ("device", record.device),
        ("hardware", runs.hardware(record)),
        ("commit", str(record.git.get("commit", "")) + (" with changes" if record.git.get("changed") else "")),
        ("data", ", ".join(f"{name} {n}" for name, n in record.split_sizes.items())),
        ("images/s", "" if record.images_per_s is None else f"{record.images_per_s:.1f}"),
        ("peak memory", "" if record.peak_memory_gb is None else f"{record.peak_memory_gb:.2f} GB"),
        ("resumed", ", ".join(record.resumes)),
        *(("note", console.printable(note)) for note in record.notes),
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


@command.command("compare")
@click.argument("names", nargs=-1, required=True, metavar="RUN…")
@click.option("--metric", "wanted", multiple=True, metavar="M", help="Only this metric, by its name or key; repeat it.")
@click.option("--format", "form", type=click.Choice(["text", "csv", "json"]), default="text", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--plot", "picture", type=click.Path(path_type=Path), metavar="FILE.png", help="Draw the curves.")
def compare_(names: tuple[str, ...], wanted: tuple[str, ...], form: str, as_json: bool, picture: Path | None) -> None:
    """Show runs beside each other: verdicts, metrics (* marks the best), cost, parameters that differ.

    Runs with the evaluation of a detector get a second table, whatever example they are of: mAP, AP of each class,
    latency, size. It says where they were judged on different pictures.
    """
    found = compare.load_all(dict.fromkeys(runs.find(name, _outputs(None, None)) for name in names))
    metrics = compare.metrics(found, wanted)
    rows, best = compare.table(found, metrics), compare.winners(found, metrics)
    judged = detectors.compare({run.name: run.folder for run in found})
    if as_json or form == "json":
        shown = {"runs": rows, "best": best, "detectors": judged and asdict(judged)}
        click.echo(json.dumps(shown, indent=2))
    elif form == "csv":
        click.echo(_csv(rows))
    else:
        click.echo(_beside(rows, best))
        if judged:
            click.echo(f"\nDetectors\n{_beside(judged.rows, judged.best)}")
            click.echo("".join(f"note: {console.printable(note)}\n" for note in judged.notes), nl=False)
    if picture:
        plot.write(picture, compare.curves(found, metrics))
        console.say(f"plot: {picture}")


@command.command()
@click.argument("run")
@click.argument("text")
def note(run: str, text: str) -> None:
    """Add TEXT, with the date, to the notes of RUN."""
    folder = runs.find(run, _outputs(None, None))
    record = runs.load(folder)
    if not text.strip():
        raise UsageError("the note is empty")
    if record.status == "running":
        raise UsageError(f"{record.run} still runs and writes its own record", hint="note it when it has ended")
    record.notes.append(f"{runs.now()[:10]} {' '.join(text.split())}")
    runs.save(folder, record)
    console.say(f"{folder.name}: noted; `cvl runs show {folder.name}` shows it")


@command.command()
@click.argument("a")
@click.argument("b")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def diff(a: str, b: str, as_json: bool) -> None:
    """Show in what the runs A and B differ: parameters, code, image, environment, hardware, data, outcome, metrics."""
    one, other = (compare.load(runs.find(name, _outputs(None, None))) for name in (a, b))
    found = compare.difference(one, other)
    if as_json:
        click.echo(json.dumps({"a": one.record.run, "b": other.record.run, "differs": found}, indent=2, default=str))
        return
    for section, entries in found.items():
        rows = [(name, _cell(mine), _cell(its)) for name, (mine, its) in entries.items()]
        click.echo(f"{section}\n" + console.columns([("", one.record.run, other.record.run), *rows], indent="  "))
    if not found:
        console.say(f"{one.record.run} and {other.record.run} differ in nothing that is recorded")


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().removesuffix("\n")


def _beside(rows: Sequence[Mapping[str, Any]], best: Mapping[str, str]) -> str:
    """A column for each run; rows without any value are left out."""
    lines = [["" if name == "run" else name, *(_marked(row, name, best) for row in rows)] for name in rows[0]]
    return console.columns([line for line in lines if any(cell != "-" for cell in line[1:])])


def _marked(row: Mapping[str, Any], name: str, best: Mapping[str, str]) -> str:
    return _cell(row[name]) + (" *" if best.get(name) == row["run"] else "")


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.5g}" if isinstance(value, float) else console.printable(str(value))


def _outputs(name: str | None, output: Path | None) -> list[Path]:
    if output and not output.is_dir():
        raise UsageError(f"there is no folder {output}")
    if output:
        return [output]
    folders = [catalogue.folder_of(name)] if name else catalogue.folders(catalogue.root())
    return [folder / Path(contract.OUTPUTS).name for folder in folders]


def _row(item: tuple[Path, Record | str]) -> tuple[str, ...]:
    path, record = item
    if isinstance(record, str):
        return path.name, "BROKEN", "", "", "", record
    return path.name, record.status, record.verdict or "-", record.started, _took(record), record.example


def _took(record: Record) -> str:
    return "" if record.seconds is None else f"{record.seconds:.0f} s"


def _as_json(record: Record | str) -> dict[str, object]:
    return {"broken": record} if isinstance(record, str) else asdict(record)
