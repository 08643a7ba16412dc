"""Pictures as they are displayed, whatever their depth."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from cvl.formats import pictures


@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_sixteen_bits_are_scaled_to_eight(name: str, tmp_path: Path) -> None:
    values = [0, 1, 257, 32768, 65278, 65535]
    image = Image.new("I;16", (len(values), 1))
    for x, value in enumerate(values):
        image.putpixel((x, 0), value)
    image.save(tmp_path / name)
    read = pictures.load(tmp_path / name)
    assert read.mode == "RGB" and read.tobytes() == bytes(level for level in (0, 0, 1, 127, 254, 255) for _ in "RGB")


def test_a_picture_is_turned_as_its_exif_says(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("L", (6, 4), 200).save(tmp_path / "a.jpg", exif=turned)
    assert pictures.load(tmp_path / "a.jpg").size == (4, 6)
