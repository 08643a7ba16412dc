"""What counts as foreground in one mask file, and what is no mask."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from cvl.formats import maskfile
from tests.formats import folders

ORIENTATION = 0x0112
PIXELS = folders.WIDTH * folders.HEIGHT


def foreground(image: Image.Image) -> int:
    """How many pixels are 255; the others must be 0."""
    counts = image.histogram()
    assert image.mode == "L" and counts[0] + counts[255] == image.width * image.height
    return counts[255]


@pytest.mark.parametrize("values", [(1, 1, 1), (255, 255, 255)])
def test_one_and_255_are_foreground(tmp_path: Path, values: tuple[int, ...]) -> None:
    file = folders.mask(tmp_path / "a.png", *values)
    look = maskfile.look(file)
    assert (look.width, look.height) == (folders.WIDTH, folders.HEIGHT)
    assert look.foreground == pytest.approx(3 / PIXELS)
    assert (look.damage, look.other, look.jpeg) == ("", None, False)
    assert foreground(maskfile.load(file)) == 3


def test_an_empty_mask_is_a_mask(tmp_path: Path) -> None:
    look = maskfile.look(folders.mask(tmp_path / "a.png"))
    assert (look.damage, look.foreground) == ("", 0)


@pytest.mark.parametrize("value", [1, 255])
def test_so_is_a_full_one(tmp_path: Path, value: int) -> None:
    Image.new("L", (4, 3), value).save(tmp_path / "a.png")
    look = maskfile.look(tmp_path / "a.png")
    assert (look.damage, look.foreground) == ("", 1)
    assert foreground(maskfile.load(tmp_path / "a.png")) == 12


def test_another_pair_with_0_is_taken_and_said(tmp_path: Path) -> None:
    file = folders.mask(tmp_path / "a.png", 38, 38)
    look = maskfile.look(file)
    assert (look.damage, look.other) == ("", 38)
    assert foreground(maskfile.load(file)) == 2


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((1, 2), "3 value(s) (0, 1, 2): a mask has 0, and 1 or 255 where the foreground is"),
        ((9, 8, 7, 6), "5 value(s) (0, 6, 7, …): a mask has 0, and 1 or 255 where the foreground is"),
    ],
)
def test_more_than_two_values_are_no_mask(tmp_path: Path, values: tuple[int, ...], expected: str) -> None:
    assert maskfile.look(folders.mask(tmp_path / "a.png", *values)).damage == expected


@pytest.mark.parametrize("values", [(1, 2), (7, 7), (254, 255)])
def test_a_mask_without_0_has_no_background(tmp_path: Path, values: tuple[int, int]) -> None:
    image = Image.new("L", (2, 1), values[0])
    image.putpixel((1, 0), values[1])
    image.save(tmp_path / "a.png")
    assert "a mask has 0, and 1 or 255" in maskfile.look(tmp_path / "a.png").damage


def test_one_bit_a_pixel_and_palettes_and_colours(tmp_path: Path) -> None:
    one = Image.new("1", (4, 4))
    one.putpixel((1, 1), 1)
    palette = Image.new("P", (4, 4))  # white comes first: the colours count, not their numbers
    palette.putpalette([255, 255, 255, 0, 0, 0])
    palette.paste(1, (0, 0, 4, 4))
    palette.putpixel((1, 1), 0)
    red = Image.new("RGB", (4, 4))
    red.putpixel((1, 1), (255, 0, 0))
    for name, image in {"one": one, "palette": palette, "red": red}.items():
        image.save(tmp_path / f"{name}.png")
        look = maskfile.look(tmp_path / f"{name}.png")
        assert (look.damage, look.foreground) == ("", 1 / 16), name
        assert maskfile.load(tmp_path / f"{name}.png").getpixel((1, 1)) == 255, name


def test_more_than_8_bits_are_refused(tmp_path: Path) -> None:
    Image.new("I;16", (4, 4), 1).save(tmp_path / "a.png")
    assert maskfile.look(tmp_path / "a.png").damage == "a mask of more than 8 bits a pixel"


def crack() -> Image.Image:
    image = Image.new("L", (320, 200))
    ImageDraw.Draw(image).line([(0, 20), (120, 90), (319, 180)], fill=255, width=5)
    return image


@pytest.mark.parametrize("quality", [30, 95])
def test_a_jpeg_mask_is_split_in_the_middle(tmp_path: Path, quality: int) -> None:
    crack().save(tmp_path / "a.jpg", quality=quality)
    look = maskfile.look(tmp_path / "a.jpg")
    exact = foreground(crack())
    assert (look.damage, look.jpeg) == ("", True)
    assert foreground(maskfile.load(tmp_path / "a.jpg")) == pytest.approx(exact, rel=0.02)
    assert look.foreground * 320 * 200 == pytest.approx(foreground(maskfile.load(tmp_path / "a.jpg")))


def test_a_photograph_is_no_mask(tmp_path: Path) -> None:
    Image.radial_gradient("L").save(tmp_path / "a.jpg")
    assert maskfile.look(tmp_path / "a.jpg").damage.endswith("% of its pixels: a photograph?")


def test_a_jpeg_must_be_bright_somewhere(tmp_path: Path) -> None:
    grey = Image.new("L", (64, 64))
    grey.paste(60, (0, 0, 64, 8))
    grey.save(tmp_path / "a.jpg")
    assert maskfile.look(tmp_path / "a.jpg").damage == "a JPEG whose brightest value is 60: foreground is 128 and more"


def test_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # is shown turned clockwise: the pixel at the top left goes to the top right
    folders.mask(tmp_path / "a.png", 255, exif=exif)
    look, shown = maskfile.look(tmp_path / "a.png"), maskfile.load(tmp_path / "a.png")
    assert (look.width, look.height) == shown.size == (folders.HEIGHT, folders.WIDTH)
    assert shown.getpixel((folders.HEIGHT - 1, 0)) == 255


@pytest.mark.parametrize("keep", [0, 20, 60])
def test_a_broken_file(tmp_path: Path, keep: int) -> None:
    content = folders.mask(tmp_path / "a.png", 255).read_bytes()
    (tmp_path / "a.png").write_bytes(content[:keep])
    assert maskfile.look(tmp_path / "a.png").damage.startswith("not a readable mask (")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert maskfile.look(tmp_path / "a.png").damage == "cannot be read: No such file or directory"


@given(pixels=st.lists(st.sampled_from([0, 0, 0, 1, 2, 255]), min_size=1, max_size=30))
def test_look_and_load_agree_on_every_mask(pixels: list[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.getbasetemp() / "agree.png"
    image = Image.new("L", (len(pixels), 1))
    image.putdata(pixels)
    image.save(file)
    look = maskfile.look(file)
    values = set(pixels)
    assert (look.damage == "") == (len(values | {0}) == 2 or values == {0}) or values == {2}
    if not look.damage:
        assert foreground(maskfile.load(file)) == sum(pixel > 0 for pixel in pixels) == look.foreground * len(pixels)
