"""The manifest's schema, and its errors in the reader's words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cvl import params
from cvl.document import Location, Problem

TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "a string",
    "number": "a number",
    "integer": "an integer",
    "boolean": "true or false",
    "null": "nothing",
}

# A jsonschema ValidationError; the library is imported only where a manifest is checked.
Error = Any


def problems(data: object) -> Iterator[Problem]:
    """Everything in which `data` differs from the schema."""
    for error in _validator().iter_errors(data):
        yield from _explain(error)


def path() -> Path:
    """The manifest's schema: inside an installed package, else beside it in the repository."""
    package = Path(__file__).parent
    inside = package / "schemas" / "example.schema.json"
    return inside if inside.is_file() else package.parent / "schemas" / "example.schema.json"


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    schema = json.loads(path().read_text(encoding="utf-8"))
    return Draft202012Validator(_inlined(schema, schema["$defs"]))


def _inlined(node: Any, definitions: Mapping[str, Any]) -> Any:
    """The schema with its references filled in: the library takes twice as long to follow them each time."""
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        node = {**definitions[node["$ref"].rpartition("/")[2]], **node}
    return {key: _inlined(value, definitions) for key, value in node.items() if key not in ("$ref", "$defs")}


def _explain(error: Error) -> Iterator[Problem]:
    """One schema error in the reader's words."""
    location: Location = tuple(error.absolute_path)
    if error.validator == "additionalProperties" and isinstance(error.validator_value, bool):
        yield from _unknown_keys(error, location)
    elif error.validator == "required":
        missing = next(key for key in error.validator_value if error.message.startswith(repr(key)))
        yield Problem(location, f"the key {missing!r} is missing")
    elif error.validator in ("anyOf", "oneOf") and error.context:
        yield from _explain_choice(error, location)
    elif error.validator == "pattern":
        wanted = error.schema.get("$comment", f"of the form {error.validator_value}")
        yield Problem(location, f"{_shown(error.instance)} is not {wanted}")
    elif error.validator == "type":
        wanted = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
        yield Problem(location, f"expected {' or '.join(TYPES[name] for name in wanted)}, found {kind(error.instance)}")
    elif error.validator in ("minProperties", "minItems", "minLength"):
        yield Problem(location, "must not be empty")
    elif error.validator == "enum":
        values = [str(value) for value in error.validator_value]
        near = did_you_mean(str(error.instance), values)
        yield Problem(location, f"{_shown(error.instance)} is not one of {', '.join(values)}{near}")
    else:
        yield Problem(location, error.message if len(error.message) < 200 else f"{error.message[:200]}…")


def _unknown_keys(error: Error, location: Location) -> Iterator[Problem]:
    properties = error.schema.get("properties", {})
    patterns = error.schema.get("patternProperties", {})
    for key in error.instance:
        if key not in properties and not any(re.search(pattern, key) for pattern in patterns):
            yield Problem((*location, key), f"unknown key{did_you_mean(key, properties)}")


def _explain_choice(error: Error, location: Location) -> Iterator[Problem]:
    """The branch that fits best explains; where all are about the kind of value, they are listed together."""
    from jsonschema.exceptions import best_match

    context = list(error.context or ())
    missing = [str(key) for e in context if e.validator == "required" for key in e.validator_value]
    best = best_match([error])
    if len(missing) == len(context):
        yield Problem(location, f"needs one of the keys {', '.join(missing)}")
    elif best is not None and best is not error:
        yield from _explain(best)
    else:
        yield Problem(location, f"{_shown(error.instance)} is not allowed here")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`, did you mean …?`, or nothing where no known name is near."""
    match = params.suggest(name, known)
    return f", did you mean {match!r}?" if match else ""


def kind(value: object) -> str:
    """The kind of a YAML value, and the value where it is short."""
    names = {dict: "a mapping", list: "a list", str: "the string", bool: "the boolean", type(None): "nothing"}
    return f"{names.get(type(value), 'the number')} {_shown(value)}".strip()


def _shown(value: object) -> str:
    text = "" if value is None else repr(value) if isinstance(value, str) else json.dumps(value)
    return text if len(text) < 80 else f"{text[:80]}…"
