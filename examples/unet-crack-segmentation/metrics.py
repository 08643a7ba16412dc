"""What a segmentation is worth on a split, at any threshold, in memory that does not grow with the split.

A picture leaves counts of pixels by probability, in steps of 0.001. A pixel is predicted where its probability is at
least the threshold. Every score comes twice: over all pixels of the split, and as the mean of the pictures' own scores
(`…_per_image`). Where a picture has no crack and none is predicted all its scores are 1; a ratio of nothing is else 0.
Over a split without a single crack pixel there is no score: NaN.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matching import centre_lines, highest_near, near
from skimage.morphology import skeletonize

from cvl.errors import DataError, MetricsError

STEPS = 1000
_EDGES = (np.arange(STEPS + 1) / STEPS).astype(np.float32)
THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))

Curves = dict[str, np.ndarray]


class Scores:
    """Sums over the pictures of a split; `thresholds` are those that `best_threshold` tries and clDice is known at.

    `tolerance` in pixels, for precision, recall and F1 as crack papers have them: a predicted pixel is right where a
    crack pixel is that near, a crack pixel found where a predicted one is that near (Euclidean, between centres).
    """

    def __init__(
        self, tolerance: float = 2.0, thresholds: Sequence[float] = THRESHOLDS, *, cldice: bool = True
    ) -> None:
        self.tolerance, self.thresholds, self.cldice = tolerance, tuple(thresholds), cldice
        self.images = self.images_without_crack = 0
        self._counts = np.zeros((6, STEPS + 1))
        self._sums: Curves = {}
        self._line_counts = np.zeros((4, len(self.thresholds)))
        self._line_sums = np.zeros(len(self.thresholds))

    def add(self, probability: np.ndarray, truth: np.ndarray) -> None:
        """One picture: probabilities of a crack (H, W) and the mask (H, W) of booleans."""
        if probability.shape != truth.shape:
            raise ValueError(f"probabilities {probability.shape} and mask {truth.shape} differ in size")
        if not (probability.min() >= 0 and probability.max() <= 1):
            raise MetricsError(
                f"the model predicts probabilities from {probability.min()} to {probability.max()}",
                hint="the training diverged: try a lower LR, or PRECISION=fp32",
            )
        probability, truth = probability.astype(np.float32), truth.astype(bool)
        counts = _counts(probability, truth, self.tolerance)
        self._counts += counts
        for name, curve in self._curves(counts).items():
            self._sums[name] = self._sums.get(name, 0) + curve
        if self.cldice:
            self._add_lines(probability, truth)
        self.images += 1
        self.images_without_crack += int(not truth.any())

    def merge(self, other: Scores) -> None:
        """Adds what another process measured on other pictures of the split."""
        self._counts += other._counts
        for name, curve in other._sums.items():
            self._sums[name] = self._sums.get(name, 0) + curve
        self._line_counts += other._line_counts
        self._line_sums += other._line_sums
        self.images += other.images
        self.images_without_crack += other.images_without_crack

    def at(self, threshold: float) -> dict[str, float]:
        """All scores at a threshold; clDice where it is one of `thresholds`."""
        k = self._step(threshold)
        whole = {name: float(curve[k]) for name, curve in self._whole().items()}
        each = {f"{name}_per_image": float(curve[k]) / self.images for name, curve in self._sums.items()}
        if not self.cldice or threshold not in self.thresholds:
            return whole | each
        column = self.thresholds.index(threshold)
        lines = float(_line_scores(self._line_counts)[column]) if self._has_cracks else float("nan")
        return whole | each | {"cldice": lines, "cldice_per_image": float(self._line_sums[column]) / self.images}

    def best_threshold(self, metric: str = "dice") -> float:
        """Of `thresholds` the one with the highest `metric`; of equal ones the nearest to 0.5."""
        values = {threshold: self.at(threshold)[metric] for threshold in self.thresholds}
        if any(np.isnan(value) for value in values.values()):
            raise MetricsError("no threshold can be chosen on a split without a crack", hint="add pictures with cracks")
        return max(values, key=lambda threshold: (values[threshold], -abs(threshold - 0.5)))

    def average_precision(self) -> float:
        """The mean of precision over recall, as a sum of steps, over all pixels."""
        scores = self._whole()
        gained = -np.diff(scores["recall"], append=0.0)
        return float((gained * scores["precision"]).sum())

    def confusion(self, threshold: float) -> list[list[int]]:
        """Pixels [[true negative, false positive], [false negative, true positive]]."""
        found, wrong, missed, background = (int(count) for count in self._counts[:4, self._step(threshold)])
        return [[background, wrong], [missed, found]]

    def curve(self) -> dict[str, list[float]]:
        """`threshold` from 0 to 1 in steps of 0.01, and each score over the whole split beside it."""
        every = slice(None, None, STEPS // 100)
        curves = {"threshold": np.arange(STEPS + 1) / STEPS} | self._whole()
        return {name: curve[every].tolist() for name, curve in curves.items()}

    @property
    def _has_cracks(self) -> bool:
        return bool(self._counts[0, 0])

    def _whole(self) -> Curves:
        scores = self._curves(self._counts)
        return scores if self._has_cracks else {name: np.full(STEPS + 1, np.nan) for name in scores}

    def _step(self, threshold: float) -> int:
        if not self.images:
            raise DataError("no picture was scored", hint="the split is empty: look at `data`")
        return round(threshold * STEPS)

    def _add_lines(self, probability: np.ndarray, truth: np.ndarray) -> None:
        true_lines = skeletonize(truth)
        columns = [
            centre_lines(truth, probability >= np.float32(threshold), true_lines) for threshold in self.thresholds
        ]
        counts = np.stack(columns, axis=1)
        self._line_counts += counts
        self._line_sums += _line_scores(counts)

    def _curves(self, counts: np.ndarray) -> Curves:
        """Scores at every step from the counts of `_counts`."""
        found, wrong, missed, background, right_near, found_near = counts
        predicted, true, px = found + wrong, found + missed, f"{self.tolerance:g}px"
        nothing = predicted + true == 0
        iou = _ratio(found, found + wrong + missed, nothing)
        background_iou = _ratio(background, background + wrong + missed, wrong + missed == 0)
        precision_px, recall_px = _ratio(right_near, predicted, nothing), _ratio(found_near, true, nothing)
        return {
            "iou": iou,
            "miou": (iou + background_iou) / 2,
            "dice": _ratio(2 * found, predicted + true, nothing),
            "pixel_accuracy": (found + background) / counts[:4].sum(axis=0),
            "precision": _ratio(found, predicted, nothing),
            "recall": _ratio(found, true, nothing),
            f"precision_{px}": precision_px,
            f"recall_{px}": recall_px,
            f"f1_{px}": _harmonic(precision_px, recall_px),
        }


def _counts(probability: np.ndarray, truth: np.ndarray, tolerance: float) -> np.ndarray:
    """(6, STEPS + 1): pixels found, wrong, missed, background, predicted near the truth, true near a predicted one."""
    step = np.searchsorted(_EDGES, probability, side="right") - 1
    near_step = np.searchsorted(_EDGES, highest_near(probability, tolerance)[truth], side="right") - 1
    found, wrong = _at_least(step[truth]), _at_least(step[~truth])
    missed, background = found[0] - found, wrong[0] - wrong
    return np.stack([found, wrong, missed, background, _at_least(step[near(truth, tolerance)]), _at_least(near_step)])


def _at_least(steps: np.ndarray) -> np.ndarray:
    """How many reach each step."""
    return np.bincount(steps.ravel(), minlength=STEPS + 1)[::-1].cumsum()[::-1].astype(np.float64)


def _line_scores(counts: np.ndarray) -> np.ndarray:
    on_truth, predicted, on_prediction, true = counts
    nothing = predicted + true == 0
    return _harmonic(_ratio(on_truth, predicted, nothing), _ratio(on_prediction, true, nothing))


def _ratio(part: np.ndarray, whole: np.ndarray, perfect: np.ndarray) -> np.ndarray:
    """part / whole; where whole is 0: 1 if `perfect`, else 0."""
    return np.where(whole > 0, part / np.maximum(whole, 1), perfect.astype(np.float64))


def _harmonic(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return 2 * a * b / np.where(a + b > 0, a + b, 1)
