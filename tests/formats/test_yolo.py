from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from cvl.errors import DataError
from cvl.formats import boxes, yolo
from cvl.formats.boxes import Box
from tests.formats import folders


def messages(dataset: boxes.BoxDataset) -> str:
    return "\n".join(map(str, dataset.problems))


@pytest.mark.parametrize("layout", ["images/{split}", "{split}/images"])
@pytest.mark.parametrize("config", ["default", ""])
def test_layouts(tmp_path: Path, layout: str, config: str) -> None:
    dataset = boxes.read(folders.yolo(tmp_path, layout=layout, config=config))
    assert {s: len(p) for s, p in dataset.splits.items()} == {"train": 3, "val": 2}
    assert not dataset.problems
    for items in dataset.splits.values():
        for item in items:
            assert (item.width, item.height) == (100, 50)
            (box,) = item.boxes
            assert (box.label, box.x0, box.y0, box.x1, box.y1) == pytest.approx((1, 40, 15, 60, 35))


def test_roboflow_paths_and_valid(tmp_path: Path) -> None:
    config = "train: ../train/images\nval: ../valid/images\nnc: 2\nnames: ['button', 'link']\n"
    root = folders.yolo(tmp_path, layout="{split}/images", counts={"train": 2, "valid": 1}, config=config)
    dataset = boxes.read(root)
    assert {s: len(p) for s, p in dataset.splits.items()} == {"train": 2, "val": 1}
    assert dataset.classes == ("button", "link")


def test_lists_of_pictures_and_names_by_number(tmp_path: Path) -> None:
    root = folders.yolo(tmp_path, config="train: train.txt\nval: val.txt\nnames: {0: button, 1: link}\n")
    folders.text(root / "train.txt", "./images/train/train0.png\nimages/train/train1.png\n")
    folders.text(root / "val.txt", "images/val/val0.png\n")
    dataset = boxes.read(root)
    assert {s: len(p) for s, p in dataset.splits.items()} == {"train": 2, "val": 1}


def test_missing_names_are_said(tmp_path: Path) -> None:
    dataset = boxes.read(folders.yolo(tmp_path, config=""))
    assert dataset.classes == ("class_0", "class_1")
    assert any("no class names" in note for note in dataset.notes)


def test_classes_txt(tmp_path: Path) -> None:
    root = folders.yolo(tmp_path, config="")
    folders.text(root / "classes.txt", "button\nlink\n")
    assert boxes.read(root).classes == ("button", "link")


def test_val_is_made_from_train_the_same_way_each_time(tmp_path: Path) -> None:
    root = folders.yolo(tmp_path, counts={"train": 10})
    first, second = boxes.read(root), boxes.read(root)
    assert len(first.splits["val"]) == 2 and len(first.splits["train"]) == 8
    assert first.splits == second.splits
    assert any("validation" in note for note in first.notes)
    assert not first.problems


def test_identical_pictures_stay_together_when_val_is_made(tmp_path: Path) -> None:
    root = folders.yolo(tmp_path, counts={"train": 6})
    for number in range(6, 12):
        source = root / f"images/train/train{number - 6}.png"
        (root / f"images/train/train{number}.png").write_bytes(source.read_bytes())
        folders.text(root / f"labels/train/train{number}.txt", "0 .5 .5 .1 .1\n")
    assert not boxes.read(root).problems


def test_polygons_are_outlines_in_a_box(tmp_path: Path) -> None:
    root = folders.yolo(tmp_path)
    folders.text(root / "labels/train/train0.txt", "0 0.1 0.2 0.3 0.2 0.2 0.8\n")
    box = boxes.read(root).splits["train"][0].boxes[0]
    assert [box.x0, box.y0, box.x1, box.y1] == pytest.approx([10, 10, 30, 40])
    assert box.outline == (pytest.approx((10, 10, 30, 10, 20, 40)),)


