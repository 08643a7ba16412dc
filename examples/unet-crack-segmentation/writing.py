"""Masks and probabilities as picture files, each under the name of the picture that they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from cvl.kit import drawing


def names(files: Sequence[Path]) -> list[str]:
    """The names without suffix; the second `road` is `road-2`."""
    taken: set[str] = set()
    found = []
    for file in files:
        name, number = file.stem, 1
        while name.lower() in taken:  # some file systems know no case
            number += 1
            name = f"{file.stem}-{number}"
        taken.add(name.lower())
        found.append(name)
    return found


def mask(found: np.ndarray, file: Path) -> None:
    """Booleans (H, W) as PNG: 255 is crack, 0 is none."""
    drawing.save(Image.fromarray(found.astype(np.uint8) * 255), file)


def probability(values: np.ndarray, file: Path) -> None:
    """Values (H, W) in 0–1 as PNG: 255 stands for 1."""
    drawing.save(Image.fromarray(np.round(values * 255).astype(np.uint8)), file)
