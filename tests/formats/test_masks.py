"""Pictures beside masks: every layout, every fault with its message."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cvl.errors import DataError
from cvl.formats import masks
from tests.formats import folders

LAYOUTS = ["{split}/{kind}", "{kind}/{split}"]


def problems(root: Path) -> list[str]:
    """The messages, with paths relative to `root`."""
    return [str(problem).replace(f"{root}/", "") for problem in masks.read(root).problems]


def names(data: masks.MaskDataset) -> dict[str, list[str]]:
    return {split: [picture.path.name for picture in items] for split, items in data.splits.items()}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_splits(tmp_path: Path, layout: str) -> None:
    data = masks.read(folders.masks(tmp_path, layout))
    assert names(data) == {"train": ["train0.jpg", "train1.jpg", "train2.jpg"], "val": ["val0.jpg", "val1.jpg"]}
    assert (data.problems, data.notes) == ((), ())
    picture = data.splits["val"][1]
    assert picture.mask == tmp_path / layout.format(split="val", kind="masks") / "val1.png"
    assert (picture.width, picture.height) == (folders.WIDTH, folders.HEIGHT)
    assert picture.foreground == pytest.approx(1 / (folders.WIDTH * folders.HEIGHT))


def test_other_names_of_splits(tmp_path: Path) -> None:
    data = masks.read(folders.masks(tmp_path, counts={"training": 2, "valid": 1, "test": 1}))
    assert {split: len(items) for split, items in data.splits.items()} == {"train": 2, "val": 1, "test": 1}


def test_without_splits_the_content_decides(tmp_path: Path) -> None:
    root = folders.masks(tmp_path / "a", "{kind}", {"x": 10})
    data = masks.read(root)
    assert {split: len(items) for split, items in data.splits.items()} == {"train": 8, "val": 2}
    assert data.notes == (
        "no validation split: 2 of 10 training pictures, chosen by their content, serve as one",
    )  # fmt: skip
    for kind, suffix in (("images", ".jpg"), ("masks", ".png")):
        for number in range(10):
            (root / kind / f"x{number}{suffix}").rename(root / kind / f"renamed{9 - number}{suffix}")
    again = masks.read(root)
    assert [p.digest for p in data.splits["val"]] == [p.digest for p in reversed(again.splits["val"])]


@pytest.mark.parametrize("ending", ["_mask", "_label", "_gt"])
def test_endings_of_masks(tmp_path: Path, ending: str) -> None:
    root = folders.masks(tmp_path)
    (root / "train/masks/train0.png").rename(root / f"train/masks/train0{ending}.png")
    data = masks.read(root)
    assert data.problems == () and data.splits["train"][0].mask.name == f"train0{ending}.png"


def test_folders_within(tmp_path: Path) -> None:
    root = folders.masks(tmp_path)
    for kind, name in (("images", "train0.jpg"), ("masks", "train0.png")):
        (root / "train" / kind / "road").mkdir()
        (root / "train" / kind / name).rename(root / "train" / kind / "road" / name)
    assert masks.read(root).problems == ()


def test_a_picture_without_mask_and_a_mask_without_picture(tmp_path: Path) -> None:
    root = folders.masks(tmp_path)
    (root / "train/masks/train1.png").rename(root / "train/masks/other.png")
    assert problems(root) == [
        "train/images/train1.jpg: has no mask: expected train/masks/train1.png",
        "train/masks/other.png: a mask without picture",
    ]


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_a_whole_folder_missing(tmp_path: Path, kind: str) -> None:
    root = folders.masks(tmp_path)
    shutil.rmtree(root / "val" / kind)
    found = problems(root)
    assert len(found) == 2 and all(
        ("a mask without picture" if kind == "images" else "has no mask") in line for line in found
    )


def test_two_pictures_or_two_masks_of_one_name(tmp_path: Path) -> None:
    root = folders.masks(tmp_path)
    folders.picture(root / "train/images/train0.png", 99)
    folders.mask(root / "train/masks/train1.bmp", 255)
    assert problems(root) == [
        "train/images/train0.png: has the name of train0.jpg, and a mask is of one picture",
        "train/masks/train1.png: a second mask of train1.jpg, beside train1.bmp",
    ]


def test_sizes_that_differ(tmp_path: Path) -> None:
    root = folders.masks(tmp_path)
    folders.mask(root / "train/masks/train0.png", 255, size=(50, 100))
    assert problems(root) == ["train/masks/train0.png: the mask is 50x100, its picture train0.jpg is 100x50"]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    root = folders.masks(tmp_path)
    (root / "train/images/train0.jpg").write_bytes(b"no picture")
    (root / "train/masks/train1.png").write_bytes(b"")
    assert problems(root) == [
        "train/images/train0.jpg: not a readable picture (UnidentifiedImageError)",
        "train/masks/train1.png: not a readable mask (UnidentifiedImageError)",
    ]
    assert names(masks.read(root))["train"] == ["train2.jpg"]


def test_values_that_are_no_mask(tmp_path: Path) -> None:
    root = folders.masks(tmp_path)
    folders.mask(root / "val/masks/val0.png", 1, 2, 3)
    assert problems(root) == [
        "val/masks/val0.png: 4 value(s) (0, 1, 2, …): a mask has 0, and 1 or 255 where the foreground is"
    ]


def test_a_picture_in_two_splits(tmp_path: Path) -> None:
    root = folders.masks(tmp_path)
    shutil.copy(root / "train/images/train1.jpg", root / "val/images/val0.jpg")
    assert problems(root) == ["train/images/train1.jpg: the same picture is in train and in val (val0.jpg)"]
    assert "train1.jpg" not in names(masks.read(root))["train"] and "val0.jpg" in names(masks.read(root))["val"]


def test_a_split_without_foreground(tmp_path: Path) -> None:
    root = folders.masks(tmp_path)
    for name in ("val0", "val1"):
        folders.mask(root / f"val/masks/{name}.png")
    assert problems(root) == ["val: no foreground on any of its 2 masks"]


def test_empty_masks_are_counted_in_a_note(tmp_path: Path) -> None:
    root = folders.masks(tmp_path)
    folders.mask(root / "train/masks/train2.png")
    data = masks.read(root)
    assert (data.problems, data.notes) == ((), ("train: 1 of 3 masks are empty: pictures without foreground",))


def test_what_was_assumed_about_masks_is_noted(tmp_path: Path) -> None:
    root = folders.masks(tmp_path)
    (root / "train/masks/train0.png").unlink()
    Image.new("L", (folders.WIDTH, folders.HEIGHT), 255).save(root / "train/masks/train0.jpg")
    for name in ("train1", "train2"):
        folders.mask(root / f"train/masks/{name}.png", 38)
    for name in ("val0", "val1"):
        Image.new("L", (folders.WIDTH, folders.HEIGHT), 255).save(root / f"val/masks/{name}.png")
    data = masks.read(root)
    assert data.problems == ()
    assert data.notes == (
        "val: 100% of the pixels are foreground: what is sought must be white, not black",
        "1 mask(s) are JPEG: 128 and more counts as foreground, edges are blurred",
        "2 mask(s) have the values 0 and 38: 38 counts as foreground",
    )


@pytest.mark.parametrize(
    ("made", "found"),
    [
        ([], "no pictures in these places"),
        (["train/images", "train/masks"], "no pictures in these places"),
        (["images"], "no pictures in these places"),
    ],
)
def test_nothing_recognised(tmp_path: Path, made: list[str], found: str) -> None:
    folders.text(tmp_path / "readme.md", "")
    for name in made:
        (tmp_path / name).mkdir(parents=True)
    with pytest.raises(DataError) as caught:
        masks.read(tmp_path)
    assert caught.value.message == f"{tmp_path}: no data set of masks recognised ({found})"
    assert caught.value.hint == f"expected {masks.FORMS}"


def test_pictures_without_any_mask_are_named(tmp_path: Path) -> None:
    folders.picture(tmp_path / "images/a.png", 1)
    with pytest.raises(DataError, match=r"a\.png: has no mask"):
        masks.read(tmp_path)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        masks.read(tmp_path)
    assert caught.value.hint == f"expected {masks.FORMS}"


def test_recognises(tmp_path: Path) -> None:
    assert masks.recognises(folders.masks(tmp_path / "masks"))
    assert not masks.recognises(folders.yolo(tmp_path / "yolo"))


def test_check_counts_against_max_bad(tmp_path: Path) -> None:
    root = folders.masks(tmp_path)
    (root / "train/masks/train1.png").rename(root / "train/masks/other.png")
    data = masks.read(root)
    masks.check(data, max_bad=2)
    with pytest.raises(DataError, match=r"2 problem\(s\) in the data set"):
        masks.check(data, max_bad=1)


def test_stats(tmp_path: Path) -> None:
    root = folders.masks(tmp_path)
    folders.mask(root / "train/masks/train0.png")
    folders.mask(root / "train/masks/train1.png", *[255] * 50)
    folders.picture(root / "train/images/train2.jpg", 77, (10, 10))
    folders.mask(root / "train/masks/train2.png", 255, size=(10, 10))
    train = masks.stats(masks.read(root))["splits"]["train"]
    assert train["images"] == 3 and train["empty"] == 1 and train["sizes"] == {"100x50": 2, "10x10": 1}
    assert train["foreground"] == pytest.approx(51 / 10100)
    assert train["foreground_per_image"] == pytest.approx({"min": 0, "median": 0.01, "max": 0.01})


@settings(max_examples=30, deadline=None)
@given(
    files=st.sets(
        st.tuples(
            st.sampled_from(["images", "masks"]),
            st.sampled_from(["a", "b", "a_mask", "b_gt"]),
            st.sampled_from([".png", ".bmp"]),
        )
    )
)
def test_each_file_of_any_mixture_is_used_or_named(
    files: set[tuple[str, str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("any")
    folders.masks(root, counts={"val": 1})
    made = {
        str(folders.mask(root / "train" / kind / f"{stem}{suffix}", *[255] * number))
        for number, (kind, stem, suffix) in enumerate(sorted(files), 1)
    }
    data = masks.read(root)
    used = {str(file) for p in data.splits.get("train", ()) for file in (p.path, p.mask)}
    named = {problem.file for problem in data.problems}
    assert used | named == made and not used & named


@pytest.mark.skipif("CVL_CFD_DIR" not in os.environ, reason="CVL_CFD_DIR names no folder of real roads")
def test_real_roads() -> None:
    data = masks.read(os.environ["CVL_CFD_DIR"])
    pictures = [picture for split in data.splits.values() for picture in split]
    assert not data.problems and {(p.width, p.height) for p in pictures} == {(480, 320)}
    assert len(pictures) > 50 and 0.01 < sum(p.foreground for p in pictures) / len(pictures) < 0.03
