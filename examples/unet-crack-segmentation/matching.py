"""What counts as found with a tolerance: pixels within a distance, and centre lines."""

from __future__ import annotations

from math import floor

import numpy as np
from scipy import ndimage
from skimage.morphology import skeletonize


def near(truth: np.ndarray, tolerance: float) -> np.ndarray:
    """The pixels at most `tolerance` pixels (Euclidean, centre to centre) from one of `truth`, as a boolean map."""
    if not truth.any():
        return np.zeros_like(truth, dtype=bool)
    return ndimage.distance_transform_edt(~truth) <= tolerance


def highest_near(probability: np.ndarray, tolerance: float) -> np.ndarray:
    """The highest probability within `tolerance` of each pixel: says of any threshold whether a prediction is near."""
    reach = floor(tolerance)
    rows, columns = np.ogrid[-reach : reach + 1, -reach : reach + 1]
    disc = rows**2 + columns**2 <= tolerance**2
    return ndimage.maximum_filter(probability, footprint=disc, mode="constant", cval=0.0)


def centre_lines(truth: np.ndarray, predicted: np.ndarray, true_lines: np.ndarray) -> np.ndarray:
    """For clDice: predicted line pixels on the truth, all predicted ones, true line pixels predicted, all true ones."""
    lines = skeletonize(predicted)
    counts = ((lines & truth).sum(), lines.sum(), (true_lines & predicted).sum(), true_lines.sum())
    return np.array(counts, dtype=np.float64)
