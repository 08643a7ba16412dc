"""Which pictures are taken: what SOURCE names, what can be read, some of many."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from cvl.errors import DataError
from cvl.formats.boxes import Picture
from cvl.kit import sources
from tests.formats import folders


def test_source_names_a_file_or_a_folder_or_nothing(tmp_path: Path) -> None:
    for name in ("b.png", "a.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    splits = {"val": [Picture(Path("v.png"), 4, 4)], "test": [Picture(Path("t.png"), 4, 4)]}
    assert sources.named(None, lambda: splits) == [Path("t.png")]
    assert sources.named(None, lambda: {"val": splits["val"]}) == [Path("v.png")]
    assert [path.name for path in sources.named(str(tmp_path), dict)] == ["a.png", "b.png"]
    assert sources.named(str(tmp_path / "b.png"), dict) == [tmp_path / "b.png"]
    with pytest.raises(DataError, match="there is no such file or folder\nhint: a picture"):
        sources.named(str(tmp_path / "none"), dict)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no picture in it or below"):
        sources.named(str(tmp_path / "empty"), dict)


def test_what_cannot_be_read_is_left_out_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    Image.new("RGB", (5, 4)).save(good)
    bad.write_text("no picture")
    skipped: list[dict[str, str]] = []
    assert [(path, image.size) for path, image in sources.readable([bad, good], skipped)] == [(good, (5, 4))]
    assert [entry["file"] for entry in skipped] == [str(bad)]
    assert f"left out: {bad}: not a readable picture (of no known kind)" in capsys.readouterr().err
    with pytest.raises(DataError, match=r"none of 1 file\(s\) could be read"):
        list(sources.readable([bad], []))


def test_some_are_spread_or_drawn_in_their_order() -> None:
    assert sources.spread(range(10), 4) == [0, 2, 5, 7] and sources.spread(range(3), 9) == [0, 1, 2]
    assert sources.some(range(3), None, 0) == sources.some(range(3), 3, 0) == (0, 1, 2)
    drawn = sources.some(range(100), 10, 1)
    assert len(drawn) == 10 and list(drawn) == sorted(drawn) and drawn == sources.some(range(100), 10, 1)
    assert drawn != sources.some(range(100), 10, 2)


def test_boxes_are_checked_said_and_cut_to_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = str(folders.yolo(tmp_path))
    whole = sources.boxed(root, "none")
    counts = ", ".join(f"{len(found)} {split}" for split, found in whole.splits.items())
    assert f"data: {counts}; 2 classes" in capsys.readouterr().err
    few = sources.boxed(root, "none", max_train=1, seed=3)
    assert len(few.splits["train"]) == 1 and few.splits["val"] == whole.splits["val"]
    with pytest.raises(DataError, match="no labelled picture in gone"):
        sources.boxed(root, "none", needs=("gone",))
    (tmp_path / "labels/train/train0.txt").write_text("7 0.5 0.5 0.1 0.1\n")
    with pytest.raises(DataError, match="class 7 is out of range"):
        sources.boxed(root, "none")
    assert len(sources.boxed(root, "none", max_bad=1).splits["train"]) == len(whole.splits["train"])
