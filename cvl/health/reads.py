"""Which parameters the code of an example reads, and what it imports: found in its syntax tree, never by running it."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

_NAME = re.compile(r"[A-Z][A-Z0-9_]+")


@dataclass(frozen=True)
class Read:
    """A parameter that is read, and on which line."""

    name: str  # empty: read in a way that cannot be followed
    line: int
    environment: bool = False


def parse(source: bytes) -> ast.Module:
    """The syntax tree; SyntaxError where there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(source)
        except (ValueError, MemoryError, RecursionError) as error:
            raise SyntaxError(str(error) or "nested too deeply") from None


def imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names of what may be imported, lazily too; one that is relative begins with its dots."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield base
            yield from (f"{base}{'' if base.endswith('.') else '.'}{alias.name}" for alias in node.names)


def parameters(tree: ast.AST) -> Iterator[Read]:
    """`params.NAME`, `os.environ["NAME"]`, `os.environ.get("NAME")`, `os.getenv("NAME")`, and `getattr(params, …)`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and _is_params(node.value):
            yield from _read(node.attr, node.lineno, environment=False)
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and _ends_with(node.value, "environ"):
            yield from _constant(node.slice, node.lineno)
        elif isinstance(node, ast.Call) and node.args:
            yield from _call(node)


def _call(node: ast.Call) -> Iterator[Read]:
    function = node.func
    if isinstance(function, ast.Name) and function.id == "getattr" and _is_params(node.args[0]):
        yield Read("", node.lineno)
    elif _asks_environment(function):
        yield from _constant(node.args[0], node.lineno)


def _asks_environment(function: ast.expr) -> bool:
    if isinstance(function, ast.Attribute) and function.attr == "get":
        return _ends_with(function.value, "environ")
    return _ends_with(function, "getenv")


def _constant(node: ast.expr, line: int) -> Iterator[Read]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from _read(node.value, line, environment=True)


def _read(name: str, line: int, *, environment: bool) -> Iterator[Read]:
    if _NAME.fullmatch(name):
        yield Read(name, line, environment)


def _is_params(node: ast.expr) -> bool:
    return _ends_with(node, "params")


def _ends_with(node: ast.expr, name: str) -> bool:
    """Whether `node` is `name` or `….name`."""
    return (isinstance(node, ast.Name) and node.id == name) or (isinstance(node, ast.Attribute) and node.attr == name)
