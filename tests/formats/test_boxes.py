from __future__ import annotations

import json
from pathlib import Path

import pytest

from cvl.errors import DataError
from cvl.formats import boxes
from tests.formats import folders


def refused(folder: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        boxes.read(folder)
    assert caught.value.exit_code == 2 and caught.value.hint
    return caught.value


def test_folder_missing(tmp_path: Path) -> None:
    assert "no such folder" in refused(tmp_path / "nowhere").message


def test_not_a_folder(tmp_path: Path) -> None:
    assert "is a file" in refused(folders.text(tmp_path / "a.txt", "")).message


def test_empty(tmp_path: Path) -> None:
    assert "is empty" in refused(tmp_path).message


@pytest.mark.parametrize("name", ["readme.md", "notes.json"])
def test_nothing_recognised(tmp_path: Path, name: str) -> None:
    folders.text(tmp_path / name, "{}")
    assert refused(tmp_path).message.endswith("no data set of boxes recognised, there are no pictures")
    (tmp_path / "a.PNG").touch()
    assert refused(tmp_path).message.endswith("no data set of boxes recognised, there are 1 picture(s) and no labels")


def test_no_label_at_all(tmp_path: Path) -> None:
    root = folders.yolo(tmp_path)
    for label in root.rglob("labels/**/*.txt"):
        label.unlink()
    assert "no labelled box" in refused(root).message


def test_coco_without_annotations(tmp_path: Path) -> None:
    folders.picture(tmp_path / "images/a.png", 1)
    folders.text(tmp_path / "train.json", json.dumps(folders.coco_sheet(["a.png"], annotations=[])))
    assert "no labelled box" in refused(tmp_path).message


def test_no_pictures(tmp_path: Path) -> None:
    folders.text(tmp_path / "data.yaml", "train: images/train\nval: images/val\nnames: [a]\n")
    assert "no pictures" in refused(tmp_path).message


def test_check_names_the_first_ten_and_counts_the_rest(tmp_path: Path) -> None:
    root = folders.yolo(tmp_path)
    folders.text(root / "labels/train/train0.txt", "9 .5 .5 .1 .1\n" * 13)
    dataset = boxes.read(root)
    boxes.check(dataset, max_bad=13)
    with pytest.raises(DataError) as caught:
        boxes.check(dataset, max_bad=12)
    assert "13 problem(s)" in caught.value.message and "3 more" in caught.value.message
    assert caught.value.message.count("train0.txt") == 10


def test_check_is_quiet_on_a_sound_data_set(tmp_path: Path) -> None:
    boxes.check(boxes.read(folders.yolo(tmp_path)))


def test_stats(tmp_path: Path) -> None:
    root = folders.yolo(tmp_path)
    folders.text(root / "labels/train/train0.txt", "0 .5 .5 .4 .8\n1 .5 .5 .2 .4\n")
    stats = boxes.stats(boxes.read(root))
    train = stats["splits"]["train"]
    assert train["per_class"] == {"button": 1, "link": 3}
    assert (train["images"], train["boxes"]) == (3, 4)
    assert train["box_px"] == {"min": pytest.approx(20), "median": pytest.approx(20), "max": pytest.approx(40)}
    assert json.loads(json.dumps(stats)) == stats
