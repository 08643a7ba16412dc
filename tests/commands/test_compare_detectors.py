"""`cvl runs compare` on runs of different examples, with evaluations as the kit writes them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cvl import runs
from cvl.cli import group
from cvl.formats.boxes import Box, Picture
from cvl.kit import detection
from cvl.kit.detection import Model, Scores
from cvl.runs import Record
from tests import seeded_example

CLASSES = ("button", "link", "slider")
SCREENS = (Picture(Path("1.png"), 99, 99, (Box(0, 1, 1, 9, 9), Box(1, 20, 1, 29, 9))),)
OTHER_SCREENS = (Picture(Path("1.png"), 99, 99, (Box(0, 1, 1, 9, 8), Box(1, 20, 1, 29, 9))),)
ONE_STAGE = Model("toy26n", 2_500_000, 8.25, 640, "cpu", "A CPU", 1.5)
TWO_STAGE = replace(ONE_STAGE, name="toy_rcnn", parameters=41_000_000, latency_ms=80.0, image_size="800, 1333")


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of two examples, `one-stage` and `two-stage`, which log other metrics."""
    monkeypatch.chdir(tmp_path)
    folder = seeded_example.make(tmp_path).parent
    text = (folder / "seeded" / "example.yaml").read_text()
    for name, key in (("one-stage", "val/map50"), ("two-stage", "bbox/AP50")):
        (folder / name).mkdir()
        manifest = text.replace("name: seeded", f"name: {name}").replace("key: val/map50", f"key: {key}")
        (folder / name / "example.yaml").write_text(manifest)
    return folder


def made(folder: Path, key: str, best: float, **about: Any) -> Path:
    """A run that logged `best` under `key`; with `average` (by class) also its evaluation."""
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text(json.dumps({"step": 1, "epoch": 1, "time": 0, key: best}) + "\n")
    runs.save(folder, Record(folder.name, folder.parents[1].name, "train", status="done", verdict="pass"))
    if about:
        evaluated(folder, **about)
    return folder


def evaluated(
    folder: Path, average: dict[str, float], model: Model, screens: tuple[Picture, ...] = SCREENS, split: str = "test"
) -> None:
    groups: dict[str, dict[str, float]] = {name: {"n": 0} for name in CLASSES}
    for name, value in average.items():
        groups[name] = {"n": 1, "map": value, "map50": value, "map75": value, "precision": value, "recall": value}
    mean = sum(average.values()) / len(average)
    scores = Scores(dict.fromkeys(("map", "map50", "map75", "precision", "recall", "f1"), mean), groups)
    at = {"confidence": 0.25, **detection.count([])}
    found: list[list[Any]] = [[] for _ in screens]
    detection.write(folder, split, scores, classes=CLASSES, screens=screens, found=found, at=at, model=model)


@pytest.fixture
def pair(examples: Path) -> Path:
    """The runs one-stage `fast` and two-stage `slow`, judged on the same screens."""
    one = {"average": {"button": 0.5, "link": 0.25}, "model": ONE_STAGE}
    two = {"average": {"button": 0.75, "link": 0.25}, "model": TWO_STAGE}
    made(examples / "one-stage" / "outputs" / "fast", "val/map50", 0.375, **one)
    made(examples / "two-stage" / "outputs" / "slow", "bbox/AP50", 0.5, **two)
    return examples


def cvl(*words: str) -> Result:
    done = CliRunner().invoke(group, ["runs", "compare", *words], standalone_mode=False)
    assert done.exception is None, done.exception
    return done


def test_detectors_of_different_examples(pair: Path) -> None:
    first, _, second = cvl("fast", "slow").stdout.partition("\nDetectors\n")
    assert [line.split() for line in second.splitlines()] == [
        ["fast", "slow"],
        ["split", "test", "test"],
        ["model", "toy26n", "toy_rcnn"],
        ["mAP", "0.375", "0.5", "*"],
        ["mAP50", "0.375", "0.5", "*"],
        ["mAP75", "0.375", "0.5", "*"],
        ["AP", "button", "0.5", "0.75", "*"],
        ["AP", "link", "0.25", "0.25"],
        ["precision", "0.375", "0.5", "*"],
        ["recall", "0.375", "0.5", "*"],
        ["latency", "ms", "8.25", "*", "80"],
        ["parameters", "2500000", "41000000"],
        ["memory", "GB", "1.5", "1.5"],
        ["image", "size", "640", "800,", "1333"],
        ["device", "cpu", "cpu"],
        ["hardware", "A", "CPU", "A", "CPU"],
    ]
    # What was logged too, each by the name that its own example gives it.
    assert ["map50", "best", "0.375", "0.5", "*"] in [line.split() for line in first.splitlines()]


