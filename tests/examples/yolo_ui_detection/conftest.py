"""A few drawn screens with known boxes, and training runs on them: small enough to take a second each."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from cvl.formats import yolo
from cvl.formats.boxes import Box, BoxDataset, Picture

REPOSITORY = Path(__file__).resolve().parents[3]
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
# Runs train.py once for each set of environment variables, in one process: torch is loaded once.
DRIVER = """
import json, os, runpy, sys
example, runs = sys.argv[1:]
sys.argv[1:] = []
sys.path.insert(0, example)
base = dict(os.environ)
for environment in json.loads(runs):
    os.environ.clear()
    os.environ.update({**base, **environment})
    try:
        runpy.run_path(os.path.join(example, "train.py"), run_name="__main__")
    except SystemExit as end:
        assert not end.code, environment
"""


@dataclass(frozen=True)
class Run:
    """An ended process and its run folder."""

    code: int
    text: str
    folder: Path

    @property
    def rows(self) -> list[dict[str, float]]:
        return [json.loads(line) for line in (self.folder / "metrics.jsonl").read_text().splitlines()]

    def column(self, name: str) -> list[float]:
        return [row[name] for row in self.rows if name in row]


Train = Callable[..., Run]


@pytest.fixture
def screens(tmp_path: Path) -> Path:
    """8 screens to train on, 4 to validate, 4 to test, 192x128 px."""
    return write_screens(tmp_path / "screens")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What every run gets; caches live in the test's own folder."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LD_LIBRARY_PATH") if name in os.environ}
    return {
        **inherited,
        "PYTHONPATH": str(REPOSITORY),
        "CVL_CACHE": str(tmp_path / "cache"),
        "CVL_RUN": "test",
        **SHORT,
    }


@pytest.fixture
def train(ml_python: Path, screens: Path, environment: dict[str, str], tmp_path: Path) -> Train:
    """Runs train.py (or another `script`) to its end."""

    def once(name: str = "run", script: tuple[str, ...] = (str(EXAMPLE / "train.py"),), **values: str) -> Run:
        folder = tmp_path / name
        env = {**environment, "DATA_DIR": str(screens), "OUTPUT_DIR": str(folder), **values}
        done = subprocess.run([ml_python, *script], env=env, capture_output=True, text=True, cwd=tmp_path)
        return Run(done.returncode, done.stdout + done.stderr, folder)

    return once


@pytest.fixture
def train_each(ml_python: Path, screens: Path, environment: dict[str, str], tmp_path: Path) -> Callable[..., list[Run]]:
    """Runs train.py once for each set of values, all in one process."""

    def each(*variants: dict[str, str]) -> list[Run]:
        folders = [tmp_path / f"run{number}" for number in range(len(variants))]
        sets = [{"OUTPUT_DIR": str(folder), **values} for folder, values in zip(folders, variants, strict=True)]
        command = [str(ml_python), "-c", DRIVER, str(EXAMPLE), json.dumps(sets)]
        env = {**environment, "DATA_DIR": str(screens)}
        done = subprocess.run(command, env=env, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        return [Run(0, done.stderr, folder) for folder in folders]

    return each


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
