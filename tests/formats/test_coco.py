from __future__ import annotations

import json
from pathlib import Path

import pytest

from cvl.errors import DataError
from cvl.formats import boxes, coco, yolo
from tests.formats import folders


@pytest.mark.parametrize(
    ("sheet", "pictures", "splits"),
    [
        ("annotations/instances_{split}.json", "images/{split}", ("train", "val")),
        ("annotations/instances_{split}2017.json", "{split}2017", ("train", "val")),
        ("annotations/instances_{split}.json", "images", ("train", "val")),
        ("{split}/_annotations.coco.json", "{split}", ("train", "valid")),
        ("{split}.json", "images", ("train", "val")),
    ],
)
def test_layouts(tmp_path: Path, sheet: str, pictures: str, splits: tuple[str, ...]) -> None:
    dataset = boxes.read(folders.coco(tmp_path, sheet=sheet, pictures=pictures, splits=splits))
    assert dataset.format == "coco" and not dataset.problems
    assert dataset.classes == ("button", "link")
    assert {s: len(p) for s, p in dataset.splits.items()} == {"train": 2, "val": 2}
    for items in dataset.splits.values():
        assert [item.boxes for item in items] == [(boxes.Box(1, 40, 15, 60, 35),)] * 2


def test_single_file_is_split_the_same_way_each_time(tmp_path: Path) -> None:
    names = [folders.picture(tmp_path / "images" / f"{i}.png", i).name for i in range(10)]
    folders.text(tmp_path / "labels.json", json.dumps(folders.coco_sheet(names)))
    first = boxes.read(tmp_path)
    assert {s: len(p) for s, p in first.splits.items()} == {"train": 8, "val": 2}
    assert first.splits == boxes.read(tmp_path).splits


def test_parent_category_of_roboflow_is_left_out(tmp_path: Path) -> None:
    categories = [
        {"id": 0, "name": "screens", "supercategory": "none"},
        {"id": 3, "name": "button", "supercategory": "screens"},
        {"id": 7, "name": "link", "supercategory": "screens"},
    ]
    root = folders.coco(tmp_path, sheet="{split}.json", pictures="images", categories=categories)
    assert boxes.read(root).classes == ("button", "link")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bbox": [90, 15, 20, 20]}, "outside the picture"),
        ({"bbox": [40, 15, 0, 20]}, "without area"),
        ({"bbox": [40, 15, 20]}, "must be"),
        ({"bbox": None}, "must be"),
        ({"category_id": 99}, "category 99"),
        ({"image_id": 99}, "image 99"),
    ],
)
def test_bad_annotations(tmp_path: Path, change: dict[str, object], message: str) -> None:
    root = folders.coco(tmp_path, sheet="{split}.json", pictures="images")
    raw = folders.coco_sheet(["train0.png", "train1.png"])
    raw["annotations"].append({"id": 77, "image_id": 10, "category_id": 7, "bbox": [1, 1, 5, 5], **change})
    folders.text(root / "train.json", json.dumps(raw))
    (problem,) = boxes.read(root).problems
    assert "train.json: annotation 77" in problem.file and message in problem.message


def test_missing_picture(tmp_path: Path) -> None:
    root = folders.coco(tmp_path, sheet="{split}.json", pictures="images")
    (root / "images/val1.png").unlink()
    (problem,) = boxes.read(root).problems
    assert "val1.png" in problem.file and "no such picture" in problem.message


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"images": [], "annotations": []}', '{"images": [{}], "annotations": [], "categories": []}']
)
def test_broken_file(tmp_path: Path, content: str) -> None:
    root = folders.coco(tmp_path, sheet="{split}.json", pictures="images")
    folders.text(root / "train.json", content)
    with pytest.raises(DataError, match=r"train\.json"):
        boxes.read(root)


def test_crowds_are_left_out_and_said(tmp_path: Path) -> None:
    root = folders.coco(tmp_path, sheet="{split}.json", pictures="images")
    raw = folders.coco_sheet(["train0.png", "train1.png"])
    raw["annotations"][0]["iscrowd"] = 1
    folders.text(root / "train.json", json.dumps(raw))
    dataset = boxes.read(root)
    assert sum(len(p.boxes) for p in dataset.splits["train"]) == 1
    assert any("crowd" in note for note in dataset.notes)


def test_roundtrip_between_the_forms(tmp_path: Path) -> None:
    shapes = ((0, 0.137, 1.25, 99.913, 49.5), (1, 7, 9, 8.5, 10.25), (1, 0, 0, 100, 50))
    items = tuple(
        boxes.Picture(folders.picture(tmp_path / f"source/{i}.png", i), 100, 50, tuple(boxes.Box(*s) for s in shapes))
        for i in range(4)
    )
    start = boxes.BoxDataset(("button", "link"), {"train": items[:2], "val": items[2:3], "test": items[3:]})
    yolo.write(start, tmp_path / "yolo")
    coco.write(yolo.read(tmp_path / "yolo"), tmp_path / "coco")
    yolo.write(coco.read(tmp_path / "coco"), tmp_path / "again")
    end = boxes.read(tmp_path / "again")
    assert end.classes == start.classes and not end.problems
    for split, pictures in start.splits.items():
        for before, after in zip(pictures, end.splits[split], strict=True):
            assert before.path.name == after.path.name
            for a, b in zip(before.boxes, after.boxes, strict=True):
                assert (b.label, b.x0, b.y0, b.x1, b.y1) == pytest.approx((a.label, a.x0, a.y0, a.x1, a.y1), abs=1e-3)


