"""A judgement as a table for a pull request, and Markdown out of foreign text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from cvl.console import printable
from cvl.judge import Judgement
from cvl.rules import Status, Verdict

MARKS = {Status.PASS: "✓", Status.FAIL: "✗", Status.WARN: "!"}
NO_MARK = "–"
_MARKUP = re.compile(r"(?P<code>(?<!`)`[\w.:=/-]+(?: [\w.:=/-]+)*`(?!`))|[\\`*\[\]<>|~#]|(?<!\w)_|_(?!\w)")


def render(judgement: Judgement) -> str:
    parts = [f"### {plain(judgement.folder.name)}: {judgement.outcome}"]
    if judgement.verdicts:
        head = ("", "Rule", "Metric", "Wanted", "Found", "Where")
        parts.append(table(head, map(_row, judgement.verdicts)))
    parts.append("\n".join(f"- {line}" for line in _remarks(judgement)))
    return "\n\n".join(filter(None, parts))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def plain(text: str) -> str:
    """`text` so that Markdown shows it as it is: no markup but plain code, no HTML, nobody mentioned, one line."""
    text = _MARKUP.sub(lambda match: match["code"] or "\\" + match[0], printable(text))
    text = re.sub(r"&(?=[#\w])", "&amp;", text)
    return re.sub(r"(?<!\w)@(?=\w)", "@\N{WORD JOINER}", text)


def _row(verdict: Verdict) -> tuple[str, ...]:
    cells = (verdict.rule, verdict.metric, verdict.wanted, verdict.found, str(verdict.where))
    return MARKS.get(verdict.status, NO_MARK), *map(plain, cells)


def _remarks(judgement: Judgement) -> list[str]:
    lines = [f"rating: {judgement.rating}"] if judgement.rating else []
    lines += judgement.notes
    for verdict in judgement.verdicts:
        words = "; ".join(filter(None, (verdict.reason, verdict.hint)))
        if verdict.status is not Status.PASS and words:
            lines.append(f"{verdict.rule} {verdict.metric}".rstrip() + f": {words}")
    return [plain(line) for line in (*lines, *judgement.problems)]
