"""What was checked, one item each, in the form that other programs' formats share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cvl import readers
from cvl.console import printable
from cvl.judge import Judgement
from cvl.rules import Status, Verdict


@dataclass(frozen=True)
class Item:
    """`level` is pass, error, warning or skipped; the text is printable but for the line feeds of `detail`."""

    level: str
    name: str
    message: str = ""
    detail: str = ""
    file: str = ""
    line: int | None = None


def of(judgement: Judgement) -> list[Item]:
    """An item a verdict, and one for the whole where it is no success though no rule failed."""
    items = [_item(judgement, verdict) for verdict in judgement.verdicts]
    word = judgement.outcome.word
    if word == "not judged" or not (judgement.outcome.ok or word == "fail"):
        items.append(Item("error", "verdict", f"{judgement.outcome}", "\n".join(map(printable, judgement.problems))))
    return items


def shown(path: Path) -> str:
    """Relative to the current folder where it lies inside."""
    cwd = Path.cwd()
    return str(path.relative_to(cwd)) if path.is_relative_to(cwd) else str(path)


_LEVELS = {Status.PASS: "pass", Status.FAIL: "error", Status.WARN: "warning"}


def _item(judgement: Judgement, verdict: Verdict) -> Item:
    level = _LEVELS.get(verdict.status, "skipped")
    message = f"wanted {verdict.wanted}, found {verdict.found or 'nothing'}"
    return Item(
        level,
        printable(f"{verdict.rule} {verdict.metric}".strip()),
        printable(verdict.reason or verdict.status.value if level == "skipped" else message),
        "\n".join(map(printable, _details(verdict, level))),
        printable(shown(judgement.folder / verdict.where.file)) if verdict.where.file else "",
        _line(judgement, verdict) if level in ("error", "warning") else None,
    )


def _line(judgement: Judgement, verdict: Verdict) -> int | None:
    """Where in its file the point is that the verdict is about."""
    path, step = judgement.folder / verdict.where.file, verdict.where.step
    if step is None:
        return None
    curve = judgement.curves.get(verdict.metric)
    value = next((v for s, v in zip(curve.step, curve.value, strict=True) if s == step), None) if curve else None
    for name, reading in judgement.readings.items():
        if any(series.file == str(path) for series in reading.series.values()):
            return readers.line(name, path, (step, value), curve.name if curve else "")
    return None


def _details(verdict: Verdict, level: str) -> Iterator[str]:
    if str(verdict.where):
        yield f"where: {verdict.where}"
    if verdict.reason and level != "skipped":
        yield verdict.reason
    if verdict.hint:
        yield f"hint: {verdict.hint}"
