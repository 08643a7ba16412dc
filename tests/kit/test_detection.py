"""Counting, timing and the files of an evaluation; inside/check_detection.py holds the evaluator to pycocotools."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import subprocess
import time
from functools import cache
from pathlib import Path

import pytest
from PIL import Image

from cvl.formats.boxes import Box, Picture
from cvl.kit import detection, meters, sheets
from cvl.kit.detection import Model, Scores
from cvl.kit.detection_plots import COLOURS, confusion
from cvl.kit.drawing import Found, compare

REPOSITORY = Path(__file__).resolve().parents[2]
CHECKS = Path(__file__).parent / "inside" / "check_detection.py"
TRUTH = [Box(0, 0, 0, 10, 10), Box(1, 20, 0, 30, 10), Box(1, 40, 0, 50, 10)]
FOUND = [Found(Box(0, 0, 0, 10, 9), 0.9), Found(Box(0, 20, 0, 30, 10), 0.8), Found(Box(1, 70, 0, 80, 10), 0.7)]
COMPARED = [compare(TRUTH, FOUND), compare([], [])]
SCORES = Scores(
    {"map": 0.2, "map50": 0.5, "map75": 0.1, "precision": 0.6, "recall": 0.3, "f1": 0.4},
    {
        "button": {"n": 2, "map": 0.2, "map50": 0.5, "map75": 0.1, "precision": 0.6, "recall": 0.3, "f1": 0.4},
        "link": {"n": 0},
    },
)
MODEL = Model("toy", 1000, 12.5, 320, "cpu", "A CPU", 1.25)


@cache
def outcomes(python: Path) -> dict[str, str]:
    """What each check ended with: nothing, or its traceback. One process: pycocotools is loaded once."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [python, REPOSITORY / "tests" / "run_checks.py", CHECKS]
    done = subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def checks() -> list[str]:
    tree = ast.parse(CHECKS.read_text())
    return [n.name for n in tree.body if isinstance(n, ast.FunctionDef) and n.name.startswith("check_")]


def test_there_are_checks() -> None:
    assert len(checks()) >= 12


@pytest.mark.training("yolo-ui-detection")
@pytest.mark.parametrize("check", checks())
def test_check(ml_python: Path, check: str) -> None:
    if trace := outcomes(ml_python)[check]:
        pytest.fail(trace, pytrace=False)


def test_what_is_counted() -> None:
    third = {"precision": 1 / 3, "recall": 1 / 3, "f1": 1 / 3}
    assert detection.count(COMPARED) == {"right": 1, "wrong": 2, "missed": 2, **third}
    assert detection.count([]) == dict.fromkeys(("right", "wrong", "missed", "precision", "recall", "f1"), 0)


def test_a_box_of_several_classes_is_shown_once() -> None:
    twice = [Found(Box(1, 0, 0, 10, 9), 0.4), *FOUND, Found(Box(0, 5, 5, 9, 9), 0.2)]
    assert detection.confident(twice, 0.25) == FOUND


def test_which_class_is_taken_for_which() -> None:
    assert confusion(COMPARED, 2) == [[1, 0, 0], [1, 0, 1], [0, 1, 0]]
    assert confusion([], 1) == [[0, 0], [0, 0]]


def test_the_table_and_what_it_does_not_say() -> None:
    assert [line.split() for line in SCORES.table().splitlines()[1:]] == [
        ["button", "2", "0.500", "0.100", "0.200", "0.600", "0.300", "0.400"],
        ["link", "0", "–", "–", "–", "–", "–", "–"],
        ["all", "2", "0.500", "0.100", "0.200", "0.600", "0.300", "0.400"],
    ]
    assert detection.summary(SCORES, {"confidence": 0.25, **detection.count(COMPARED)}).splitlines() == [
        "without a box in this split: link",
        "at confidence 0.25: 1 right, 2 wrong, 2 missed; precision 0.333, recall 0.333, F1 0.333",
    ]


