"""YAML with line numbers: duplicate keys, hostile aliases, foreign tags and oversize files are refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 1 << 20
MAX_NODES = 50_000  # after aliases are followed; our largest manifest has about 600
MAX_DEPTH = 100

Location = tuple[str | int, ...]

_PREFIX = "tag:yaml.org,2002:"
_SCALARS = {"null", "bool", "int", "float"}
_TEXTS = {"str", "timestamp"}
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Problem:
    """What is wrong, and the key path it is wrong at."""

    location: Location
    message: str

    def __str__(self) -> str:
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.location)
        return f"${path}: {self.message}"

    def __lt__(self, other: Problem) -> bool:
        return str(self) < str(other)


@dataclass
class Document:
    """Plain data (string keys only) and the line on which each key path stands."""

    data: Any = None
    lines: dict[Location, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, location: Location) -> int:
        """The line (from 1) of the nearest enclosing key path that has one."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location, 1)


class _Refused(Exception):
    """The document as a whole cannot be used."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


def read(path: Path) -> Document:
    """The document in the file at `path`; problems of content are collected, never raised."""
    found = Document()
    try:
        text = _text(path)
        _refuse_depth(text)
        node = yaml.compose(text, Loader=_Loader)
        if node is None:
            raise _Refused("the file is empty")
        found.data = _Builder(found).build(node, ())
    except _Refused as error:
        found.lines[()] = error.line
        found.problems = [Problem((), str(error))]
    except yaml.MarkedYAMLError as error:
        found.lines[()] = min(_line(error.problem_mark), len(text.splitlines()))  # the end of the file is not a line
        found.problems = [Problem((), f"not YAML: {', '.join(filter(None, (error.context, error.problem)))}")]
    except yaml.reader.ReaderError as error:
        found.lines[()] = text.encode()[: error.position].count(b"\n") + 1
        found.problems = [Problem((), f"not YAML: the control character #x{error.character:02x}")]
    except RecursionError:
        found.problems = [Problem((), "nested too deeply once its aliases are followed")]
    return found


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _Refused(f"cannot be read: {error.strerror}") from None
    if len(raw) > MAX_BYTES:
        raise _Refused(f"larger than {MAX_BYTES >> 20} MiB")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise _Refused(f"not UTF-8: byte 0x{raw[error.start]:02x}", line) from None


def _refuse_depth(text: str) -> None:
    """The C parser overflows the stack of the process on tens of thousands of levels."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise _Refused(f"nested deeper than {MAX_DEPTH} levels", _line(event.start_mark))


def _line(mark: Any) -> int:
    return mark.line + 1 if mark else 1


class _Builder:
    def __init__(self, found: Document) -> None:
        self.found = found
        self.scalars = _Loader("")
        self.open: set[int] = set()
        self.count = 0

    def build(self, node: yaml.Node, location: Location) -> Any:
        self.count += 1
        if self.count > MAX_NODES:
            raise _Refused(f"more than {MAX_NODES} values once its aliases are followed")
        if id(node) in self.open:
            raise _Refused("an alias that contains itself", _line(node.start_mark))
        self.found.lines.setdefault(location, _line(node.start_mark))
        self.open.add(id(node))
        try:
            return self._value(node, location)
        finally:
            self.open.discard(id(node))

    def _value(self, node: yaml.Node, location: Location) -> Any:
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_PREFIX}map":
            return self._mapping(node, location)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_PREFIX}seq":
            return [self.build(child, (*location, i)) for i, child in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.tag.removeprefix(_PREFIX) in _SCALARS | _TEXTS:
            return self._scalar(node, location)
        self.found.problems.append(Problem(location, f"the tag {node.tag} is not allowed"))
        return None

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        built: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == f"{_PREFIX}merge":
                for part in self._merges(value_node, location):
                    merged = {**part, **merged}
                continue
            key = self._key(key_node, location)
            here = (*location, key)
            self.found.lines[here] = _line(key_node.start_mark)
            if key in built:
                self.found.problems.append(Problem(here, f"the key {key!r} stands here twice"))
            else:
                built[key] = self.build(value_node, here)
        return {**merged, **built}

    def _merges(self, node: yaml.Node, location: Location) -> Iterator[Mapping[str, Any]]:
        values = self.build(node, (*location, "<<"))
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, dict):
                yield value
            else:
                self.found.problems.append(Problem(location, "`<<` merges mappings only"))

    def _key(self, node: yaml.Node, location: Location) -> str:
        if isinstance(node, yaml.ScalarNode) and node.tag != f"{_PREFIX}null":
            value = self._scalar(node, location)
            return str(value).lower() if isinstance(value, bool) else str(node.value)
        name = f"key in line {_line(node.start_mark)}"
        self.found.problems.append(Problem((*location, name), "a key must be a word"))
        return name

    def _scalar(self, node: yaml.ScalarNode, location: Location) -> Any:
        """Strings stay text, dates too; numbers, booleans and null become values."""
        kind = node.tag.removeprefix(_PREFIX)
        if kind in _TEXTS:
            return node.value
        try:
            return self.scalars.construct_object(node)
        except (ValueError, yaml.YAMLError):
            self.found.problems.append(Problem(location, f"{node.value[:40]!r} is not a valid {kind}"))
            return None
