"""`cvl runs compare`, `note` and `diff`, on records made up for it."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cvl import runs
from cvl.cli import group
from cvl.errors import CvlError
from cvl.runs import Record
from tests import seeded_example

DEFAULTS = {"LR": 0.1, "BATCH_SIZE": 4, "SEED": 0}


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The outputs of an example with three runs: a good one, a better one, one that failed at once."""
    folder = seeded_example.make(tmp_path) / "outputs"
    monkeypatch.chdir(tmp_path)
    make(folder / "good", [0.2, 0.5, 0.4], verdict="pass", seconds=12.04, images_per_s=30.0)
    make(folder / "better", [0.3, 0.6, 0.6], verdict="pass", seconds=24.0, LR=0.2, SEED=7)
    make(folder / "ill", [math.nan], verdict="fail", status="failed")
    return folder


def make(folder: Path, scores: list[float], **facts: Any) -> None:
    """A run folder; words in capitals are parameters, others belong to the record."""
    folder.mkdir(parents=True)
    rows = [{"step": 10 * i, "epoch": i, "train/loss": 1 / i, "val/map50": v} for i, v in enumerate(scores, 1)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    values = {name: facts.pop(name, default) for name, default in DEFAULTS.items()}
    record = Record(folder.name, "seeded", "train", **{"status": "done", **facts})
    record.parameters = {n: {"value": v, "source": "default" if v == DEFAULTS[n] else "-e"} for n, v in values.items()}
    runs.save(folder, record)


def cvl(*words: str) -> Result:
    return CliRunner().invoke(group, ["runs", *words], standalone_mode=False)


def refusal(*words: str) -> str:
    error = cvl(*words).exception
    assert isinstance(error, CvlError), error
    return error.message


def test_runs_beside_each_other(outputs: Path) -> None:
    lines = cvl("compare", "good", "better", "ill").stdout.splitlines()
    assert [line.split() for line in lines] == [
        ["good", "better", "ill"],
        ["example", "seeded", "train", "seeded", "train", "seeded", "train"],
        ["verdict", "pass", "pass", "fail"],
        ["train_loss", "best", "0.33333", "*", "0.33333", "1"],
        ["train_loss", "final", "0.33333", "0.33333", "1"],
        ["map50", "best", "0.5", "0.6", "*", "-"],
        ["map50", "final", "0.4", "0.6", "-"],
        ["seconds", "12.04", "24", "-"],
        ["images/s", "30", "-", "-"],
        ["LR", "0.1", "0.2", "0.1"],
        ["SEED", "0", "7", "0"],
    ]


def test_csv_and_json_say_the_same(outputs: Path) -> None:
    rows = list(csv.DictReader(cvl("compare", "good", "better", "--format", "csv").stdout.splitlines()))
    found = json.loads(cvl("compare", "good", "better", "--format", "json").stdout)
    assert [row["run"] for row in rows] == ["good", "better"]
    assert [{k: "" if v is None else str(v) for k, v in row.items()} for row in found["runs"]] == rows
    assert found["best"] == {"train_loss best": "good", "map50 best": "better"}


def test_a_metric_by_its_name_or_its_key(outputs: Path) -> None:
    for name in ("map50", "val/map50"):
        lines = cvl("compare", "good", "better", "--metric", name).stdout.splitlines()
        assert [line.split()[0] for line in lines if "best" in line or "final" in line] == ["map50", "map50"]
    assert refusal("compare", "good", "--metric", "map5") == "no run has a metric 'map5', did you mean 'map50'?"
    assert refusal("compare", "good", "nowhere") == "there is no run 'nowhere'"


def test_a_run_whose_example_is_gone_is_compared_by_what_it_logged(outputs: Path) -> None:
    for path in outputs.glob("*/run.json"):
        path.write_text(path.read_text().replace('"seeded"', '"gone"'))
    found = json.loads(cvl("compare", "good", "better", "--metric", "val/map50", "--format", "json").stdout)
    assert [row["val/map50 final"] for row in found["runs"]] == [0.4, 0.6]
    assert found["best"] == {}  # nobody says which value is better


def test_the_plot_shows_every_curve(outputs: Path, tmp_path: Path) -> None:
    assert cvl("compare", "good", "better", "ill", "--plot", "curves.png").exception is None
    with Image.open(tmp_path / "curves.png") as image:
        colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 20) or ()}
        assert image.size == (900, 710)
    assert {(0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00), (0x00, 0x9E, 0x73)} <= colours  # in the legend at least
    assert refusal("compare", "good", "--plot", "curves.txt") == (
        "--plot curves.txt: a picture's name ends in .png, .webp, .jpg"
    )
    assert refusal("compare", "good", "--plot", "no/curves.png") == "--plot no/curves.png: No such file or directory"


def test_notes_are_added_with_their_date_and_shown(outputs: Path) -> None:
    assert cvl("note", "good", "looks\nfine").exception is None
    assert cvl("note", "good", "kept \x1b[31m").exception is None
    day = runs.now()[:10]
    assert runs.load(outputs / "good").notes == [f"{day} looks fine", f"{day} kept \x1b[31m"]
    shown = [line.split(maxsplit=1) for line in cvl("show", "good").stdout.splitlines()]
    assert [words[1] for words in shown if words[:1] == ["note"]] == [f"{day} looks fine", f"{day} kept �[31m"]
    assert refusal("note", "good", "  ") == "the note is empty"


