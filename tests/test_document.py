"""YAML with line numbers: what is refused, and on which line each key path stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cvl import document
from cvl.document import Document, Problem


def read(tmp_path: Path, text: str) -> Document:
    (tmp_path / "x.yaml").write_text(text, encoding="utf-8")
    return document.read(tmp_path / "x.yaml")


def shown(found: Document) -> list[str]:
    return [f"{found.line(problem.location)}: {problem}" for problem in found.problems]


def test_lines_of_key_paths(tmp_path: Path) -> None:
    found = read(tmp_path, "# comment\na: 1\nb:\n  - x\n  - c: {d: 2,\n       e: 3}\n")
    assert found.data == {"a": 1, "b": ["x", {"c": {"d": 2, "e": 3}}]}
    assert found.line(("a",)) == 2
    assert found.line(("b", 1, "c", "d")) == 5
    assert found.line(("b", 1, "c", "e")) == 6


def test_a_path_without_a_line_has_that_of_what_encloses_it(tmp_path: Path) -> None:
    found = read(tmp_path, "a: 1\nb:\n  c: 2\n")
    assert found.line(("b", "c", "missing", "deeper")) == 3
    assert found.line(("missing",)) == 1
    assert Document().line(("anything",)) == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", "1e-4"),
        ("1.0e-4", 1e-4),
        ("2026-11-21", "2026-11-21"),
        ("2024-13-45", "2024-13-45"),
        ("yes", True),
        ("~", None),
        ("0x10", 16),
        ("'1'", "1"),
        ("|\n  a\n  b\n", "a\nb\n"),
    ],
)
def test_scalars(tmp_path: Path, text: str, value: object) -> None:
    found = read(tmp_path, f"a: {text}")
    assert (found.data, found.problems) == ({"a": value}, [])


def test_keys_are_words(tmp_path: Path) -> None:
    assert read(tmp_path, "{true: 1, No: 2, 3: 4, 2026-11-21: 5}").data == {
        "true": 1,
        "false": 2,
        "3": 4,
        "2026-11-21": 5,
    }


def test_merges(tmp_path: Path) -> None:
    found = read(tmp_path, "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], x: 3}\nd: {<<: *b}\n")
    assert found.problems == []
    assert found.data["c"] == {"x": 3, "y": 1, "z": 2}
    assert found.data["d"] == {"y": 2, "z": 2}


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("", ["1: $: the file is empty"]),
        ("a: 1\nb: 2\na: 3\n", ["3: $.a: the key 'a' stands here twice"]),
        ("a: [", ["1: $: not YAML: while parsing a flow node, did not find expected node content"]),
        ("a: {b: 1,\n  b: 2}\n", ["2: $.a.b: the key 'b' stands here twice"]),
        ("yes: 1\ntrue: 2\n", ["2: $.true: the key 'true' stands here twice"]),
        ("a: &a\n  b: *a\n", ["1: $: an alias that contains itself"]),
        ("a: !ruby/object x\n", ["1: $.a: the tag !ruby/object is not allowed"]),
        ("a: !!set {x}\nb: !!binary aGk=\n", [
            "1: $.a: the tag tag:yaml.org,2002:set is not allowed",
            "2: $.b: the tag tag:yaml.org,2002:binary is not allowed",
        ]),
        ("a: !!int x\n", ["1: $.a: 'x' is not a valid int"]),
        ("a: {<<: 1}\n", ["1: $.a: `<<` merges mappings only"]),
        ("~: 1\n", ["1: $.key in line 1: a key must be a word"]),
        ("a: 1\n b: 2\n", ["2: $: not YAML: mapping values are not allowed in this context"]),
        ("a: \"\x07\"\n", ["1: $: not YAML: the control character #x07"]),
        ("é: 1\nb: \x07\n", ["2: $: not YAML: the control character #x07"]),
    ],
)  # fmt: skip
def test_refused(tmp_path: Path, text: str, problems: list[str]) -> None:
    assert shown(read(tmp_path, text)) == problems


@pytest.mark.parametrize(("depth", "refused"), [(document.MAX_DEPTH - 1, False), (document.MAX_DEPTH, True)])
def test_the_deepest_that_is_allowed(tmp_path: Path, depth: int, refused: bool) -> None:
    found = read(tmp_path, "a: " + "[" * depth + "]" * depth)
    assert bool(found.problems) is refused


def test_aliases_that_grow_in_a_chain_are_refused(tmp_path: Path) -> None:
    links = ", ".join(f"&x{i} [*x{i - 1}]" if i else "&x0 [1]" for i in range(5_000))
    assert shown(read(tmp_path, f"a: [{links}]")) == ["1: $: more than 50000 values once its aliases are followed"]


def test_the_largest_file_that_is_allowed(tmp_path: Path) -> None:
    assert read(tmp_path, "a: 1\n".ljust(document.MAX_BYTES)).data == {"a": 1}
    assert shown(read(tmp_path, "a: 1\n".ljust(document.MAX_BYTES + 1))) == ["1: $: larger than 1 MiB"]


def test_problems_say_their_path() -> None:
    assert str(Problem(("a", 0, "b"), "is wrong")) == "$.a[0].b: is wrong"
    assert sorted([Problem(("b",), "x"), Problem(("a",), "x")])[0].location == ("a",)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=10)
DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.from_regex(r"[a-zA-Z_]{2,8}", fullmatch=True), inner, max_size=4)
    ),
    max_leaves=12,
)


def words(value: Any) -> Any:
    """Keys as they are read: `yes` and its like are booleans in YAML."""
    if isinstance(value, list):
        return list(map(words, value))
    return {str(key): words(item) for key, item in value.items()} if isinstance(value, dict) else value


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=DATA.filter(lambda data: data != ""))
def test_reads_what_yaml_wrote(tmp_path: Path, data: Any) -> None:
    found = read(tmp_path, yaml.safe_dump(data, allow_unicode=True))
    assert found.problems == []
    assert found.data == words(data)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=40) | st.text(alphabet="ab:-[]{}&*!|>'\"#%,? \n\t<0", max_size=40).map(str.encode))
def test_any_bytes_are_data_or_a_problem_with_a_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.yaml").write_bytes(content)
    found = document.read(tmp_path / "x.yaml")
    assert all(found.line(problem.location) > 0 for problem in found.problems)
    if not found.problems:
        assert yaml.compose(content, Loader=yaml.CSafeLoader) is not None
