"""Losses by name. Each is a list of weighted parts, every part a mean over pictures or pixels.

No part mixes pictures, so that a gradient accumulated over batches, or averaged over processes, equals that of one
large batch. A mask without a crack is no special case: the overlaps (dice, tversky, cldice) count one pixel as found
in every picture (SMOOTH), so that predicting nothing there costs 0, and more the more is predicted; lovasz is the
highest logit's hinge.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from cvl.errors import UsageError

Part = Callable[[Tensor, Tensor], Tensor]
Loss = Callable[[Tensor, Tensor], dict[str, Tensor]]

SMOOTH = 1.0
FOCAL_GAMMA = 2.0
TVERSKY_FALSE_POSITIVE, TVERSKY_FALSE_NEGATIVE = 0.3, 0.7
# The skeleton of anything up to 10 pixels wide; every step costs three poolings.
SKELETON_STEPS = 5


def make(name: str, *, pos_weight: float = 1.0) -> Loss:
    """The loss `name` as a function of logits and target (N, 1, H, W) that gives weighted parts: their sum is the loss.

    `pos_weight` is what a crack pixel counts in bce and focal. Computed in float32 (float64 stays), autocast or not.
    """
    if name not in LOSSES:
        raise UsageError(f"there is no LOSS {name}", hint=f"one of {', '.join(LOSSES)}")
    parts = LOSSES[name]
    if pos_weight != 1 and not parts.keys() & _WEIGHED:
        raise UsageError(f"LOSS={name} has no POS_WEIGHT (asked for: {pos_weight:g})", hint="a loss with bce or focal")

    def loss(logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        with torch.autocast(logits.device.type, enabled=False):
            logits = logits if logits.dtype == torch.float64 else logits.float()
            target = target.to(logits.dtype)
            return {key: weight * part(logits, target) for key, (weight, part) in ready.items()}

    ready = {
        key: (weight, partial(_PARTS[key], pos_weight=pos_weight) if key in _WEIGHED else _PARTS[key])
        for key, weight in parts.items()
    }
    return loss


def bce(logits: Tensor, target: Tensor, *, pos_weight: float = 1.0) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, target, pos_weight=logits.new_tensor(pos_weight))


def focal(logits: Tensor, target: Tensor, *, pos_weight: float = 1.0) -> Tensor:
    """(1 - p)^γ times the cross entropy, p the probability of what is true (Lin et al. 2017)."""
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    missing = -torch.expm1(-entropy)
    return ((1 + (pos_weight - 1) * target) * missing**FOCAL_GAMMA * entropy).mean()


def dice(logits: Tensor, target: Tensor) -> Tensor:
    """1 - 2|P∩T| / (|P| + |T|) of each picture."""
    return _tversky(logits.sigmoid(), target, 0.5, 0.5)


def tversky(logits: Tensor, target: Tensor) -> Tensor:
    """Dice that minds a missed pixel more than a wrong one (Salehi et al. 2017)."""
    return _tversky(logits.sigmoid(), target, TVERSKY_FALSE_POSITIVE, TVERSKY_FALSE_NEGATIVE)


def lovasz(logits: Tensor, target: Tensor) -> Tensor:
    """The Lovász hinge: the convex closure of 1 - IoU of each picture (Berman et al. 2018, algorithm 1)."""
    truth = target.flatten(1)
    errors, order = (1 - logits.flatten(1) * (2 * truth - 1)).sort(dim=1, descending=True)
    sorted_truth = truth.gather(1, order)
    cracks = truth.sum(1, keepdim=True)
    missed = cracks - sorted_truth.cumsum(1)
    union = cracks + (1 - sorted_truth).cumsum(1)
    jaccard = 1 - missed / union
    steps = torch.diff(jaccard, dim=1, prepend=jaccard.new_zeros(len(jaccard), 1))
    return (errors.relu() * steps).sum(1).mean()


def cldice(logits: Tensor, target: Tensor) -> Tensor:
    """1 - clDice: the harmonic mean of the share of the predicted skeleton that lies in the truth, and of the
    true skeleton that lies in the prediction (Shit et al. 2021). It minds gaps, not widths."""
    probability = logits.sigmoid()
    precision = _share(skeleton(probability), target)
    sensitivity = _share(skeleton(target), probability)
    return (1 - 2 * precision * sensitivity / (precision + sensitivity)).mean()


def skeleton(image: Tensor) -> Tensor:
    """The soft skeleton of (N, 1, H, W) in 0–1: what an opening removes, while the image is eroded step by step."""
    found = F.relu(image - _dilate(_erode(image)))
    for _ in range(SKELETON_STEPS):
        image = _erode(image)
        rest = F.relu(image - _dilate(_erode(image)))
        found = found + F.relu(rest - found * rest)
    return found


def _erode(image: Tensor) -> Tensor:
    rows, columns = ((3, 1), (1, 0)), ((1, 3), (0, 1))
    return torch.minimum(*(-F.max_pool2d(-image, size, 1, padding) for size, padding in (rows, columns)))


def _dilate(image: Tensor) -> Tensor:
    return F.max_pool2d(image, 3, 1, 1)


def _tversky(probability: Tensor, target: Tensor, false_positive: float, false_negative: float) -> Tensor:
    """1 - TP / (TP + a·FP + b·FN) of each picture; half of SMOOTH, for Dice counts the overlap twice."""
    both, predicted, true = (_sums(image) for image in (probability * target, probability, target))
    wrong = false_positive * (predicted - both) + false_negative * (true - both)
    return (1 - (both + SMOOTH / 2) / (both + wrong + SMOOTH / 2)).mean()


def _share(part: Tensor, whole: Tensor) -> Tensor:
    return (_sums(part * whole) + SMOOTH) / (_sums(part) + SMOOTH)


def _sums(image: Tensor) -> Tensor:
    return image.flatten(1).sum(1)


_PARTS: dict[str, Callable[..., Tensor]] = {
    "bce": bce, "dice": dice, "focal": focal, "lovasz": lovasz, "tversky": tversky, "cldice": cldice,
}  # fmt: skip
_WEIGHED = {"bce", "focal"}
# Parts and their weights; those of cldice are the paper's.
LOSSES: dict[str, dict[str, float]] = {
    "bce": {"bce": 1.0},
    "dice": {"dice": 1.0},
    "focal": {"focal": 1.0},
    "dice_bce": {"dice": 1.0, "bce": 1.0},
    "dice_focal": {"dice": 1.0, "focal": 1.0},
    "lovasz": {"lovasz": 1.0},
    "tversky": {"tversky": 1.0},
    "cldice": {"dice": 0.5, "cldice": 0.5},
}