def test_pictures_of_one_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    items = tuple(
        boxes.Picture(folders.picture(tmp_path / f"{i}/same.png", i), 100, 50, (boxes.Box(0, 1, 1, 9, 9),))
        for i in (1, 2)
    )
    coco.write(boxes.BoxDataset(("a",), {"train": items, "val": ()}), tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out/images/train").iterdir()) == ["same-2.png", "same.png"]


def test_polygons_are_outlines_and_come_back(tmp_path: Path) -> None:
    root = folders.coco(tmp_path, sheet="{split}.json", pictures="images")
    raw = folders.coco_sheet(["train0.png", "train1.png"])
    triangle = [41.0, 16.0, 55.0, 16.0, 43.0, 30.0]
    raw["annotations"][0]["segmentation"] = [triangle]
    raw["annotations"][1]["segmentation"] = {"counts": [1], "size": [1, 1]}
    folders.text(root / "train.json", json.dumps(raw))
    dataset = boxes.read(root)
    outlines = [box.outline for p in dataset.splits["train"] for box in p.boxes]
    assert outlines == [(tuple(triangle),), ()]
    items = [(p.path.name, p) for p in dataset.splits["train"]]
    written = coco.document(dataset.classes, items)["annotations"]
    assert [annotation.get("segmentation") for annotation in written] == [[triangle], None]
    assert "train.json: 1 mask(s) as run lengths are not read, only their boxes" in dataset.notes


@pytest.mark.parametrize(
    ("polygon", "message"),
    [
        ([-5, 1, 50, 1, 3, 40], "an outline outside the picture: (-5.0, 1.0, 50.0, 40.0) on 100x50"),
        ([float("nan"), 1, 50, 1, 3, 40], "an outline with coordinates that are not finite"),
        ([float("inf"), 1, 50, 1, 3, 40], "an outline with coordinates that are not finite"),
        ([45, 20], "an outline of 2 numbers: it takes x and y of three points at least"),
        ([45, 20, 50, 20, 50, 30, 9], "an outline of 7 numbers: it takes x and y of three points at least"),
        ([45, 20, 50, 20, 55, 20], "an outline without area"),
        ([1, 1, 5, 1, 3, 4], "an outline beside its box"),
        (["x", 1, 5, 1, 3, 4], "could not convert string to float: 'x'"),
        (7, "'int' object is not iterable"),
    ],
)
def test_outlines_are_checked_as_boxes_are(tmp_path: Path, polygon: list[object], message: str) -> None:
    root = folders.coco(tmp_path, sheet="{split}.json", pictures="images")
    raw = folders.coco_sheet(["train0.png", "train1.png"])
    raw["annotations"][0]["segmentation"] = [polygon]
    folders.text(root / "train.json", json.dumps(raw))
    assert [problem.message for problem in boxes.read(root).problems] == [message]


def test_an_outline_is_clipped_where_a_box_would_be(tmp_path: Path) -> None:
    root = folders.coco(tmp_path, sheet="{split}.json", pictures="images")
    raw = folders.coco_sheet(["train0.png", "train1.png"])
    raw["annotations"][0]["segmentation"] = [[-0.05, 16.0, 50.0, 16.0, 43.0, 30.0]]
    folders.text(root / "train.json", json.dumps(raw))
    data = boxes.read(root)
    assert not data.problems
    assert data.splits["train"][0].boxes[0].outline == ((0.0, 16.0, 50.0, 16.0, 43.0, 30.0),)


def test_an_annotation_that_lacks_something_is_one_fault_of_many(tmp_path: Path) -> None:
    root = folders.coco(tmp_path, sheet="{split}.json", pictures="images")
    raw = folders.coco_sheet(["train0.png", "train1.png"])
    del raw["annotations"][1]["bbox"]
    raw["annotations"] += [{"image_id": 10, "bbox": [1, 1, 2, 2]}, "none", {**raw["annotations"][0], "category_id": 9}]
    folders.text(root / "train.json", json.dumps(raw))
    data = boxes.read(root)
    assert [str(problem).partition("train.json: ")[2] for problem in data.problems] == [
        "annotations[1]: has no bbox",
        "annotations[2]: has no category_id",
        "annotations[3]: has no image_id",
        "annotation 0 of train0.png: category 9 is not among the categories",
    ]
    assert [len(picture.boxes) for picture in data.splits["train"]] == [1, 0]


def test_what_is_missing_is_missed_where_the_others_are(tmp_path: Path) -> None:
    root = folders.coco(tmp_path, sheet="annotations/instances_{split}.json", pictures="pictures/{split}")
    (root / "pictures").rename(root / "moved")
    (root / "moved/train").rename(root / "train")
    (root / "moved/val").rename(root / "val")
    raw = json.loads((root / "annotations/instances_train.json").read_text())
    raw["images"].append({"id": 99, "file_name": "gone.png"})
    folders.text(root / "annotations/instances_train.json", json.dumps(raw))
    assert [str(problem) for problem in boxes.read(root).problems] == [f"{root}/train/gone.png: no such picture"]


def test_another_size_than_the_sheet_says_is_noted(tmp_path: Path) -> None:
    root = folders.coco(tmp_path, sheet="{split}.json", pictures="images")
    raw = folders.coco_sheet(["train0.png", "train1.png"])
    raw["images"][1]["width"] = 999
    folders.text(root / "train.json", json.dumps(raw))
    assert "train.json: 1 picture(s) of another size than it says: 100x50, not 999x50 (train1.png)" in (
        boxes.read(root).notes
    )
