"""`cvl report`, and the formats of `cvl check`, as processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from cvl import runs
from cvl.errors import UsageError
from tests.report import made

REPOSITORY = Path(__file__).resolve().parents[2]
FOREIGN = REPOSITORY / "tests/readers/data/ultralytics/yolov8n"


def cvl(folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), **environ}
    command = [sys.executable, "-m", "cvl", *words]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, encoding="utf-8", timeout=120)


def test_a_run_by_name(tmp_path: Path) -> None:
    folder = made.run_folder(tmp_path)
    done = cvl(tmp_path, "report", "train-1")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{folder / 'report.html'}\n", "")
    assert (folder / "report.html").read_text(encoding="utf-8").startswith('<!doctype html>\n<html lang="en">')
    done = cvl(tmp_path, "report", "train-1", "--format", "markdown", "--output", "mine.md")
    assert (done.returncode, done.stdout) == (0, "mine.md\n"), done.stderr
    assert (tmp_path / "mine.md").read_text(encoding="utf-8").startswith("## Training Summary\n")
    assert not list(folder.glob(".report*")) and not (folder / "report.md").exists()


def test_a_foreign_log(tmp_path: Path) -> None:
    done = cvl(tmp_path, "report", str(FOREIGN), "--output", "page.html", "--task", "object_detection")
    assert (done.returncode, done.stdout) == (0, "page.html\n"), done.stderr


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["nothing"], 2, "there is no run 'nothing'"),
        (
            [str(FOREIGN), "--output", "no/such/page.html"],
            1,
            "cannot write no/such/page.html: No such file or directory",
        ),
        ([str(FOREIGN), "--format", "pdf"], 2, "'pdf' is not one of 'html', 'markdown'"),
    ],
)
def test_refusals(tmp_path: Path, words: list[str], code: int, message: str) -> None:
    done = cvl(tmp_path, "report", *words)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert message in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"run": [], "example": "a", "preset": "b"}, "run is of another type"),
        ({"run": "r", "example": "a", "preset": "b", "seconds": "2"}, "seconds is of another type"),
        ({"run": "r", "example": "a", "preset": "b", "parameters": {"A": 1}}, "a parameter has no value or no source"),
    ],
)
def test_the_record_of_another_program(tmp_path: Path, content: dict[str, object], message: str) -> None:
    (tmp_path / "run.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UsageError, match="not a run record") as raised:
        runs.load(tmp_path)
    assert message in raised.value.message


def test_a_judgement_for_programs(tmp_path: Path) -> None:
    folder = made.run_folder(tmp_path, made.rows(nan_at=5))
    done = cvl(tmp_path, "check", "train-1", "--format", "junit")
    assert (done.returncode, ET.fromstring(done.stdout.encode()).get("failures")) == (3, "1")
    done = cvl(tmp_path, "check", "train-1", "--format", "github", GITHUB_STEP_SUMMARY=str(tmp_path / "page.md"))
    place = (folder / "metrics.jsonl").relative_to(tmp_path)
    assert done.returncode == 3
    assert done.stdout.startswith(f"::error file={place},line=6,title=train-1 finite train_loss::wanted finite,")
    assert (tmp_path / "page.md").read_text(encoding="utf-8").startswith("### train-1: FAIL (1 of 6 rules, 1 not run, ")
    done = cvl(tmp_path, "check", "train-1", "--format", "sarif")
    assert [result["ruleId"] for result in json.loads(done.stdout)["runs"][0]["results"]] == ["finite train_loss"]
