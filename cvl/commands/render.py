"""`cvl render`: build.sh, train.sh and the tables of READMEs, written from manifest and plan."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from pathlib import Path

import click

from cvl import catalogue, console, render, tables
from cvl.manifest import Example

_README = "README.md"


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME|PATH]…")
@click.option("--check", is_flag=True, help="Write nothing; show what is stale, and exit with 1 if anything is.")
def command(names: tuple[str, ...], check: bool) -> int:
    """Write build.sh, train.sh and the generated parts of README.md of the examples (all, where none is named)."""
    words = names or [str(folder) for folder in catalogue.folders(catalogue.root())]
    wanted = [file for word in words for file in _files(catalogue.find(word))]
    wanted += [] if names else _catalogue_readme()
    stale = [(path, text) for path, text in wanted if not _is_in_step(path, text)]
    for path, text in stale:
        if check:
            click.echo("".join(_difference(_read(path), text, str(path))), nl=False)
        else:
            _write(path, text)
        console.say(f"{path}: {'stale, `cvl render` writes it anew' if check else 'written'}")
    if not stale:
        console.say(f"all {len(wanted)} files are as manifest and plan want them")
    return 1 if check and stale else 0


def _files(example: Example) -> Iterator[tuple[Path, str]]:
    for name, text in render.scripts(example).items():
        yield example.folder / name, text
    readme = example.folder / _README
    if readme.is_file():
        yield readme, tables.with_part(_read(readme), tables.PARAMETERS, tables.parameter_table(example))


def _catalogue_readme() -> list[tuple[Path, str]]:
    """The README beside the folder of examples, with its table of them."""
    readme = catalogue.root().parent / _README
    if not readme.is_file():
        return []
    table = tables.catalogue_table(catalogue.entries(catalogue.root()))
    return [(readme, tables.with_part(_read(readme), tables.CATALOGUE, table))]


def _is_in_step(path: Path, text: str) -> bool:
    return path.is_file() and _read(path) == text and (path.suffix != ".sh" or os.access(path, os.X_OK))


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _difference(old: str, new: str, name: str) -> list[str]:
    return list(difflib.unified_diff(old.splitlines(True), new.splitlines(True), name, f"{name} (rendered)"))


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.chmod(0o755 if path.suffix == ".sh" else 0o644)
    os.replace(temporary, path)
