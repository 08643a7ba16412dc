"""The view that Ultralytics gets: links and labels, and nothing written where the data lies."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from cvl.errors import DataError
from cvl.formats import boxes, coco
from tests.examples.yolo_ui_detection.conftest import CLASSES, EXAMPLE, write_screens


@pytest.fixture(scope="module")
def dataset() -> ModuleType:
    """examples/yolo-ui-detection/dataset.py, which needs no torch."""
    spec = importlib.util.spec_from_file_location("yolo_ui_dataset", EXAMPLE / "dataset.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def in_coco(screens: Path) -> Path:
    folder = screens.with_name("coco")
    coco.write(boxes.read(screens), folder)
    return folder


@pytest.mark.parametrize("form", ["yolo", "coco"])
def test_the_view_holds_what_the_data_holds(dataset: ModuleType, tmp_path: Path, form: str) -> None:
    source = write_screens(tmp_path / "screens")
    source = in_coco(source) if form == "coco" else source
    before = sorted(source.rglob("*"))
    view = dataset.prepare(str(source), tmp_path / "view")
    assert sorted(source.rglob("*")) == before
    assert yaml.safe_load(view.config.read_text())["names"] == dict(enumerate(CLASSES))
    assert {split: view.size(split) for split in ("train", "val", "test")} == {"train": 8, "val": 4, "test": 4}
    assert all(link.is_symlink() and link.resolve().parent.is_relative_to(source) for link in view.links["train"])
    again = boxes.read(tmp_path / "view")
    for split, pictures in boxes.read(source).splits.items():
        for mine, theirs in zip(again.splits[split], pictures, strict=True):
            assert [b.label for b in mine.boxes] == [b.label for b in theirs.boxes]
            assert [b.x0 for b in mine.boxes] == pytest.approx([b.x0 for b in theirs.boxes], abs=0.01)


def test_pictures_of_the_same_name_stay_apart(dataset: ModuleType, tmp_path: Path) -> None:
    source = write_screens(tmp_path / "screens")
    for part in ("images", "labels"):
        folder = source / part / "train" / "again"
        folder.mkdir()
        for file in list((source / part / "train").glob("train_0.*")):
            (folder / file.name).write_bytes(file.read_bytes() + (b" " if part == "images" else b""))
    view = dataset.prepare(str(source), tmp_path / "view")
    assert view.size("train") == 9 == len(set(view.links["train"]))


def test_fewer_training_pictures_are_chosen_by_the_seed(dataset: ModuleType, tmp_path: Path) -> None:
    source = write_screens(tmp_path / "screens")
    chosen = {
        seed: {
            link.resolve().name
            for link in dataset.prepare(str(source), tmp_path / "v", max_train=3, seed=seed).links["train"]
        }
        for seed in (0, 0, 1, 2)
    }
    assert all(len(names) == 3 for names in chosen.values())
    assert len({frozenset(names) for names in chosen.values()}) > 1
    assert dataset.prepare(str(source), tmp_path / "v", max_train=3).size("val") == 4


def test_a_second_run_in_a_folder_keeps_nothing_of_the_first(dataset: ModuleType, tmp_path: Path) -> None:
    dataset.prepare(str(write_screens(tmp_path / "many", train=8)), tmp_path / "view")
    dataset.prepare(str(write_screens(tmp_path / "few", train=2)), tmp_path / "view")
    assert len(list((tmp_path / "view/images/train").iterdir())) == 2
    assert len(list((tmp_path / "view/labels/train").iterdir())) == 2


def test_a_split_without_a_box_is_refused(dataset: ModuleType, tmp_path: Path) -> None:
    source = write_screens(tmp_path / "screens")
    for labels in (source / "labels/val").iterdir():
        labels.write_text("")
    with pytest.raises(DataError, match="no labelled picture in val"):
        dataset.prepare(str(source), tmp_path / "view")
