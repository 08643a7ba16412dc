"""`cvl check DIR` on a log without a manifest."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from cvl import report, runs
from cvl.cli import group
from cvl.errors import UsageError
from cvl.runs import Record
from tests import seeded_example


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [{"step": i, "epoch": i, "train/loss": 3.0 / i, "val/accuracy": 0.09 * i} for i in range(1, 11)]
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


def test_an_unknown_task_is_refused_with_the_list(folder: Path) -> None:
    with pytest.raises(UsageError) as caught:
        CliRunner().invoke(
            group, ["check", str(folder), "--task", "speech"], standalone_mode=False, catch_exceptions=False
        )
    assert caught.value.message == "--task 'speech': no table rates it"
    assert caught.value.hint == "tasks are: object_detection, segmentation, classification, language_model"


def test_the_task_chooses_the_table(folder: Path) -> None:
    done = CliRunner().invoke(group, ["check", str(folder), "--task", "classification"], standalone_mode=False)
    assert done.return_value == 0, done.output
    assert "good model: accuracy 90.0 of 100" in done.output


@pytest.mark.parametrize("foreign", ['{"status": "done", "pid": "x"}', "[1, 2]"])
def test_the_record_of_another_program_does_not_hide_the_log(folder: Path, foreign: str) -> None:
    (folder / "run.json").write_text(foreign)
    done = CliRunner().invoke(group, ["check", str(folder)], standalone_mode=False)
    assert done.return_value == 0, done.output
    assert "PASS" in done.output


def test_a_damaged_record_of_ours_is_an_error(folder: Path) -> None:
    (folder / "run.json").write_text('{"run": "a", "example":')
    with pytest.raises(UsageError, match="not a run record"):
        CliRunner().invoke(group, ["check", str(folder)], standalone_mode=False, catch_exceptions=False)


@pytest.mark.parametrize("form", report.FORMATS)
def test_every_format_can_say_the_default_rules(folder: Path, form: str) -> None:
    done = CliRunner().invoke(
        group, ["check", str(folder), "--task", "classification", "--format", form], standalone_mode=False
    )
    assert done.exception is None and done.return_value == 0, done.output
    assert "Infinity" not in done.output
    if form in ("json", "sarif"):
        assert json.loads(done.output)


def test_a_log_file_stands_for_its_folder(folder: Path) -> None:
    done = CliRunner().invoke(group, ["check", str(folder / "metrics.jsonl")], standalone_mode=False)
    assert done.return_value == 0, done.output
    assert done.stderr == f"metrics.jsonl is a file; taking its folder {folder}\n"
    assert done.stdout.splitlines()[0] == str(folder)


def test_a_folder_of_folders_names_those_with_logs(folder: Path) -> None:
    for i in range(7):
        inner = folder / "runs" / f"{i}"
        inner.mkdir(parents=True)
        (inner / "metrics.jsonl").write_bytes((folder / "metrics.jsonl").read_bytes())
    (folder / "metrics.jsonl").unlink()
    done = CliRunner().invoke(group, ["check", str(folder)], standalone_mode=False)
    assert done.return_value == 2
    named = ", ".join(str(folder / "runs" / f"{i}") for i in range(5))
    assert done.stderr == f"hint: there are logs in {named}\n"


def test_without_a_name_the_newest_run_that_can_be_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = seeded_example.make(tmp_path) / "outputs"
    monkeypatch.chdir(tmp_path)
    made = [("logged", "failed", "train"), ("silent", "done", "train"), ("start", "failed", "train")]
    for hour, (name, status, preset) in enumerate([*made, ("data", "done", "data")]):
        (outputs / name).mkdir(parents=True)
        started = f"2026-01-01T0{hour}:00:00+00:00"
        runs.save(outputs / name, Record(name, "seeded", preset, status=status, started=started))
    (outputs / "logged" / "metrics.jsonl").write_text('{"step": 1, "epoch": 1, "train/loss": 1.0}\n')
    judged = CliRunner().invoke(group, ["check"], standalone_mode=False)
    assert judged.stdout.splitlines()[0] == "silent (seeded train)"
    shutil.rmtree(outputs / "silent")
    judged = CliRunner().invoke(group, ["check"], standalone_mode=False)
    assert judged.stdout.splitlines()[0] == "logged (seeded train)"
    shutil.rmtree(outputs / "logged")
    judged = CliRunner().invoke(group, ["check"], standalone_mode=False)
    assert isinstance(judged.exception, UsageError) and judged.exception.message == "there is no run to judge yet"