def test_a_run_that_goes_on_takes_no_note(outputs: Path) -> None:
    record = runs.load(outputs / "good")
    record.status, record.pid = "running", 1
    runs.save(outputs / "good", record)
    assert refusal("note", "good", "x") == "good still runs and writes its own record"


def test_diff_shows_only_what_differs(outputs: Path) -> None:
    for name, version in (("good", "2.6.0"), ("better", "2.7.0")):
        record = runs.load(outputs / name)
        record.environment = {"python": f"/{name}/python", "packages": {"torch": version, "numpy": "1.26.4"}}
        record.proof = {"rules": "1", "train.py": version}
        record.hardware = {"cpu": "A", "memory_gb": 8 if name == "good" else 16}
        runs.save(outputs / name, record)
    assert [line.split() for line in cvl("diff", "good", "better").stdout.splitlines()] == [
        ["parameters"], ["good", "better"], ["LR", "0.1", "0.2"], ["SEED", "0", "7"],
        ["code"], ["good", "better"], ["train.py", "2.6.0", "2.7.0"],
        ["environment"], ["good", "better"], ["torch", "2.6.0", "2.7.0"],
        ["hardware"], ["good", "better"], ["memory_gb", "8", "16"],
        ["outcome"], ["good", "better"], ["seconds", "12.04", "24"], ["images_per_s", "30", "-"],
        ["metrics"], ["good", "better"], ["map50", "best", "0.5", "0.6"], ["map50", "final", "0.4", "0.6"],
    ]  # fmt: skip
    found = json.loads(cvl("diff", "good", "better", "--json").stdout)
    assert found["differs"]["parameters"] == {"LR": [0.1, 0.2], "SEED": [0, 7]}


def test_a_run_does_not_differ_from_itself(outputs: Path) -> None:
    done = cvl("diff", "good", "good")
    assert (done.stdout, done.stderr) == ("", "good and good differ in nothing that is recorded\n")


def test_a_word_with_a_slash_is_a_path_and_no_word_is_a_pattern(outputs: Path, tmp_path: Path) -> None:
    (outputs / "goods").mkdir()  # holds no record
    for words in (("show",), ("compare", "good"), ("diff", "good")):
        assert refusal(*words, "/srv/notthere") == "there is no folder /srv/notthere"
    assert refusal("show", "*") == "there is no run '*'"
    assert refusal("show", "g?od") == "there is no run 'g?od'"
    assert cvl("show", "goo").exception is None


def test_a_renamed_run_has_both_names(outputs: Path) -> None:
    (outputs / "good").rename(outputs / "kept")
    for name in ("kept", "good", "goo", "ke"):
        assert f"folder    {outputs / 'kept'}\n" in cvl("show", name).stdout
    assert sorted(line.split()[0] for line in cvl("list").stdout.splitlines()[1:]) == ["better", "ill", "kept"]


def test_runs_are_listed_as_they_started(outputs: Path) -> None:
    for hour, name in enumerate(("ill", "good", "better")):
        record = runs.load(outputs / name)
        record.started = f"2026-01-01T0{hour}:00:00+00:00"
        runs.save(outputs / name, record)
    cvl("note", "ill", "written last")
    assert [line.split()[0] for line in cvl("list").stdout.splitlines()[1:]] == ["ill", "good", "better"]


@pytest.mark.parametrize("foreign", ["", '{"status": "done"}', "[1]"])
def test_a_foreign_log_is_no_run(outputs: Path, tmp_path: Path, foreign: str) -> None:
    folder = tmp_path / "foreign"
    folder.mkdir()
    if foreign:
        (folder / "run.json").write_text(foreign)
    for words in (("show",), ("compare", "good"), ("diff", "good")):
        error = cvl(*words, "./foreign").exception
        assert isinstance(error, CvlError)
        assert error.message == f"{folder} is no run of cvl"
        assert error.hint == f"`cvl check {folder}` judges it, `cvl report {folder}` draws it"


def test_what_is_said_of_small_things(outputs: Path) -> None:
    record = runs.load(outputs / "good")
    record.split_sizes = {"test": 36}
    runs.save(outputs / "good", record)
    assert "data      test 36\n" in cvl("show", "good").stdout
    assert cvl("note", "good", "x").stderr == "good: noted; `cvl runs show good` shows it\n"
    assert refusal("list", "--output", "/nope") == "there is no folder /nope"
    done = CliRunner().invoke(group, ["list", "--task", "speech", "--framework", "x"], standalone_mode=False)
    assert done.stderr == (
        "no example fits; `cvl list` without filters shows all\n"
        "--task 'speech': no example has it; there are: object_detection\n"
        "--framework 'x': no example has it; there are: none\n"
    )


def test_a_preset_without_rules_can_have_no_evidence(outputs: Path) -> None:
    record = runs.load(outputs / "good")
    record.preset = "data"
    manifest = outputs.parent / "example.yaml"
    manifest.write_text(
        manifest.read_text().replace("presets:\n", "presets:\n  data: {command: [x], description: X}\n", 1)
    )
    runs.save(outputs / "good", record)
    done = CliRunner().invoke(group, ["evidence", "record", "good"], standalone_mode=False)
    assert isinstance(done.exception, CvlError)
    assert done.exception.hint == "data has no rules; presets with rules: train, smoke, bare"
