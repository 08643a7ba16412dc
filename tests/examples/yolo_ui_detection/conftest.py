"""A few drawn screens with known boxes, and training runs on them: small enough to take a second each."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from cvl.formats import yolo
from cvl.formats.boxes import Box, BoxDataset, Picture
from tests.examples.training import REPOSITORY, inherited

EXAMPLE = REPOSITORY / "examples" / "yolo-ui-detection"
CLASSES = ("button", "checkbox")
SIZES = {0: (60, 24), 1: (20, 20)}
# What makes a run short, and independent of the example's defaults; a test sets what it is about.
SHORT = {
    "MODEL": "yolov8n",
    "WEIGHTS": "none",
    "NUM_EPOCHS": "1",
    "BATCH_SIZE": "4",
    "IMAGE_SIZE": "64",
    "AUGMENT": "none",
    "VAL_EVERY": "1",
}


@pytest.fixture
def screens(tmp_path: Path) -> Path:
    """8 screens to train on, 4 to validate, 4 to test, 192x128 px."""
    return write_screens(tmp_path / "screens")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What every run gets."""
    return {**inherited(tmp_path), **SHORT}


@pytest.fixture
def example() -> Path:
    return EXAMPLE


@pytest.fixture
def own_data(screens: Path) -> Path:
    return screens


def write_screens(folder: Path, *, train: int = 8, val: int = 4, test: int = 4) -> Path:
    """A YOLO data set."""
    draw = random.Random(1)
    splits = {
        split: tuple(_screen(folder / "images" / split / f"{split}_{i}.png", draw) for i in range(count))
        for split, count in (("train", train), ("val", val), ("test", test))
    }
    yolo.write(BoxDataset(CLASSES, splits, format="yolo"), folder)
    return folder


def _screen(file: Path, draw: random.Random) -> Picture:
    image = Image.new("RGB", (192, 128), "white")
    pen = ImageDraw.Draw(image)
    boxes = []
    for x, y in ((8, 8), (104, 8), (8, 72), (104, 72)):
        label = draw.randrange(2)
        width, height = SIZES[label]
        left, top = x + draw.randrange(16), y + draw.randrange(16)
        corner = (left + width, top + height)
        pen.rectangle((left, top, corner[0] - 1, corner[1] - 1), fill="#0969da" if label == 0 else None, outline=0)
        boxes.append(Box(label, left, top, *corner))
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file)
    return Picture(file, 192, 128, tuple(boxes))
