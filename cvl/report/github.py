"""Workflow commands of GitHub Actions: an annotation for each failure and warning, and the job's summary."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from cvl.judge import Judgement
from cvl.report import items, markdown
from cvl.report.items import Item


def render(judgement: Judgement) -> str:
    lines = commands(items.of(judgement), judgement.folder.name)
    return "\n".join([*lines, f"verdict: {judgement.outcome}"])


def commands(found: Iterable[Item], about: str) -> Iterator[str]:
    """`::error file=…,line=…,title=…::…`; what passed or was skipped has none."""
    for item in found:
        if item.level not in ("error", "warning"):
            continue
        place = {"file": item.file} if item.file else {}
        if item.file and item.line:
            place["line"] = str(item.line)
        words = ",".join(
            f"{key}={_escaped(value, more=':,')}" for key, value in {**place, "title": f"{about} {item.name}"}.items()
        )
        yield f"::{item.level} {words}::{_escaped(item.message + (f'{chr(10)}{item.detail}' if item.detail else ''))}"


def summarise(judgement: Judgement) -> None:
    """Adds the judgement to the page of the workflow's run, where there is one."""
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(markdown.render(judgement) + "\n\n")


def _escaped(text: str, *, more: str = "") -> str:
    """Text as a workflow command takes it; in a property `:` and `,` end it."""
    for character in "%\r\n" + more:
        text = text.replace(character, f"%{ord(character):02X}")
    return text
