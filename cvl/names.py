"""What a series of a foreign log is, by its name alone: a loss, a learning rate, on training or on validation data."""

from __future__ import annotations

import re
from collections.abc import Iterable

_VALIDATION = {"val", "valid", "validation", "eval", "test", "dev"}
# Words beside `loss` in the name of a total; any other word makes it a part of one.
_TOTAL = {"loss", "losses", "train", "training", "total", "step", "epoch", "batch", "avg", "mean", "running"}
_RATES = {"lr", "learningrate"}


def plain(name: str) -> str:
    """`val/mAP_50(B)` and `val_map_50_b` are the same to this module."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def words(name: str) -> list[str]:
    return plain(name).split("_")


def is_loss(name: str) -> bool:
    """Whether a word of the name is `loss`: not `lossless`."""
    return bool({"loss", "losses"} & set(words(name)))


def is_validation(name: str) -> bool:
    return bool(_VALIDATION & set(words(name)))


def is_total(name: str) -> bool:
    """Whether it is a whole loss and no part of one, such as `loss_cls` or `train/box_loss`."""
    return is_loss(name) and not set(words(name)) - _TOTAL - _VALIDATION


def is_rate(name: str) -> bool:
    """`lr`, `train/lr`, `lr/pg0`, `lr-AdamW`, `learning_rate`."""
    first, last = words(name)[0], words(name)[-1]
    return first in _RATES or last in _RATES or plain(name).replace("_", "").endswith("learningrate")


def is_gradient(name: str) -> bool:
    return "gradnorm" in plain(name).replace("_", "")


def find(names: Iterable[str], wanted: Iterable[str]) -> str | None:
    """The first of the plain names `wanted` that one of `names` has, as the log spells it.

    Where underscores are does not matter: `val_map50`, `val/mAP@50` and `val_m_ap_50` are one.
    """
    known = {_letters(name): name for name in reversed(list(names))}
    return next((known[key] for key in map(_letters, wanted) if key in known), None)


def _letters(name: str) -> str:
    return plain(name).replace("_", "")
