"""The catalogue: which examples there are, and which one a word means."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from cvl import contract, manifest, params
from cvl.errors import ManifestError, UsageError
from cvl.manifest import Example


@dataclass(frozen=True)
class Entry:
    """An example of the catalogue; one whose manifest is broken stays in it, with the reason."""

    name: str
    folder: Path
    example: Example | None
    error: str = ""


def root() -> Path:
    """The folder of examples: CVL_EXAMPLES, the nearest `examples/` upwards, else the one beside or in the package."""
    if os.environ.get("CVL_EXAMPLES"):
        return Path(os.environ["CVL_EXAMPLES"])
    package = Path(__file__).parent
    upwards = [folder / "examples" for folder in (Path.cwd(), *Path.cwd().parents)]
    for folder in [*upwards, package.parent / "examples", package / "examples"]:
        if any(folder.glob(f"*/{contract.MANIFEST}")):
            return folder
    raise UsageError("no examples found", hint="run inside the repository, or set CVL_EXAMPLES to a folder of examples")


def folders(within: Path) -> list[Path]:
    """The example folders directly inside `within`, sorted by name."""
    return sorted(path.parent for path in within.glob(f"*/{contract.MANIFEST}"))


def outputs() -> list[Path]:
    """Where the examples keep their runs; none where there is no catalogue, for any folder of logs can be judged."""
    try:
        return [folder / Path(contract.OUTPUTS).name for folder in folders(root())]
    except UsageError:
        return []


def entries(within: Path) -> Iterator[Entry]:
    """Every example inside `within`, broken ones included."""
    for folder in folders(within):
        try:
            yield Entry(folder.name, folder, manifest.load(folder / contract.MANIFEST))
        except ManifestError as error:
            yield Entry(folder.name, folder, None, error.message)


def find(word: str) -> Example:
    """The example that `word` means: see folder_of."""
    return manifest.load(folder_of(word) / contract.MANIFEST)


def folder_of(word: str) -> Path:
    """The folder of the example that `word` means: a path, a name, or part of only one, from the start of a word on.

    UsageError suggests the nearest name.
    """
    path = Path(word)
    if "/" in word or word in (".", ".."):
        if not (path / contract.MANIFEST).is_file():
            raise UsageError(f"no {contract.MANIFEST} in {word}", hint="`cvl list` shows the catalogue")
        return path.resolve()
    known = {folder.name: folder for folder in folders(root())}
    if word in known:
        return known[word]
    matches = [name for name in known if word and f"-{word}" in f"-{name}"]
    if len(matches) == 1:
        return known[matches[0]]
    if matches:
        raise UsageError(f"{word!r} fits several examples: {', '.join(matches)}", hint="write more of the name")
    near = params.suggest(word, known)
    hint = f"did you mean {near}?" if near else "`cvl list` shows the catalogue"
    raise UsageError(f"there is no example {word!r}", hint=hint)


def matches(entry: Entry, *, keyword: str, task: str, framework: str, stability: str) -> bool:
    """Whether a filter of `cvl list` lets the entry through; an empty word filters nothing."""
    example = entry.example
    if example is None:
        return keyword.lower() in entry.name and not (task or framework or stability)
    lists = (example.tags, example.tasks, example.frameworks, example.datasets, example.modalities)
    text = "\n".join([example.name, example.description, example.capability, *chain(*lists)]).lower()
    return (
        all(word in text for word in keyword.lower().split())
        and (not task or task in example.tasks)
        and (not framework or framework in example.frameworks)
        and (not stability or stability == example.stability)
    )
