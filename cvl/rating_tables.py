"""The metric ranges of the verification reference: values in words."""

from __future__ import annotations

import math

# A table is a row of (upper bound, whether it belongs to the row, word).
Table = tuple[tuple[float, bool, str], ...]

DETECTION: Table = (
    (20, False, "poor detection"),
    (40, False, "decent detection"),
    (60, True, "good detection"),
    (math.inf, True, "strong detection"),
)
SEGMENTATION: Table = (
    (0.3, False, "poor segmentation"),
    (0.5, False, "decent segmentation"),
    (0.7, True, "good segmentation"),
    (math.inf, True, "excellent segmentation"),
)
CLASSIFICATION: Table = (
    (70, True, "not yet a decent model"),
    (85, True, "decent model"),
    (95, True, "good model"),
    (math.inf, True, "state of the art (on data like ImageNet)"),
)
LANGUAGE: Table = (
    (0.5, False, "overfitted"),
    (1, False, "between overfitted and well trained"),
    (3, True, "well trained"),
    (4, False, "between one epoch and well trained"),
    (8, True, "as after one epoch"),
    (12, True, "as at random initialisation"),
    (math.inf, True, "worse than random initialisation"),
)
LANGUAGE_INITIAL: Table = (
    (8, False, "below random initialisation (8-12): pretrained weights, or a small vocabulary"),
    (12, True, "as expected of random initialisation (8-12)"),
    (math.inf, True, "above random initialisation (8-12): look at the initialisation and the labels"),
)
LANGUAGE_ONE_EPOCH: Table = (
    (4, False, "below what one epoch gives (4-8)"),
    (8, True, "as expected of one epoch (4-8)"),
    (math.inf, True, "above what one epoch gives (4-8)"),
)
GAP: Table = (
    (0, False, "below the training loss, usual with dropout and augmentation"),
    (0.1, False, "close to the training loss"),
    (0.5, True, "tracks the training loss (within 0.1-0.5)"),
    (math.inf, True, "overfitting: train less, or regularise"),
)


def word(table: Table, value: float) -> str:
    """The table's word for `value`."""
    rounded = round(value, 9)  # 0.58 as a fraction is 57.99999999999999 %
    return next(text for upper, within, text in table if rounded < upper or (within and rounded == upper))