def test_background_is_no_problem(tmp_path: Path) -> None:
    root = folders.yolo(tmp_path)
    (root / "labels/train/train0.txt").unlink()
    dataset = boxes.read(root)
    assert not dataset.problems
    assert boxes.stats(dataset)["splits"]["train"]["background"] == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2 0.5 0.5 0.2 0.2", "class 2 is out of range"),
        ("-1 0.5 0.5 0.2 0.2", "class -1 is out of range"),
        ("0 0.5 0.5 0.2", "found 4 words"),
        ("0 0.5 0.5 0.2 0.2 0.9", "found 6 words"),
        ("0 0.5 x 0.2 0.2", "not a number"),
        ("0.5 0.5 0.5 0.2 0.2", "not a whole number"),
        ("0 0.95 0.5 0.2 0.2", "outside the picture"),
        ("0 0.5 0.02 0.2 0.2", "outside the picture"),
        ("0 50 25 10 10", "outside the picture"),
        ("0 0.5 0.5 0 0.2", "without area"),
        ("0 0.5 0.5 0.2 -0.1", "without area"),
        ("0 nan 0.5 0.2 0.2", "not finite"),
        ("nan 0.5 0.5 0.2 0.2", "not a whole number"),
    ],
)
def test_bad_lines(tmp_path: Path, line: str, message: str) -> None:
    root = folders.yolo(tmp_path)
    folders.text(root / "labels/train/train1.txt", f"0 .5 .5 .1 .1\n{line}\n")
    dataset = boxes.read(root)
    assert len(dataset.problems) == 1
    assert "train1.txt" in dataset.problems[0].file and message in dataset.problems[0].message
    assert len(next(p for p in dataset.splits["train"] if p.path.name == "train1.png").boxes) == 1


def test_rounding_beyond_the_edge_is_clipped(tmp_path: Path) -> None:
    root = folders.yolo(tmp_path)
    folders.text(root / "labels/train/train0.txt", "0 0.5 0.5 1.0004 1.0\n")
    dataset = boxes.read(root)
    assert not dataset.problems
    assert dataset.splits["train"][0].boxes[0] == Box(0, 0, 0, 100, 50)


def test_damaged_pictures(tmp_path: Path) -> None:
    root = folders.yolo(tmp_path, counts={"train": 4, "val": 1})
    (root / "images/train/train0.png").write_bytes(b"no picture")
    png = root / "images/train/train1.png"
    png.write_bytes(png.read_bytes()[:-30])
    jpeg = root / "images/train/train9.jpg"
    Image.effect_noise((64, 64), 90).save(jpeg)
    jpeg.write_bytes(jpeg.read_bytes()[:-500])
    found = messages(boxes.read(root))
    assert all(name in found for name in ("train0.png", "train1.png", "train9.jpg")), found


def test_every_problem_at_once(tmp_path: Path) -> None:
    root = folders.yolo(tmp_path)
    folders.text(root / "labels/train/train0.txt", "9 .5 .5 .1 .1\nrubbish\n")
    folders.text(root / "labels/val/ghost.txt", "0 .5 .5 .1 .1\n")
    (root / "images/val/val1.png").write_bytes((root / "images/train/train2.png").read_bytes())
    dataset = boxes.read(root)
    found = messages(dataset)
    assert len(dataset.problems) == 4, found
    assert "ghost.txt: a label without picture" in found
    assert "train2.png: the same picture is in train and in val (val1.png)" in found


def test_listed_picture_that_is_missing(tmp_path: Path) -> None:
    root = folders.yolo(tmp_path, config="train: train.txt\nval: images/val\nnames: [a, b]\n")
    folders.text(root / "train.txt", "images/train/train0.png\nimages/train/lost.png\n")
    assert "lost.png: no such picture" in messages(boxes.read(root))


def test_split_folder_that_is_missing(tmp_path: Path) -> None:
    root = folders.yolo(tmp_path, config="train: images/train\nval: images/nowhere\nnames: [a, b]\n")
    assert "images/nowhere is not there" in messages(boxes.read(root))


def test_written_labels_fit_odd_sizes(tmp_path: Path) -> None:
    path = folders.picture(tmp_path / "source/a.png", 3, (1237, 2911))
    item = boxes.Picture(path, 1237, 2911, (Box(0, 0.137, 1.25, 1236.913, 2910.5), Box(1, 7, 9, 8.5, 10.25)))
    yolo.write(boxes.BoxDataset(("é: a", "b"), {"train": (item,), "val": ()}), tmp_path / "out")
    again = yolo.read(tmp_path / "out")
    assert again.classes == ("é: a", "b")
    for before, after in zip(item.boxes, again.splits["train"][0].boxes, strict=True):
        assert [after.x0, after.y0, after.x1, after.y1] == pytest.approx(
            [before.x0, before.y0, before.x1, before.y1], abs=1e-3
        )


def test_sideways_photograph_has_its_displayed_size(tmp_path: Path) -> None:
    root = folders.yolo(tmp_path)
    image = Image.new("RGB", (80, 40))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(root / "images/train/train0.jpg", exif=exif)
    (root / "images/train/train0.png").unlink()
    item = boxes.read(root).splits["train"][0]
    assert (item.width, item.height) == (40, 80)


def test_broken_yaml(tmp_path: Path) -> None:
    root = folders.yolo(tmp_path, config="names: [a, b\n")
    with pytest.raises(DataError, match=r"data\.yaml: not readable as YAML"):
        boxes.read(root)
