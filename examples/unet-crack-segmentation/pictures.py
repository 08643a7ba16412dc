"""What was found on a picture, and what was not: pictures for people, failures first."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cvl.formats.masks import Picture
from cvl.kit import drawing

RIGHT, WRONG, MISSED = (46, 160, 67), (248, 81, 73), (255, 160, 0)


def overlay(image: Image.Image, found: np.ndarray, truth: np.ndarray) -> Image.Image:
    """The picture, darkened, with pixels found green, found wrongly red, missed orange; masks (H, W) of booleans."""
    drawn = np.asarray(image.convert("RGB")) // 2
    for where, colour in ((found & truth, RIGHT), (found & ~truth, WRONG), (truth & ~found, MISSED)):
        drawn[where] = colour
    return Image.fromarray(drawn)


def triple(image: Image.Image, found: np.ndarray, truth: np.ndarray, *, title: str, dice: float) -> Image.Image:
    """Picture, truth and what was found, side by side."""
    mask = Image.fromarray((truth * 255).astype(np.uint8)).convert("RGB")
    text = f"Dice {dice:.2f}: green right, red wrong, orange missed"
    panels = ((image, title), (mask, f"truth: {truth.mean():.2%} crack"), (overlay(image, found, truth), text))
    return drawing.beside([drawing.titled(panel, words) for panel, words in panels])


class Gallery:
    """Keeps what was found on the `count` pictures with the lowest Dice at `threshold`, and draws them."""

    def __init__(self, pictures: Sequence[Picture], count: int, threshold: float) -> None:
        self.pictures, self.count, self.threshold = pictures, count, np.float32(threshold)
        self._worst: list[tuple[float, int, np.ndarray, np.ndarray]] = []

    def keep(self, number: int, probability: np.ndarray, truth: np.ndarray) -> None:
        """A picture by its number, which comes once."""
        found = probability >= self.threshold
        marked = int(found.sum()) + int(truth.sum())
        dice = 2 * int((found & truth).sum()) / marked if marked else 1.0
        heapq.heappush(self._worst, (-dice, -number, found, truth))
        if len(self._worst) > self.count:
            heapq.heappop(self._worst)

    def write(self, folder: Path, *, prefix: str) -> None:
        """<prefix>_01_<name>.png is the worst."""
        for rank, (minus_dice, minus_number, found, truth) in enumerate(sorted(self._worst, reverse=True), 1):
            file = self.pictures[-minus_number].path
            sheet = triple(drawing.upright(file), found, truth, title=file.name, dice=-minus_dice)
            drawing.save(sheet, folder / f"{prefix}_{rank:02d}_{file.stem}.png")


def curves(rows: Iterable[dict[str, Any]], file: Path) -> None:
    """Loss, overlap with the truth, and precision and recall over the epochs."""
    overlap = {"Dice": "val/dice", "IoU": "val/iou", "F1 at 2 px": "val/f1_2px"}
    rates = {"precision": "val/precision", "recall": "val/recall"}
    drawing.run_curves(rows, {"Overlap on val": overlap, "Precision and recall on val": rates}, file)
