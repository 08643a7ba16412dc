"""Makes the logs under data/ with the real libraries: `python tests/readers/make_fixtures.py ultralytics`.

Needs the library itself, not a GPU; the tests read what this wrote and need neither.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

DATA = Path(__file__).parent / "data"


def ultralytics() -> None:
    """results.csv of two generations of models: the newer one has no dfl_loss."""
    from ultralytics import YOLO

    target = DATA / "ultralytics"
    with tempfile.TemporaryDirectory() as scratch:
        description = _draw_boxes(Path(scratch))
        for name in ("yolov8n", "yolo26n"):
            YOLO(f"{name}.yaml").train(
                data=str(description), epochs=3, imgsz=64, batch=4, workers=0, device="cpu", seed=0, amp=False,
                plots=False, project=scratch, name=name,
            )  # fmt: skip
            (target / name).mkdir(parents=True, exist_ok=True)
            shutil.copy(Path(scratch) / name / "results.csv", target / name / "results.csv")


def _draw_boxes(folder: Path) -> Path:
    """A YOLO data set: one filled rectangle an image."""
    from PIL import Image, ImageDraw

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


MAKERS: dict[str, Callable[[], None]] = {"ultralytics": ultralytics}

if __name__ == "__main__":
    for name in sys.argv[1:] or MAKERS:
        MAKERS[name]()
