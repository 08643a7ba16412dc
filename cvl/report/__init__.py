"""Ways to show a judgement, by name; the module is loaded when it is needed."""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, cast

from cvl.judge import Judgement

FORMATS = {
    "text": "cvl.report.text",
    "json": "cvl.report.json",
}


class Report(Protocol):
    """A format: the whole judgement as text without a last line feed."""

    def render(self, judgement: Judgement) -> str: ...


def get(name: str) -> Report:
    """The format called `name`; KeyError where there is none."""
    return cast(Report, import_module(FORMATS[name]))
