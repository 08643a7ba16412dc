"""Single values of a YAML text replaced or added; everything else stays as it is, byte for byte."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import yaml

from cvl import document
from cvl.document import Location
from cvl.errors import JobError


def with_value(text: str, location: Location, value: object) -> str:
    """`text` with `value` at `location`: in place of what is there, else as the last key of its mapping.

    KeyError where the mapping that should hold it does not exist. Aliases and merges are followed, so whoever calls
    must look whether the result means what was intended.
    """
    parent, key = _find(yaml.compose(text, Loader=yaml.SafeLoader), location[:-1]), location[-1]
    if not isinstance(parent, yaml.MappingNode):
        raise KeyError(location)
    for name, node in parent.value:
        if name.value == key:
            return text[: node.start_mark.index] + inline(value) + text[_end(node) :]
    return _added(text, parent, f"{key}: {inline(value)}")


def write(file: Path, changes: Mapping[Location, object]) -> None:
    """Writes `changes` into the manifest `file`; JobError, and nothing written, where it would not say just that."""
    file = file.resolve()
    text, wanted = file.read_bytes().decode("utf-8"), document.read(file).data
    for location, value in changes.items():
        text, wanted = with_value(text, location, value), changed(wanted, location, value)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        temporary.write_bytes(text.encode("utf-8"))
        temporary.chmod(file.stat().st_mode)
        found = document.read(temporary)
        if found.problems or found.data != wanted:
            raise JobError(
                f"{file} was left as it is: its rules are aliases or merged, so a change of one would change others",
                hint="write the rules of the preset out, or enter the bounds by hand",
            )
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)


def inline(value: object) -> str:
    """`value` as YAML in one line."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=float("inf"), allow_unicode=True)
    return text.removesuffix("...\n").strip()


def _added(text: str, parent: yaml.MappingNode, entry: str) -> str:
    """`entry` after the last key of `parent`: inside its braces, or on a line of its own."""
    if parent.flow_style:
        last = _end(parent.value[-1][1]) if parent.value else parent.start_mark.index + 1
        return f"{text[:last]}{', ' if parent.value else ''}{entry}{text[last:]}"
    feed = "\r\n" if "\r\n" in text else "\n"
    end = text.find("\n", _end(parent))
    body, rest = (text, "") if end < 0 else (text[:end].removesuffix("\r"), text[end + 1 :])
    return f"{body}{feed}{' ' * parent.start_mark.column}{entry}{feed}{rest}"


def _end(node: Any) -> int:
    """Where the text of `node` ends: that of a block is said to end where the next thing begins."""
    while not isinstance(node, yaml.ScalarNode) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(node, yaml.MappingNode) else last
    return cast(int, node.end_mark.index)


def _find(node: Any, location: Location) -> yaml.Node:
    for part in location:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = dict(enumerate(node.value))[part]
        elif isinstance(node, yaml.MappingNode):
            node = {name.value: child for name, child in node.value}[part]
        else:
            raise KeyError(part)
    return cast(yaml.Node, node)


def changed(data: Any, location: Location, value: object) -> Any:
    """Parsed YAML with `value` at `location`; nothing of `data` itself is altered."""
    if not location:
        return value
    head, rest = location[0], location[1:]
    if isinstance(data, list):
        return [changed(item, rest, value) if i == head else item for i, item in enumerate(data)]
    inner: Mapping[Any, Any] = data
    return {**inner, head: changed(inner.get(head, {}), rest, value)}
