"""`cvl verify`: examples checked without running them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from cvl import catalogue
from cvl.health import checks
from cvl.health.checks import Finding, Report

MARKS = {"error": ("✗", "red"), "warning": ("!", "yellow"), "not run": ("-", "bright_black")}
COMMANDS = {"error": "error", "warning": "warning"}  # of a GitHub workflow


@click.command()
@click.argument("path", nargs=-1)
@click.option("--format", "form", type=click.Choice(["text", "json", "github"]), default="text", show_default=True)
def command(path: tuple[str, ...], form: str) -> int:
    """Check the examples PATH (folders or names; all of them when left out). Nothing of an example is run."""
    reports = []
    for report in checks.check(_folders(path)):
        reports.append(report)
        for line in LINES[form](report):
            click.echo(line)
    total = _count(reports)
    click.echo(json.dumps(_as_json(reports, total), indent=2) if form == "json" else str(total))
    return 1 if total.failed else 0


@dataclass(frozen=True)
class Total:
    """How many examples, checks that ran, checks that failed, and warnings."""

    examples: int
    checks: int
    failed: int
    warnings: int

    def __str__(self) -> str:
        parts = [_several(self.examples, "example"), _several(self.checks, "check"), f"{self.failed} failed"]
        return ", ".join(parts + ([_several(self.warnings, "warning")] if self.warnings else []))


def _folders(words: Sequence[str]) -> list[Path]:
    found = map(catalogue.folder_of, words) if words else catalogue.folders(catalogue.root())
    return list(dict.fromkeys(folder.absolute() for folder in found))


def _count(reports: Sequence[Report]) -> Total:
    found = [(report.folder, finding) for report in reports for finding in report.findings]
    return Total(
        len(reports),
        len({(folder, f.check) for folder, f in found if f.severity != "not run"}),
        len({(folder, f.check) for folder, f in found if not f.ok and f.severity == "error"}),
        len([f for _, f in found if not f.ok and f.severity == "warning"]),
    )


def _text(report: Report) -> Iterator[str]:
    yield click.style(_shown(report.folder), bold=True)
    for finding in report.findings:
        mark, colour = ("✓", "green") if finding.ok else MARKS[finding.severity]
        hint = f" ({finding.hint})" if finding.hint else ""
        yield f"  {click.style(mark, fg=colour)} {finding.check:<10}  {_place(finding)}{finding.message}{hint}"


def _place(finding: Finding) -> str:
    if finding.ok or finding.severity == "not run":
        return ""
    return f"{_shown(finding.file)}:{finding.line}: " if finding.line else f"{_shown(finding.file)}: "


def _github(report: Report) -> Iterator[str]:
    for finding in report.findings:
        if finding.ok or finding.severity not in COMMANDS:
            continue
        properties = {
            "file": _shown(finding.file),
            "line": str(finding.line or 1),
            "title": f"{report.name} {finding.check}",
        }
        words = ",".join(f"{key}={_escaped(value, property=True)}" for key, value in properties.items())
        message = finding.message + (f"\nhint: {finding.hint}" if finding.hint else "")
        yield f"::{COMMANDS[finding.severity]} {words}::{_escaped(message)}"


def _escaped(text: str, *, property: bool = False) -> str:
    """Text as a workflow command takes it; in a property `:` and `,` end it."""
    for character in "%\r\n" + (":," if property else ""):
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def _as_json(reports: Sequence[Report], total: Total) -> dict[str, object]:
    return {
        "examples": [
            {
                "name": report.name,
                "folder": str(report.folder),
                "findings": [{**vars(finding), "file": str(finding.file)} for finding in report.findings],
            }
            for report in reports
        ],
        "total": vars(total),
    }


def _no_lines(_report: Report) -> Iterator[str]:
    return iter(())


def _shown(path: Path) -> str:
    """Relative to the current folder where it lies inside."""
    cwd = Path.cwd()
    return str(path.relative_to(cwd)) if path.is_relative_to(cwd) else str(path)


def _several(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


LINES: dict[str, Callable[[Report], Iterator[str]]] = {"text": _text, "github": _github, "json": _no_lines}