@pytest.mark.parametrize("words", [("--json",), ("--format", "json")])
def test_the_same_as_json(pair: Path, words: tuple[str, ...]) -> None:
    found = json.loads(cvl("fast", "slow", *words).stdout)
    assert [row["run"] for row in found["runs"]] == ["fast", "slow"]
    detectors = found["detectors"]
    assert detectors["same_truth"] is True and detectors["notes"] == []
    assert [row["AP button"] for row in detectors["rows"]] == [0.5, 0.75]
    assert [row["parameters"] for row in detectors["rows"]] == [2_500_000, 41_000_000]
    assert detectors["best"]["mAP"] == "slow" and detectors["best"]["latency ms"] == "fast"


def test_another_truth_is_said_and_nothing_is_best(pair: Path) -> None:
    average = {"button": 0.9}
    made(pair / "two-stage/outputs/other", "bbox/AP50", 0.9, average=average, model=TWO_STAGE, screens=OTHER_SCREENS)
    done = cvl("fast", "other")
    assert "note: judged on different pictures or boxes: quality does not compare\n" in done.stdout
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["mAP", "0.375", "0.9"] in lines and ["latency", "ms", "8.25", "*", "80"] in lines
    found = json.loads(cvl("fast", "other", "--json").stdout)["detectors"]
    assert found["same_truth"] is False and list(found["best"]) == ["latency ms"]
    evaluated(pair / "two-stage/outputs/other", average, TWO_STAGE, SCREENS + OTHER_SCREENS, split="val")
    assert "different pictures or boxes (test, val)" in cvl("fast", "other").stdout


def test_latency_on_other_hardware_is_not_compared(pair: Path) -> None:
    gpu = replace(TWO_STAGE, device="cuda", hardware="A GPU", latency_ms=2.0)
    made(pair / "two-stage/outputs/gpu", "bbox/AP50", 0.5, average={"button": 0.1, "link": 0.1}, model=gpu)
    found = json.loads(cvl("fast", "gpu", "--json").stdout)["detectors"]
    assert found["notes"] == ["latency was measured on different hardware"]
    assert found["best"]["mAP"] == "fast" and "latency ms" not in found["best"]


def test_a_run_without_an_evaluation(pair: Path) -> None:
    made(pair / "two-stage/outputs/bare", "bbox/AP50", 0.4)
    found = json.loads(cvl("fast", "bare", "slow", "--json").stdout)["detectors"]
    assert [row["run"] for row in found["rows"]] == ["fast", "slow"] and found["best"]["mAP"] == "slow"
    assert found["notes"] == ["bare has no evaluation of a detector; the preset `evaluate` makes one"]
    assert json.loads(cvl("bare", "--json").stdout)["detectors"] is None
    assert "Detectors" not in cvl("bare").stdout


def test_an_evaluation_that_names_no_truth(pair: Path) -> None:
    file = pair / "two-stage/outputs/slow/evaluation/metrics.json"
    content = json.loads(file.read_text())
    del content["truth"], content["model"]
    file.write_text(json.dumps(content))
    found = json.loads(cvl("fast", "slow", "--json").stdout)["detectors"]
    assert found["same_truth"] is False and "mAP" not in found["best"]
    assert found["notes"][0] == "slow: nothing says which pictures it was judged on; the preset `evaluate` does"
    assert found["rows"][1]["mAP"] == 0.5 and found["rows"][1]["parameters"] is None


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"metrics": {"map": "high"}}', b'{"metrics": 1, "model": [1]}'])
def test_a_broken_evaluation_is_none(pair: Path, content: bytes) -> None:
    (pair / "two-stage/outputs/slow/evaluation/metrics.json").write_bytes(content)
    found = json.loads(cvl("fast", "slow", "--json").stdout)["detectors"]
    assert [row["run"] for row in found["rows"]] == ["fast"]


def test_runs_of_one_name_are_told_apart(pair: Path) -> None:
    one = pair / "one-stage/outputs/slow"
    made(one, "val/map50", 0.1, average={"button": 0.1}, model=ONE_STAGE)
    found = json.loads(cvl(str(one), str(pair / "two-stage/outputs/slow"), "--json").stdout)
    assert [row["run"] for row in found["runs"]] == ["one-stage/slow", "two-stage/slow"]
    assert found["best"] == {"map50 best": "two-stage/slow"}
    assert found["detectors"]["best"]["mAP"] == "two-stage/slow"
