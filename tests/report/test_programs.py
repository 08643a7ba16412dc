"""The formats that other programs read: JUnit XML, workflow commands, SARIF."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from cvl import report
from cvl.judge import Judgement
from cvl.report import github
from cvl.rules import Status, Verdict, Where, outcome
from tests.conftest import REAL_ENVIRON, absent
from tests.report import made

LOG = "metrics.jsonl"
HOSTILE = "a<b>, 100%:\n\x1b\0\ud800"
VERDICTS = (
    Verdict("finite", Status.PASS, "train_loss", "finite", "120 values", Where(LOG)),
    Verdict("trend", Status.FAIL, HOSTILE, "≤ 0.8", "1.01", Where(LOG, 120, 12), "flat", "learning rate 0"),
    Verdict("range", Status.NOT_COMPARABLE, "map50", "best 0.6 … 1", "0.2", Where(LOG, 3), "LR is 1, not 2"),
    Verdict("plateau", Status.WARN, "map50", "gain", "0", Where(LOG, 3), hint="train longer", severity="warn"),
)  # fmt: skip
GONE = "\N{REPLACEMENT CHARACTER}"
NAME = f"a<b>, 100%:{4 * GONE}"


def judgement(*verdicts: Verdict, strict: bool = False) -> Judgement:
    return Judgement(Path("runs") / "one", verdicts, outcome(verdicts, strict=strict), problems=("f: torn",))


def junit(shown: Judgement) -> ET.Element:
    return ET.fromstring(report.get("junit").render(shown).encode())


def test_junit_has_a_case_for_each_verdict() -> None:
    root = junit(judgement(*VERDICTS))
    (suite,) = root
    counts = {"tests": "4", "failures": "1", "errors": "0", "skipped": "1", "time": "0"}
    assert (root.tag, root.attrib) == ("testsuites", counts)
    assert (suite.tag, suite.attrib) == ("testsuite", {"name": "one", **counts})
    assert [(case.tag, case.get("classname"), case.get("name")) for case in suite] == [
        ("testcase", "one", name) for name in ("finite train_loss", f"trend {NAME}", "range map50", "plateau map50")
    ]
    passed, failed, skipped, warned = suite
    assert len(passed) == 0
    assert [(e.tag, e.get("message"), e.text) for e in failed] == [
        ("failure", "wanted ≤ 0.8, found 1.01", "where: metrics.jsonl step 120 (epoch 12)\nflat\nhint: learning rate 0")
    ]
    assert [(e.tag, e.get("message")) for e in skipped] == [("skipped", "LR is 1, not 2")]
    assert [(e.tag, e.text) for e in warned] == [
        ("system-out", "warning: wanted gain, found 0\nwhere: metrics.jsonl step 3\nhint: train longer")
    ]


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        (judgement(), "NOT JUDGED (no rule applies)"),
        (judgement(VERDICTS[0], VERDICTS[2], strict=True), "PASS, health only (1 of 2 rules, 1 not comparable)"),
    ],
)
def test_no_success_without_a_failed_case(shown: Judgement, message: str) -> None:
    last = junit(shown)[0][-1]
    assert (last.get("name"), last[0].tag, last[0].get("message"), last[0].text) == (
        "verdict", "failure", message, "f: torn",
    )  # fmt: skip


def test_workflow_commands() -> None:
    assert report.get("github").render(judgement(*VERDICTS)).splitlines() == [
        f"::error file=runs/one/metrics.jsonl,title=one trend a<b>%2C 100%25%3A{4 * GONE}"
        "::wanted ≤ 0.8, found 1.01%0Awhere: metrics.jsonl step 120 (epoch 12)%0Aflat%0Ahint: learning rate 0",
        "::warning file=runs/one/metrics.jsonl,title=one plateau map50::wanted gain, found 0"
        "%0Awhere: metrics.jsonl step 3%0Ahint: train longer",
        "verdict: FAIL (1 of 4 rules, 1 warn, 1 not comparable)",
    ]


def test_an_annotation_stands_at_the_line_of_the_point(tmp_path: Path) -> None:
    shown = made.judged(tmp_path, made.rows(nan_at=7))
    (finite, *_) = report.get("github").render(shown).splitlines()
    lines = (shown.folder / LOG).read_text().splitlines()
    assert "NaN" in lines[7] and f"file={shown.folder / LOG},line=8,title=train-1 finite train_loss" in finite
    content = json.loads(report.get("sarif").render(shown))
    place = content["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["region"] == {"startLine": 8}


def test_sarif_names_a_file_as_a_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = tmp_path / "a folder, 100% #é"
    shown = made.judged(hostile, made.rows(nan_at=7))
    for folder, start in ((tmp_path.parent, tmp_path.name), (Path("/usr"), tmp_path.as_uri())):
        monkeypatch.chdir(folder)
        result = json.loads(report.get("sarif").render(shown))["runs"][0]["results"][0]
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert uri == f"{start}/a%20folder%2C%20100%25%20%23%C3%A9/examples/toy/outputs/train-1/metrics.jsonl"


SCHEMA = "@microsoft/jest-sarif@1.0.0-beta.0"  # an npm package that brings the official one along


@pytest.mark.network
@pytest.mark.skipif(not shutil.which("npm"), reason="npm is missing")
def test_sarif_is_as_its_schema_wants_it(tmp_path: Path) -> None:
    npm = subprocess.run(["npm", "pack", SCHEMA], cwd=tmp_path, capture_output=True, text=True, env=REAL_ENVIRON)
    if npm.returncode:
        absent("network", f"{SCHEMA} cannot be fetched")
    with tarfile.open(next(tmp_path.glob("*.tgz"))) as archive:
        file = archive.extractfile("package/lib/schemas/sarif-2.1.0-rtm.5.json")
        assert file is not None
        validator = jsonschema.Draft7Validator(json.load(file))
    hostile = tmp_path / "a folder, 100% <é>"
    for shown in (judgement(*VERDICTS), judgement(), made.judged(hostile, made.rows(nan_at=7))):
        content = json.loads(report.get("sarif").render(shown))
        assert [error.message for error in validator.iter_errors(content)] == []
    assert [error.message for error in validator.iter_errors({"version": "2.1.0"})] == ["'runs' is a required property"]


def test_the_summary_of_a_workflow_is_added_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "summary.md"
    page.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    github.summarise(judgement(*VERDICTS))
    whole = report.get("markdown").render(judgement(*VERDICTS))
    assert page.read_text(encoding="utf-8") == f"before\n{whole}\n\n"


def test_sarif_has_failures_and_warnings_with_their_place() -> None:
    content = json.loads(report.get("sarif").render(judgement(*VERDICTS)))
    assert content["version"] == "2.1.0"
    (run,) = content["runs"]
    assert run["tool"]["driver"]["name"] == "cvl"
    assert [(result["level"], result["ruleId"]) for result in run["results"]] == [
        ("error", f"trend {NAME}"), ("warning", "plateau map50"),
    ]  # fmt: skip
    place = {"physicalLocation": {"artifactLocation": {"uri": "runs/one/metrics.jsonl"}}}
    assert run["results"][0]["locations"] == [place]
    assert run["results"][0]["message"]["text"].startswith("wanted ≤ 0.8, found 1.01\nwhere: ")
