"""Writes data/ultralytics/ with the real library: results.csv of two generations of models (the newer has no dfl_loss).

python tests/readers/makers/ultralytics.py
"""

from __future__ import annotations

import csv
import random
import shutil
import tempfile
from pathlib import Path

import _expected
from PIL import Image, ImageDraw
from ultralytics import YOLO

DATA = Path(__file__).parents[1] / "data" / "ultralytics"


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        description = draw_boxes(Path(scratch))
        for name in ("yolov8n", "yolo26n"):
            YOLO(f"{name}.yaml").train(
                data=str(description), epochs=3, imgsz=64, batch=4, workers=0, device="cpu", seed=0, amp=False,
                plots=False, project=scratch, name=name,
            )  # fmt: skip
            (DATA / name).mkdir(parents=True, exist_ok=True)
            shutil.copy(Path(scratch) / name / "results.csv", DATA / name / "results.csv")
            expect(DATA / name)


def expect(case: Path) -> None:
    """What the csv module finds in it."""
    with (case / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = [{name.strip(): float(cell) for name, cell in row.items()} for row in csv.DictReader(file)]
    names = [name for name in rows[0] if name != "epoch"]
    _expected.write(case, {name: [(int(row["epoch"]), row["epoch"], row[name]) for row in rows] for name in names})


def draw_boxes(folder: Path) -> Path:
    """A YOLO data set: one filled rectangle an image."""
    dice = random.Random(0)
    for part in ("images", "labels"):
        (folder / part).mkdir()
    for i in range(8):
        image = Image.new("RGB", (64, 64), "white")
        x, y, width, height = dice.randint(2, 20), dice.randint(2, 20), dice.randint(16, 40), dice.randint(16, 40)
        ImageDraw.Draw(image).rectangle((x, y, x + width, y + height), fill="red")
        image.save(folder / "images" / f"{i}.png")
        box = ((x + width / 2) / 64, (y + height / 2) / 64, width / 64, height / 64)
        (folder / "labels" / f"{i}.txt").write_text("0 " + " ".join(f"{v:.4f}" for v in box) + "\n", encoding="utf-8")
    description = folder / "data.yaml"
    description.write_text(f"path: {folder}\ntrain: images\nval: images\nnames: {{0: box}}\n", encoding="utf-8")
    return description


if __name__ == "__main__":
    main()
