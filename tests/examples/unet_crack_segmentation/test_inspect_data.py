"""The preset `data`: everything is printed and drawn before faults end it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

pytestmark = pytest.mark.training("unet-crack-segmentation")

REPOSITORY = Path(__file__).resolve().parents[3]
EXAMPLE = REPOSITORY / "examples/unet-crack-segmentation"
Inspect = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def inspect(ml_python: Path, tmp_path: Path) -> Inspect:
    def run(**values: str) -> subprocess.CompletedProcess[str]:
        env = {"PYTHONPATH": str(REPOSITORY), "HOME": str(tmp_path), "OUTPUT_DIR": str(tmp_path / "run"), **values}
        return subprocess.run([ml_python, EXAMPLE / "inspect_data.py"], env=env, capture_output=True, text=True)

    return run


@pytest.fixture
def roads(tmp_path: Path) -> Path:
    """Two pictures to learn from, 80x60 px, with cracks 3 and 5 px wide; one to validate with one of 3 px."""
    for split, number, width in (("train", 0, 3), ("train", 1, 5), ("val", 0, 3)):
        for part in ("images", "masks"):
            (tmp_path / "roads" / split / part).mkdir(parents=True, exist_ok=True)
        shade = 100 + 10 * number + 5 * (split == "val")
        Image.new("RGB", (80, 60), (shade,) * 3).save(tmp_path / f"roads/{split}/images/{number}.png")
        mask = Image.new("1", (80, 60))
        ImageDraw.Draw(mask).rectangle((0, 30, 79, 29 + width), fill=1)
        mask.save(tmp_path / f"roads/{split}/masks/{number}.png")
    return tmp_path / "roads"


def test_own_data_in_a_table_and_on_sheets(inspect: Inspect, roads: Path, tmp_path: Path) -> None:
    done = inspect(DATA_DIR=str(roads), NUM_SAMPLES="4")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[0] == [str(roads)]
    train, val = (next(row for row in rows if row[:1] == [split]) for split in ("train", "val"))
    assert train[:7] == ["train", "2", "0", "6.67%", "5.0%", "…", "8.3%"]  # 3 and 5 rows of 60: 8 / 120 of the pixels
    assert val[:7] == ["val", "1", "0", "5.00%", "5.0%", "…", "5.0%"]
    # The middle line forks into the corners of the ends, which lie nearer to the border.
    assert [float(word) for word in train[7:12:2]] == pytest.approx([3, 4, 5], abs=0.15)
    assert train[-2:] == ["80x60", "(2)"]
    assert done.stdout.splitlines()[-1] == "0 faults, MAX_BAD=0: fit for training"
    assert json.loads((tmp_path / "run/data.json").read_text())["splits"]["train"]["images"] == 2
    with Image.open(tmp_path / "run/visualizations/train.png") as sheet:
        colours = {colour for _, colour in sheet.convert("RGB").getcolors(1 << 20) or []}
    assert {(255, 59, 48), (100, 100, 100), (110, 110, 110)} <= colours


def test_faults_end_it_after_all_is_said(inspect: Inspect, roads: Path, tmp_path: Path) -> None:
    (roads / "train/masks/1.png").unlink()
    Image.new("1", (8, 8)).save(roads / "val/masks/0.png")
    done = inspect(DATA_DIR=str(roads))
    assert done.returncode == 2
    assert f"fault: {roads}/train/images/1.png: has no mask" in done.stdout
    assert "the mask is 8x8, its picture 0.png is 80x60" in done.stdout
    assert "hint:" in done.stderr
    assert (tmp_path / "run/visualizations/train.png").is_file()


def test_the_sample_says_where_it_comes_from(inspect: Inspect) -> None:
    done = inspect(NUM_SAMPLES="2")
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()[:2]
    assert first.endswith("cracks (shipped with cvl)")
    assert "generated with seed 0" in second
    assert "train: 9 of 96 masks are empty" in done.stdout