def test_setting_up_is_not_timed() -> None:
    asked: list[Path] = []

    def find(file: Path) -> str:
        asked.append(file)
        time.sleep(0.2 if len(asked) <= detection.WARM_UP else 0.01)
        return file.stem

    files = [Path(f"{number}.png") for number in range(4)]
    found, latency = detection.timed(find, files, device="cpu")
    assert found == ["0", "1", "2", "3"] and asked == [*files[: detection.WARM_UP], *files]
    assert 10 <= latency < 100  # ms
    asked.clear()
    assert detection.timed(find, files[:1], device="cpu")[0] == ["0"]


def test_the_files_of_an_evaluation(tmp_path: Path) -> None:
    screens = [Picture(Path("a/one.png"), 100, 50, tuple(TRUTH)), Picture(Path("b/one.png"), 100, 50)]
    at = {"confidence": 0.5, **detection.count(COMPARED)}
    detection.write(
        tmp_path,
        "test",
        SCORES,
        classes=("button", "link"),
        screens=screens,
        found=[[], [Found(Box(0, 0.12345, 0, 10, 9), 0.9)]],
        at=at,
        model=MODEL,
    )
    folder = tmp_path / "evaluation"
    assert sorted(path.name for path in folder.iterdir()) == ["ground_truth.json", "metrics.json", "predictions.json"]
    truth, found = ((folder / f"{name}.json").read_bytes() for name in ("ground_truth", "predictions"))
    assert json.loads(found) == [{"image_id": 2, "category_id": 1, "bbox": [0.123, 0, 9.877, 9], "score": 0.9}]
    assert [image["file_name"] for image in json.loads(truth)["images"]] == ["one.png", "one.png"]
    written = json.loads((folder / "metrics.json").read_text())
    assert written.pop("model") == {
        "name": "toy",
        "parameters": 1000,
        "latency_ms": 12.5,
        "image_size": 320,
        "device": "cpu",
        "hardware": "A CPU",
        "memory_gb": 1.25,
    }
    assert written == {**SCORES.as_json("test"), "at_confidence": at, "truth": hashlib.sha256(truth).hexdigest()}


def test_the_same_screens_have_the_same_truth(tmp_path: Path) -> None:
    """Wherever they lie; another box, class or order is another truth."""
    one, two = Picture(Path("a/1.png"), 9, 9, tuple(TRUTH)), Picture(Path("a/2.png"), 9, 9)
    elsewhere = [Picture(Path("b") / p.path.name, 9, 9, p.boxes) for p in (one, two)]
    moved = Picture(Path("a/1.png"), 9, 9, (Box(0, 0, 0, 10, 11), *TRUTH[1:]))
    cases = (("x", "y"), [one, two]), (("x", "y"), [two, one]), (("x", "z"), [one, two]), (("x", "y"), [moved, two])
    digests = [detection.write_truth(classes, screens, tmp_path / "t.json") for classes, screens in cases]
    assert len(set(digests)) == len(digests)
    assert detection.write_truth(("x", "y"), elsewhere, tmp_path / "t.json") == digests[0]


def test_nothing_found_is_a_list_too(tmp_path: Path) -> None:
    detection.write_coco([[], []], tmp_path / "predictions.json")
    assert json.loads((tmp_path / "predictions.json").read_text()) == []


def test_the_machine_has_a_name() -> None:
    assert len(meters.hardware("cpu")) > 2


def test_a_sheet_holds_every_picture_and_the_legend(tmp_path: Path) -> None:
    cells = [
        sheets.cell(Image.new("RGB", size, "white"), [Box(1, 0, 0, 40, 20)], "x") for size in ((960, 480), (64, 64))
    ]
    assert [cell.image.size for cell in cells] == [(480, 240), (128, 128)]
    assert cells[0].boxes == [Box(1, 0, 0, 20, 10)] and cells[1].boxes == [Box(1, 0, 0, 80, 40)]
    sheets.write(cells, ["button", "link"], "two pictures", tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        colours = {"#{:02x}{:02x}{:02x}".format(*colour) for _, colour in sheet.convert("RGB").getcolors(1 << 20) or ()}
        assert sheet.width >= 480 + 128
    assert set(COLOURS[:2]) <= colours and sheets.colour(len(COLOURS)) == COLOURS[0]
