"""`cvl evidence`: written from passed runs only, stale when what it proves has changed, shown wherever it matters."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result

from cvl.cli import group
from cvl.errors import CvlError
from tests import seeded_example

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An example with a passed run."""
    folder = seeded_example.make(tmp_path_factory.mktemp("trained"))
    (folder / "Dockerfile").write_text("ARG BASE_IMAGE=python:3.11-slim\n")
    seeded_example.train(folder, "good")
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `trained` below the current folder."""
    shutil.copytree(trained.parents[1], tmp_path, dirs_exist_ok=True, symlinks=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "examples" / "seeded"


def cvl(*words: str) -> Result:
    return CliRunner().invoke(group, list(words), standalone_mode=False)


def recorded(folder: Path) -> Path:
    done = cvl("evidence", "record", "good")
    assert done.exception is None, done.exception
    (file,) = (folder / "evidence").iterdir()
    return file


def status() -> list[str]:
    return [" ".join(line.split()) for line in cvl("evidence", "status").stdout.splitlines()]


def replaced(name: str, old: str, new: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")

    return change


def test_a_passed_run_becomes_evidence(folder: Path) -> None:
    file = recorded(folder)
    found = json.loads(file.read_text())
    schema = json.loads((REPOSITORY / "schemas" / "evidence.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(found)
    assert file.name.startswith("train-") and file.name == file.name.lower() and "(" not in file.name
    assert (found["run"], found["summary"]) == ("good", "PASS (3 of 3 rules)")
    assert [verdict["rule"] for verdict in found["verdicts"]] == ["finite", "trend", "range"]
    assert {"rules", "parameters", "Dockerfile", "train.py", "helper.py", "cvl/params.py", "cvl/kit/meters.py"} <= set(
        found["proof"]
    )
    assert "cvl/kit/trackers.py" not in found["proof"]


def refusal() -> str:
    error = cvl("evidence", "record", "good").exception
    assert isinstance(error, CvlError), error
    return error.message


def test_a_run_that_failed_is_refused(folder: Path) -> None:
    with (folder / "outputs" / "good" / "metrics.jsonl").open("a") as log:
        log.write('{"step": 31, "epoch": 31, "train/loss": NaN}\n')
    assert refusal() == "good is no evidence: its verdict is FAIL (1 of 3 rules, 1 not run)"
    assert not (folder / "evidence").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda r: r["parameters"]["LR"].update(value=0.2, source="-e"),
            "good is no evidence: it ran with other parameters than the preset's own (LR is 0.2, not 0.1)",
        ),
        (lambda r: r.update(status="interrupted"), "good is no evidence: it is interrupted"),
        (lambda r: r.update(proof={}), "good is no evidence: its record does not say what it ran with: it is older"),
        (lambda r: r["proof"].update({"train.py": "0"}), "good is no evidence: since then changed: train.py"),
        (lambda r: r.update(example="gone"), "good: there is no example 'gone' here that it could be evidence of"),
    ],
)
def test_a_record_that_proves_nothing_is_refused(
    folder: Path, change: Callable[[dict[str, object]], object], said: str
) -> None:
    path = folder / "outputs" / "good" / "run.json"
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))
    assert refusal().startswith(said)
    assert not (folder / "evidence").exists()


def test_a_rule_that_was_changed_since_is_judged_anew(folder: Path) -> None:
    replaced("example.yaml", "min: 0.2}", "min: 0.3}")(folder)
    recorded(folder)
    assert status()[0] == "seeded train current"
    replaced("example.yaml", "min: 0.3}", "min: 0.9}")(folder)
    assert status()[0] == "seeded train stale: rules"
    assert refusal() == "good is no evidence: its verdict is FAIL (1 of 3 rules)"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (replaced("example.yaml", "ratio_max: 0.8", "ratio_max: 0.7"), "stale: rules"),
        (replaced("example.yaml", "key: val/map50", "key: val/map"), "stale: rules"),
        (replaced("example.yaml", "default: 30", "default: 31"), "stale: parameters"),
        (replaced("train.py", "0.02", "0.03"), "stale: train.py"),
        (replaced("helper.py", "0.0", "1.0"), "stale: helper.py"),
        (replaced("Dockerfile", "3.11", "3.12"), "stale: Dockerfile"),
        (replaced("train.py", "from helper import row", "row = dict"), "stale: cvl/kit/__init__.py, "),
        (replaced("example.yaml", "  train: {command", "  full: {command"), "manifest"),
        (replaced("example.yaml", "description: Learning rate", "description: Rate"), "current"),
        (replaced("example.yaml", "default: 0, description: Loaders", "default: 8, description: Processes"), "current"),
        (replaced("example.yaml", "    bare:\n", "    bare:\n      - count: {metric: map50, min: 1}\n"), "current"),
    ],
)  # fmt: skip
def test_evidence_is_stale_when_what_it_proves_has_changed(
    folder: Path, change: Callable[[Path], object], reason: str
) -> None:
    recorded(folder)
    assert status() == ["seeded train current", "seeded smoke none", "seeded bare none"]
    change(folder)
    if reason == "manifest":  # the rules name a preset that is gone: the manifest says so itself
        assert status() == [""]
    elif reason.endswith(", "):
        assert status()[0].startswith(f"seeded train {reason}")
    else:
        assert status()[0] == f"seeded train {reason}"


def test_stale_evidence_is_a_warning_of_verify_and_stands_in_info_and_the_table(folder: Path) -> None:
    readme = folder.parents[1] / "README.md"
    readme.write_text("<!-- cvl:catalogue -->\n<!-- /cvl:catalogue -->\n")

    def shown() -> tuple[str, str]:
        cvl("render")
        verify = next(line for line in cvl("verify").stdout.splitlines() if " evidence " in line)
        return readme.read_text().splitlines()[3].split(" | ")[-1].rstrip(" |"), verify

    assert shown() == ("none", "  ✓ evidence    no evidence is stale")
    file = recorded(folder)
    assert shown()[0] == "train current, smoke none, bare none"
    info = cvl("info", "seeded").stdout
    assert f"  train  {json.loads(file.read_text())['hardware']}" in info and "good  current" in info
    replaced("helper.py", "0.0", "1.0")(folder)
    cell, warning = shown()
    assert cell == "train stale, smoke none, bare none"
    hint = "(cvl run seeded train, then cvl evidence record RUN)"
    assert warning == f"  ! evidence    {file.relative_to(Path.cwd())}: is stale: helper.py {hint}"
    assert "good  stale: helper.py" in cvl("info", "seeded").stdout
    assert json.loads(cvl("info", "seeded", "--json").stdout)["evidence"][0]["word"] == "stale"


@pytest.mark.parametrize("text", ["", "{}", "[]", '"x"', '{"preset": 1}', "\x00", "[" * 100_000])
def test_a_damaged_file_is_said_and_breaks_nothing(folder: Path, text: str) -> None:
    file = recorded(folder)
    file.write_text(text)
    assert status()[0].startswith(f"seeded {file.stem} broken: not evidence (")
    assert cvl("evidence", "list").stdout.count("broken: not evidence") == 1
    assert cvl("verify").stdout.count(": is broken: not evidence") == 1


def test_list_and_json(folder: Path) -> None:
    assert cvl("evidence", "list").stdout == ""
    recorded(folder)
    head, row = (line.split() for line in cvl("evidence", "list", "seeded").stdout.splitlines())
    assert head == ["EXAMPLE", "PRESET", "HARDWARE", "DATE", "RUN", "STATE"]
    assert (row[:2], row[-2:]) == (["seeded", "train"], ["good", "current"])
    (listed,) = json.loads(cvl("evidence", "list", "--json").stdout)
    assert (listed["state"], listed["changed"], listed["evidence"]["run"]) == ("current", [], "good")
    assert [one["state"] for one in json.loads(cvl("evidence", "status", "--json").stdout)] == [
        "current",
        "none",
        "none",
    ]


@pytest.mark.slow
def test_code_that_changed_before_a_resume_leaves_no_proof(folder: Path) -> None:
    manifest = folder / "example.yaml"
    manifest.write_text(
        manifest.read_text().replace("  OUTPUT_DIR:", "  RESUME: {type: path, description: x}\n  OUTPUT_DIR:")
    )
    run = seeded_example.train(folder, "again")
    words = ("run", "seeded", "train", "--engine", "local", "--resume", "again")
    seeded_example.cvl(folder, *words)
    assert json.loads((run / "run.json").read_text())["proof"]["train.py"]
    replaced("helper.py", "0.0", "1.0")(folder)
    seeded_example.cvl(folder, *words)
    assert json.loads((run / "run.json").read_text())["proof"] == {}
