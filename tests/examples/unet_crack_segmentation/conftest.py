"""A few drawn roads with known cracks, and training runs on them: small enough to take a second each."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from tests.examples.training import REPOSITORY, inherited

EXAMPLE = REPOSITORY / "examples" / "unet-crack-segmentation"
# What makes a run short, and independent of the example's defaults; a test sets what it is about.
SHORT = {
    "MODEL": "unet",
    "ENCODER": "tu-resnet10t",
    "WEIGHTS": "none",
    "NUM_EPOCHS": "1",
    "BATCH_SIZE": "4",
    "IMAGE_SIZE": "64",
    "AUGMENT": "none",
    "VAL_EVERY": "1",
    "METRICS": "miou",
}


@pytest.fixture
def roads(tmp_path: Path) -> Path:
    """8 pictures to train on, 3 to validate, 3 to test, 64x48 px."""
    return write_roads(tmp_path / "roads")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What every run gets."""
    return {**inherited(tmp_path), **SHORT}


@pytest.fixture
def example() -> Path:
    return EXAMPLE


@pytest.fixture
def own_data(roads: Path) -> Path:
    return roads


def write_roads(folder: Path, *, train: int = 8, val: int = 3, test: int = 3) -> Path:
    """A data set of masks: dark lines on grey."""
    draw = random.Random(1)
    for split, count in (("train", train), ("val", val), ("test", test)):
        for number in range(count):
            _road(folder / split, f"{split}-{number}.png", draw)
    return folder


def _road(folder: Path, name: str, draw: random.Random) -> None:
    image, mask = Image.effect_noise((64, 48), 20).convert("RGB"), Image.new("L", (64, 48))
    points = [(x, draw.randrange(4, 44)) for x in range(0, 80, 16)]
    ImageDraw.Draw(image).line(points, fill=(30, 30, 30), width=3)
    ImageDraw.Draw(mask).line(points, fill=255, width=3)
    for kind, picture in (("images", image), ("masks", mask)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        picture.save(folder / kind / name)
