"""Values changed in a YAML text that keeps everything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from cvl import document, edit
from cvl.document import Location
from cvl.errors import JobError

TEXT = """\
a: 1 # ü 😀
presets:
  smoke:
    - finite: [x]  # c
    # before
    - range: {metric: m, min: 0.02}   # why é
      when: {device: cpu}  # later

    # after
    - range:
        metric: m
        max: "3" # quoted

    - {range: {metric: q, min: .5,}, when: {device: cpu}}
    - range: {}
  train: []"""
RULES: Location = ("presets", "smoke")


@pytest.mark.parametrize(
    ("place", "value", "old", "new"),
    [
        ((1, "range", "min"), 0.031, "min: 0.02}", "min: 0.031}"),
        ((1, "range", "max"), 1, "min: 0.02}", "min: 0.02, max: 1}"),
        ((1, "seen"), {"n": [0, 1]}, "# later\n", "# later\n      seen: {n: [0, 1]}\n"),
        ((1, "when"), "x: y", "when: {device: cpu}  # later", "when: 'x: y'  # later"),
        ((2, "range", "max"), 4.5, 'max: "3" #', "max: 4.5 #"),
        ((2, "range", "min"), 1e-07, "# quoted\n", "# quoted\n        min: 1.0e-07\n"),
        ((2, "seen"), {"name": "Größe, α"}, "# quoted\n", "# quoted\n      seen: {name: 'Größe, α'}\n"),
        ((3, "seen"), 5, "cpu}}", "cpu}, seen: 5}"),
        ((3, "range", "max"), 5, ".5,}", ".5, max: 5,}"),
        ((4, "range", "max"), 5, "range: {}", "range: {max: 5}"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("feed", ["\n", "\r\n"])
def test_one_place_changes_and_nothing_else(place: Location, value: Any, old: str, new: str, feed: str) -> None:
    text, location = TEXT.replace("\n", feed), (*RULES, *place)
    assert TEXT.count(old) == 1
    found = edit.with_value(text, location, value)
    assert found == TEXT.replace(old, new).replace("\n", feed)
    assert yaml.safe_load(found) == edit.changed(yaml.safe_load(TEXT), location, value)


def test_the_last_line_of_a_file_need_not_end() -> None:
    assert edit.with_value("a:\n  b: 1", ("a", "c"), 2) == "a:\n  b: 1\n  c: 2\n"
    assert edit.with_value("\ufeffa: 1\n", ("b",), 2) == "\ufeffa: 1\nb: 2\n"


@pytest.mark.parametrize(
    "location", [("presets", "none", 0), ("presets", "smoke", 9, "x"), ("a", "b", "c"), ("a", "b")]
)
def test_a_place_that_is_not_there(location: Location) -> None:
    with pytest.raises(KeyError):
        edit.with_value(TEXT, location, 1)


def test_a_file_is_written_whole_with_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "example.yaml"
    file.write_bytes(TEXT.encode())
    file.chmod(0o640)
    (tmp_path / "link.yaml").symlink_to(file)
    edit.write(tmp_path / "link.yaml", {(*RULES, 1, "range", "min"): 0.5, (*RULES, 1, "seen"): {"runs": 5}})
    assert document.read(file).data["presets"]["smoke"][1]["seen"] == {"runs": 5}
    assert file.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["example.yaml", "link.yaml"]


ALIASES = [
    "presets:\n  train: &r\n    - range: {min: 1}\n  smoke: *r\n",
    "presets:\n  train:\n    - range: &r {min: 1}\n  smoke:\n    - range: *r\n",
]


@pytest.mark.parametrize("text", ALIASES)
@pytest.mark.parametrize("preset", ["train", "smoke"])
def test_a_change_that_would_change_more_is_not_written(tmp_path: Path, text: str, preset: str) -> None:
    file = tmp_path / "example.yaml"
    file.write_text(text)
    with pytest.raises(JobError, match="was left as it is: its rules are aliases"):
        edit.write(file, {("presets", preset, 0, "range", "min"): 2})
    assert file.read_text() == text
    assert [path.name for path in tmp_path.iterdir()] == ["example.yaml"]
