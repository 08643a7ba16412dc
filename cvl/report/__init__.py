"""Ways to show a judgement, by name; the module is loaded when it is needed."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from cvl.errors import JobError
from cvl.judge import Judgement

FORMATS = {
    "text": "cvl.report.text",
    "json": "cvl.report.json",
    "junit": "cvl.report.junit",
    "github": "cvl.report.github",
    "markdown": "cvl.report.markdown",
    "sarif": "cvl.report.sarif",
}
# Reports of a whole run, as files.
DOCUMENTS = {
    "html": ("cvl.report.html", "report.html"),
    "markdown": ("cvl.report.written", "report.md"),
}


class Report(Protocol):
    """A format: the whole judgement as text without a last line feed."""

    def render(self, judgement: Judgement) -> str: ...


def get(name: str) -> Report:
    """The format called `name`; KeyError where there is none."""
    return cast(Report, import_module(FORMATS[name]))


def write(name: str, judgement: Judgement, path: Path | None = None) -> Path:
    """The document called `name`, whole or not at all, at `path` or in the run's folder; where it is."""
    module, file = DOCUMENTS[name]
    path = path or judgement.folder / file
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(cast(Report, import_module(module)).render(judgement) + "\n", encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        raise JobError(f"cannot write {path}: {error.strerror}", hint="--output FILE puts it elsewhere") from None
    finally:
        temporary.unlink(missing_ok=True)
    return path
