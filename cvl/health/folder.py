"""An example under examination: its files, each read once, its siblings in the catalogue, and what git tracks."""

from __future__ import annotations

import ast
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from cvl import catalogue, contract, manifest, pins, plan
from cvl.dockerfile import Instruction, instructions
from cvl.health import dockerfile, reads
from cvl.manifest import Example

T = TypeVar("T")

REQUIREMENTS = "requirements.txt"
NOT_CODE = {Path(contract.OUTPUTS).name, "__pycache__"}

_EXACT = re.compile(r"={2,3}[^*,]+")
_EXACT_ADDRESS = re.compile(r"@[0-9a-f]{40}\b|#sha256=[0-9a-f]{64}")


@dataclass(frozen=True)
class Pin:
    """One requirement; `version` is empty where it is not pinned exactly, `marker` says where it holds."""

    line: int
    name: str
    version: str
    marker: str = ""


class Folder:
    """An example's folder; a file that is absent or unreadable reads as empty."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._raw: dict[str, bytes] = {}

    def raw(self, name: str) -> bytes:
        if name not in self._raw:
            try:
                self._raw[name] = (self.path / name).read_bytes()
            except OSError:
                self._raw[name] = b""
        return self._raw[name]

    def text(self, name: str) -> str:
        return self.raw(name).decode("utf-8", errors="replace")

    @cached_property
    def dockerfile(self) -> list[Instruction]:
        return instructions(self.text(plan.DOCKERFILE))

    @cached_property
    def code(self) -> Mapping[str, ast.Module | SyntaxError]:
        """Syntax tree, or what is wrong with it, of each Python file outside outputs/ and hidden folders."""
        return {name: _tree(self.raw(name)) for name in sorted(_python_files(self.path))}

    def pins(self, name: str) -> list[Pin]:
        """The requirements in the file `name`."""
        return list(_pins(self.text(name)))


class Catalogue:
    """Example folders side by side."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._folders: dict[Path, Folder] = {}

    def folder(self, path: Path) -> Folder:
        return self._folders.setdefault(path, Folder(path))

    @cached_property
    def folders(self) -> list[Folder]:
        return [self.folder(path) for path in catalogue.folders(self.path)]

    @cached_property
    def layers(self) -> tuple[Folder, list[str]] | None:
        """The first layers that most Dockerfiles have, and the first folder that has them."""
        heads = [(folder, [text for _, text in dockerfile.first_layers(folder.dockerfile)]) for folder in self.folders]
        heads = [(folder, head) for folder, head in heads if head]
        usual = _usual(tuple(head) for _, head in heads)
        return next(((folder, head) for folder, head in heads if tuple(head) == usual), None)

    @cached_property
    def versions(self) -> Mapping[tuple[str, str], tuple[Folder, str]]:
        """For each package and marker the version that most examples pin, and the first folder that pins it."""
        found: dict[tuple[str, str], list[tuple[Folder, str]]] = {}
        for folder in self.folders:
            for pin in folder.pins(REQUIREMENTS):
                found.setdefault((pin.name, pin.marker), []).append((folder, pin.version))
        usual = {pin: _usual(version for _, version in places) for pin, places in found.items()}
        return {pin: next(p for p in places if p[1] == usual[pin]) for pin, places in found.items()}


@dataclass(frozen=True)
class Tracked:
    """Files that git tracks, as absolute paths by folder; `reason` says why they are not known."""

    files: Mapping[Path, Sequence[Path]]
    reason: str = ""


class NotRun(Exception):
    """A check that cannot look, with the reason."""


class Subject:
    """One example under examination."""

    def __init__(self, path: Path, siblings: Catalogue, tracked: Tracked) -> None:
        self.folder = siblings.folder(path)
        self.siblings = siblings
        self.tracked = tracked
        self._example, self.broken = manifest.examine(path / contract.MANIFEST)

    @property
    def example(self) -> Example:
        if self._example is None:
            raise NotRun("the manifest has errors")
        return self._example

    @property
    def requirements(self) -> str:
        """The requirements file: what the manifest names, else what it is usually called."""
        return (self._example.requirements if self._example else "") or REQUIREMENTS

    @property
    def setup(self) -> str:
        return (self._example.setup if self._example else "") or "setup.sh"

    def has(self, name: str) -> bool:
        return (self.folder.path / name).is_file()

    def line_of(self, section: str, key: str) -> int:
        """The line of the manifest on which `key` first stands as a key of `section`; 1 where it does not."""
        text = self.folder.text(contract.MANIFEST)
        begin = max(text.find(f"\n{section}:"), 0)
        match = re.compile(rf"[\s\"'{{]{re.escape(key)}[\"']?\s*:").search(text, begin)
        return text[: match.end()].count("\n") + 1 if match else 1


def tracked(folders: Sequence[Path]) -> Tracked:
    """What git tracks in `folders`: one process for all of them."""
    common = Path(os.path.commonpath(folders)) if folders else Path()
    places = {folder if folder == common else folder.parent for folder in folders}
    try:
        done = subprocess.run(
            ["git", "-C", str(common), "ls-files", "-z", "--", *sorted(map(str, places))],
            capture_output=True,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Tracked({}, f"git: {error}")
    if done.returncode:
        return Tracked({}, done.stderr.decode(errors="replace").strip().partition("\n")[0].removeprefix("fatal: "))
    files: dict[Path, list[Path]] = {folder: [] for folder in folders}
    for name in filter(None, done.stdout.decode(errors="surrogateescape").split("\0")):
        path = common / name
        owner = next((parent for parent in path.parents if parent in files), None)
        if owner:
            files[owner].append(path)
    return Tracked(files)


def _usual(values: Iterable[T]) -> T | None:
    """The most frequent value; of several the first."""
    return max(counts, key=counts.__getitem__) if (counts := Counter(values)) else None


def _python_files(folder: Path) -> Iterator[str]:
    for parent, names, files in os.walk(folder):
        names[:] = [name for name in names if name not in NOT_CODE and not name.startswith(".")]
        within = Path(parent).relative_to(folder)
        yield from (str(within / name) for name in files if name.endswith(".py"))


def _tree(source: bytes) -> ast.Module | SyntaxError:
    try:
        return reads.parse(source)
    except SyntaxError as error:
        return error


def _pins(text: str) -> Iterator[Pin]:
    from packaging.utils import canonicalize_name

    for number, words, wanted in pins.read(text):
        version = ""
        if wanted and _EXACT.fullmatch(str(wanted.specifier)):
            version = str(wanted.specifier).lstrip("=")
        elif wanted and _EXACT_ADDRESS.search(wanted.url or ""):
            version = wanted.url or ""
        name = canonicalize_name(wanted.name) if wanted and version else words
        yield Pin(number, name, version, str(wanted.marker or "") if wanted else "")
