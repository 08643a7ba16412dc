"""`cvl verify` as its users call it: text for people, JSON for programs, annotations for GitHub."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from cvl.cli import group
from tests.examples_factory import make_example

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three whole examples below the current folder."""
    for name in ("toy-a", "toy-b", "toy-c"):
        make_example(tmp_path / "examples", name)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "examples"


def verify(*words: str, colour: bool = False) -> Result:
    return CliRunner().invoke(group, ["verify", *words], color=colour, standalone_mode=False)


def process(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The real process: exit code, and which stream says what."""
    command = [sys.executable, "-m", "cvl", "verify", *words]
    path = {"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin", **environ}
    return subprocess.run(command, capture_output=True, encoding="utf-8", env=path)


def spoil(folder: Path, file: str, text: str) -> None:
    (folder / file).write_text(text, encoding="utf-8")


def test_all_of_the_catalogue(catalogue: Path) -> None:
    done = verify()
    assert (done.return_value, done.exception) == (0, None), done.output
    lines = done.stdout.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == [
        "examples/toy-a",
        "examples/toy-b",
        "examples/toy-c",
        "3 examples, 39 checks, 0 failed",
    ]
    assert lines[1] == "  ✓ manifest    example.yaml holds what it must"
    assert lines[14] == "  - tracked     not a git repository (or any of the parent directories): .git"


@pytest.mark.parametrize("words", [["toy-b"], ["b"], ["examples/toy-b"], ["./examples/toy-b/"], ["toy-b", "b"]])
def test_one_example_by_any_name(catalogue: Path, words: list[str]) -> None:
    done = verify(*words)
    assert done.return_value == 0, done.output
    assert done.stdout.splitlines()[0] == "examples/toy-b"
    assert done.stdout.splitlines()[-1] == "1 example, 13 checks, 0 failed"


def test_from_inside_an_example(catalogue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(catalogue / "toy-b")
    spoil(catalogue / "toy-b", "README.md", "")
    done = verify(".")
    assert done.return_value == 1, done.output
    assert "  ✗ readme      README.md:1: is empty" in done.stdout.splitlines()


def test_a_failure_names_check_file_line_and_the_next_command(catalogue: Path) -> None:
    spoil(catalogue / "toy-b", "build.sh", "#!/bin/sh\n")
    done = verify()
    assert done.return_value == 1, done.output
    wanted = "  ✗ scripts     examples/toy-b/build.sh:1: build.sh differs from the manifest and the plan"
    assert f"{wanted} (cvl render toy-b)" in done.stdout.splitlines()
    assert done.stdout.splitlines()[-1] == "3 examples, 39 checks, 1 failed"


def test_what_render_writes_passes(catalogue: Path) -> None:
    for file in ("build.sh", "train.sh"):
        spoil(catalogue / "toy-b", file, "")
    spoil(catalogue / "toy-b", "README.md", "# Toy\n<!-- cvl:parameters -->\n<!-- /cvl:parameters -->\nmore\n")
    assert verify().return_value == 1
    runner = CliRunner()
    assert runner.invoke(group, ["render", "--check", "toy-b"], standalone_mode=False).return_value == 1
    assert runner.invoke(group, ["render", "toy-b"], standalone_mode=False).return_value == 0
    assert verify().return_value == 0
    text = (catalogue / "toy-b" / "README.md").read_text()
    assert "| `BATCH_SIZE` | integer | 4 | 1… | Images per step (also `data.batch_size`) |" in text.splitlines()
    assert text.startswith("# Toy\n") and text.endswith("\nmore\n")


def test_render_writes_the_table_of_the_catalogue(catalogue: Path) -> None:
    readme = catalogue.parent / "README.md"
    readme.write_text("<!-- cvl:catalogue --><!-- /cvl:catalogue -->\n")
    assert CliRunner().invoke(group, ["render"], standalone_mode=False).return_value == 0
    assert "| [toy-b](examples/toy-b/) | A loss that falls | object_detection |" in readme.read_text()
    assert CliRunner().invoke(group, ["render", "--check"], standalone_mode=False).return_value == 0


def test_a_broken_manifest_hides_no_other_example(catalogue: Path) -> None:
    spoil(catalogue / "toy-b", "example.yaml", "name: [\n")
    spoil(catalogue / "toy-c", "README.md", "")
    done = verify()
    assert done.return_value == 1, done.output
    failures = [line.strip() for line in done.stdout.splitlines() if "✗" in line]
    assert [line.split(": ")[0] for line in failures] == [
        "✗ manifest    examples/toy-b/example.yaml:1",
        "✗ readme      examples/toy-c/README.md:1",
    ]
    assert "  - scripts     the manifest has errors" in done.stdout.splitlines()
    assert done.stdout.splitlines()[-1] == "3 examples, 34 checks, 2 failed"


def test_warnings_do_not_fail(catalogue: Path) -> None:
    spoil(catalogue / "toy-b", "more.py", "def read(params, name):\n    return getattr(params, name)\n")
    done = verify("toy-b")
    assert done.return_value == 0, done.output
    assert "  ! parameters  examples/toy-b/more.py:2: getattr(params, …) hides" in done.stdout
    assert done.stdout.splitlines()[-1] == "1 example, 13 checks, 0 failed, 1 warning"


def test_json(catalogue: Path) -> None:
    spoil(catalogue / "toy-b", "README.md", "")
    done = verify("--format", "json")
    assert done.return_value == 1, done.output
    found = json.loads(done.stdout)
    assert found["total"] == {"examples": 3, "checks": 39, "failed": 1, "warnings": 0}
    assert [example["name"] for example in found["examples"]] == ["toy-a", "toy-b", "toy-c"]
    assert [finding for finding in found["examples"][1]["findings"] if finding["check"] == "readme"] == [
        {
            "check": "readme",
            "ok": False,
            "message": "is empty",
            "file": str(catalogue / "toy-b" / "README.md"),
            "line": 1,
            "severity": "error",
            "hint": "",
        }
    ]


def test_github_annotations(catalogue: Path) -> None:
    spoil(catalogue / "toy-b", "build.sh", "#!/bin/sh\n")
    spoil(catalogue / "toy-b", "more.py", "def read(params, name):\n    return getattr(params, name)\n")
    done = verify("--format", "github")
    assert done.return_value == 1, done.output
    assert done.stdout.splitlines() == [
        "::error file=examples/toy-b/build.sh,line=1,title=toy-b scripts::"
        "build.sh differs from the manifest and the plan%0Ahint: cvl render toy-b",
        "::warning file=examples/toy-b/more.py,line=2,title=toy-b parameters::"
        "getattr(params, …) hides from this check which parameter is read%0Ahint: write params.NAME",
        "3 examples, 39 checks, 1 failed, 1 warning",
    ]


def test_github_annotations_are_escaped(catalogue: Path) -> None:
    folder = catalogue / "a,b:c%"
    (catalogue / "toy-b").rename(folder)
    spoil(folder, "requirements.txt", "numpy>=1,<2 100%::error\n")
    done = verify("--format", "github", "examples/a,b:c%")
    annotation = next(line for line in done.stdout.splitlines() if "pinned" in line)
    assert annotation == (
        "::error file=examples/a%2Cb%3Ac%25/requirements.txt,line=1,title=a%2Cb%3Ac%25 pinned::"
        "numpy>=1,<2 100%25::error is not pinned exactly (name==version)"
    )


def test_junit_has_a_case_for_each_check(catalogue: Path) -> None:
    spoil(catalogue / "toy-b", "build.sh", "#!/bin/sh\n")
    done = verify("--format", "junit", "toy-a", "toy-b")
    assert done.return_value == 1, done.output
    whole, broken = ElementTree.fromstring(done.stdout.encode())
    assert (whole.get("name"), whole.get("failures"), whole.get("skipped")) == ("toy-a", "0", "1")
    (failure,) = broken.iter("failure")
    assert failure.get("message") == "build.sh differs from the manifest and the plan"
    assert failure.text == "examples/toy-b/build.sh:1\nhint: cvl render toy-b"


def test_sarif_names_file_and_line(catalogue: Path) -> None:
    spoil(catalogue / "toy-b", "build.sh", "#!/bin/sh\n")
    (result,) = json.loads(verify("--format", "sarif").stdout)["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "examples/toy-b/build.sh"}, "region": {"startLine": 1},
    }  # fmt: skip


@pytest.mark.parametrize("word", ["examples", "examples/toy-x", "examples/toy-b/train.py", "/nowhere", "toy-x"])
def test_a_path_that_is_no_example_is_wrong_usage(catalogue: Path, word: str) -> None:
    done = process("examples/toy-a", word)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("error: ") and "hint: " in done.stderr
    assert word in done.stderr and "Traceback" not in done.stderr


def test_exit_codes_and_streams_of_the_process(catalogue: Path) -> None:
    whole = process()
    assert (whole.returncode, whole.stderr) == (0, "")
    assert whole.stdout.endswith("3 examples, 39 checks, 0 failed\n")
    spoil(catalogue / "toy-b", "README.md", "")
    broken = process("--format", "json")
    assert (broken.returncode, broken.stderr) == (1, "")
    assert json.loads(broken.stdout)["total"]["failed"] == 1


def test_a_terminal_without_these_characters_still_gets_the_report(catalogue: Path) -> None:
    done = process("toy-a", PYTHONIOENCODING="latin-1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1] == "  ? manifest    example.yaml holds what it must"


def test_colours_on_a_terminal_only(catalogue: Path) -> None:
    assert "\x1b[32m✓\x1b[0m manifest" in verify("toy-a", colour=True).stdout
    assert "\x1b" not in verify("toy-a").stdout
