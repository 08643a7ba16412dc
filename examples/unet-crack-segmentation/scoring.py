"""What a network is worth on whole pictures of a split, and what is said of it in logs and tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from metrics import STEPS, THRESHOLDS, Scores
from tiles import Tiles
from torch import Tensor, nn

from cvl.errors import UsageError
from cvl.params import Values

Loss = Callable[[Tensor, Tensor], dict[str, Tensor]]
HEADLINES = ("dice", "iou", "f1_2px")
_BOTH = (
    "iou",
    "miou",
    "dice",
    "pixel_accuracy",
    "precision",
    "recall",
    "precision_2px",
    "recall_2px",
    "f1_2px",
    "cldice",
)
NAMES = (*_BOTH, *(f"{name}_per_image" for name in _BOTH), "average_precision")
_ALSO = {"f1": "dice"}
_TABLE = ("iou", "dice", "precision", "recall", "precision_2px", "recall_2px", "f1_2px", "cldice")


@dataclass(frozen=True)
class Judged:
    """Scores of a split at `threshold`, its mean loss, and the Dice of each picture."""

    scores: Scores
    threshold: float
    loss: float
    dice: tuple[float, ...]

    @property
    def metrics(self) -> dict[str, float]:
        found = self.scores.at(self.threshold)
        return {**found, "average_precision": self.scores.average_precision()}

    @property
    def positive_share(self) -> float:
        """Share of the pixels that are predicted to be cracks: 0 and 1 are no predictions."""
        (background, wrong), (missed, found) = self.scores.confusion(self.threshold)
        return (wrong + found) / (background + wrong + missed + found)

    @property
    def all_foreground_iou(self) -> float:
        """The IoU of predicting a crack everywhere: the share of crack pixels."""
        (background, wrong), (missed, found) = self.scores.confusion(self.threshold)
        return (missed + found) / (background + wrong + missed + found)


@torch.no_grad()
def judge(
    model: nn.Module,
    loader: Any,
    tiles: Tiles,
    *,
    fabric: Any,
    loss: Loss | None = None,
    threshold: float | None = None,
    cldice: bool = True,
    seen: Callable[[int, np.ndarray, np.ndarray], None] = lambda number, probability, truth: None,
) -> Judged:
    """Every picture of data.whole_pictures; `threshold` None: that of the grid with the best Dice; `seen` gets each."""
    thresholds = THRESHOLDS if threshold is None else (threshold,)
    scores = Scores(thresholds=thresholds, cldice=cldice)
    losses, kept = [], []
    model.eval()
    for image, mask, number in loader:
        image, mask = fabric.to_device((image, mask))
        with fabric.autocast():
            logits = tiles.logits(model, image)
        if loss:
            losses.append(float(sum(loss(logits, mask).values())))
        probability, truth = logits[0, 0].sigmoid().cpu().numpy(), mask[0, 0].cpu().numpy() > 0.5
        scores.add(probability, truth)
        kept.append(_dice_at(probability, truth, thresholds))
        seen(int(number), probability, truth)
    chosen = scores.best_threshold() if threshold is None else threshold
    dice = tuple(float(each[thresholds.index(chosen)]) for each in kept)
    return Judged(scores, chosen, float(np.mean(losses)) if losses else float("nan"), dice)


def validate(
    model: nn.Module, loader: Any, tiles: Tiles, params: Values, *, fabric: Any, loss: Loss
) -> dict[str, float]:
    """What validation logs: METRICS, and what decides and proves."""
    names = wanted(params.METRICS)
    judged = judge(
        model,
        loader,
        tiles,
        fabric=fabric,
        loss=loss,
        threshold=threshold_asked(params),
        cldice=any(name.startswith("cldice") for name in names),
    )
    found = judged.metrics
    return {
        "val/loss": judged.loss,
        **{f"val/{name}": found[name] for name in dict.fromkeys((*HEADLINES, *names))},
        "val/threshold": judged.threshold,
        "val/positive_share": judged.positive_share,
        "baseline/all_foreground_iou": judged.all_foreground_iou,
    }


def threshold_asked(params: Values) -> float | None:
    """THRESHOLD in the steps that the scores are counted in, so that masks and scores agree."""
    return None if params.THRESHOLD is None else round(params.THRESHOLD * STEPS) / STEPS


def wanted(text: str) -> list[str]:
    """The names in METRICS (`iou,dice` or `["iou", "dice"]`); UsageError where one is unknown."""
    names = [_ALSO.get(name, name) for part in text.split(",") if (name := part.strip(" []\"'"))]
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise UsageError(f"METRICS: there is no {', '.join(unknown)}", hint=f"there is: {', '.join(NAMES)}")
    return names


def chosen(row: dict[str, float], name: str) -> float:
    """The value of EARLY_STOP_METRIC."""
    return row["val/loss" if name == "val_loss" else f"val/{name}"]


def step_row(batches: Iterable[tuple[float, dict[str, float], float]]) -> dict[str, float]:
    """`train/loss` and its parts over the batches (loss, parts, weight) of one optimizer step."""
    row: dict[str, float] = {"train/loss": 0.0}
    for loss, parts, weight in batches:
        row["train/loss"] += loss * weight
        for name, value in parts.items():
            row[f"train/loss_{name}"] = row.get(f"train/loss_{name}", 0.0) + value * weight
    return row


def line(epoch: int, epochs: int, loss: float, row: dict[str, float], *, is_best: bool) -> str:
    """What is said of an epoch."""
    text = f"epoch {epoch}/{epochs}: loss {loss:.4f}"
    if not row:
        return text
    return f"{text}, val loss {row['val/loss']:.4f}, Dice {row['val/dice']:.4f}, IoU {row['val/iou']:.4f}" + (
        ", best so far" if is_best else ""
    )


def as_json(split: str, judged: Judged) -> dict[str, Any]:
    """evaluation/metrics.json."""
    return {"split": split, "metrics": {"threshold": judged.threshold, **judged.metrics}, "groups": {}}


def table(metrics: dict[str, float]) -> str:
    """Each score over all pixels and as the mean of the pictures."""
    lines = [f"{'':<16}{'all pixels':>12}{'per image':>12}"]
    lines += [f"{name:<16}{metrics[name]:>12.4f}{metrics[f'{name}_per_image']:>12.4f}" for name in _TABLE]
    return "\n".join([*lines, f"{'mIoU (two-class)':<16}{metrics['miou']:>12.4f}"])


def _dice_at(probability: np.ndarray, truth: np.ndarray, thresholds: Sequence[float]) -> np.ndarray:
    """Dice of one picture at each threshold; 1 where there is neither crack nor prediction."""
    found = [probability >= np.float32(threshold) for threshold in thresholds]
    sums = np.array([(int((f & truth).sum()), int(f.sum()) + int(truth.sum())) for f in found], dtype=float)
    return np.where(sums[:, 1] > 0, 2 * sums[:, 0] / np.maximum(sums[:, 1], 1), 1.0)
