"""Matching predictions with the truth, and pictures that show it."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from cvl.formats.boxes import Box, Picture
from cvl.kit import drawing
from cvl.kit.drawing import Found

BUTTON = Box(0, 10, 10, 60, 30)
LINK = Box(1, 100, 10, 140, 30)


def test_a_box_is_found_once_by_the_most_certain() -> None:
    near = Box(0, 12, 10, 60, 30)
    found = drawing.compare([BUTTON], [Found(near, 0.5), Found(BUTTON, 0.9)])
    assert found.matched == ((0, 1),)
    assert found.f1 == 2 / 3


def test_class_and_overlap_must_agree() -> None:
    other_class = Box(1, 10, 10, 60, 30)
    too_far = Box(0, 40, 10, 90, 30)
    assert drawing.compare([BUTTON], [Found(other_class, 0.9), Found(too_far, 0.9)]).matched == ()


def test_a_screen_without_anything_is_right() -> None:
    assert drawing.compare([], []).f1 == 1.0
    assert drawing.compare([], [Found(BUTTON, 0.9)]).f1 == 0.0


def test_missed_and_wrong_boxes_are_told_by_colour() -> None:
    image = Image.new("RGB", (200, 100), "white")
    wrong = Box(0, 100, 60, 150, 90)
    comparison = drawing.compare([BUTTON, LINK], [Found(BUTTON, 0.9), Found(wrong, 0.8)])
    sheet = drawing.side_by_side(image, comparison, ["button", "link"], title="screen.png")
    assert sheet.width == 2 * (2 * image.width) + 8  # a small picture is enlarged
    left, right = sheet.crop((0, 34, 400, 234)), sheet.crop((408, 34, 808, 234))
    assert has(left, drawing.RIGHT) and has(left, drawing.MISSED) and not has(left, drawing.WRONG)
    assert has(right, drawing.RIGHT) and has(right, drawing.WRONG) and not has(right, drawing.MISSED)


def has(image: Image.Image, colour: str) -> bool:
    wanted = tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return any(pixel == wanted for _, pixel in image.getcolors(maxcolors=1 << 16) or [])


def test_a_box_of_negative_size_is_no_reason_to_fail() -> None:
    drawn = drawing.mark(Image.new("RGB", (64, 64), "white"), [(Box(0, 40, 40, 30, 20), "button", "#ff0000")])
    assert drawn.getpixel((40, 40)) == (255, 0, 0)


def test_the_worst_screen_comes_first(tmp_path: Path) -> None:
    screens = [Picture(tmp_path / f"{name}.png", 200, 100, (BUTTON,)) for name in ("right", "wrong", "none")]
    for screen in screens:
        Image.new("RGB", (200, 100), "white").save(screen.path)
    found = [[Found(BUTTON, 0.9)], [Found(LINK, 0.9), Found(BUTTON, 0.8)], []]
    compared = [drawing.compare(screen.boxes, some) for screen, some in zip(screens, found, strict=True)]
    drawing.draw_worst(screens, compared, ("button", "link"), tmp_path / "drawn", prefix="val", count=2)
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["val_01_none.png", "val_02_wrong.png"]
