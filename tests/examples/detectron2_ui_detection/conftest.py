"""A few drawn screens with known boxes, and training runs on them: small enough to take a few seconds each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.examples.training import REPOSITORY, inherited
from tests.examples.yolo_ui_detection.conftest import write_screens

EXAMPLE = REPOSITORY / "examples" / "detectron2-ui-detection"
# What makes a run short, and independent of the example's defaults; a test sets what it is about.
SHORT = {
    "MODEL": "faster_rcnn_lite0_FPN",
    "WEIGHTS": "none",
    "NUM_EPOCHS": "1",
    "BATCH_SIZE": "2",
    "IMAGE_SIZE": "96",
    "AUGMENT": "none",
    "OMP_NUM_THREADS": "1",
}


@pytest.fixture
def screens(tmp_path: Path) -> Path:
    """4 screens to train on, 2 to validate, 2 to test, 192x128 px."""
    return write_screens(tmp_path / "screens", train=4, val=2, test=2)


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
