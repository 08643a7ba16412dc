"""Breaks of a training run of detectron2-ui-detection.

python tests/sabotage/detectron2_ui_detection.py BREAK EXAMPLE_FOLDER [arguments of train.py]
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import breaking

NAN_CALL = 5
Batch = list[dict[str, Any]]


def lr_zero() -> None:
    os.environ["LR"] = "0"


def labels_shuffled() -> None:
    """Every screen of a batch gets the boxes of another one, whose classes change places."""
    import torch

    def shuffle(batch: Batch) -> Batch:
        truths = [item["instances"] for item in batch]
        for item, truth in zip(batch, truths[1:] + truths[:1], strict=True):
            truth.gt_classes = truth.gt_classes[torch.randperm(len(truth))]
            item["instances"] = truth
        return batch

    _change_batches(shuffle)


def loss_negated() -> None:
    _change_losses(lambda losses, call: {name: -loss for name, loss in losses.items()})


def loss_nan() -> None:
    def change(losses: dict[str, Any], call: int) -> dict[str, Any]:
        return {name: loss * float("nan") for name, loss in losses.items()} if call == NAN_CALL else losses

    _change_losses(change)


def frozen() -> None:
    """Gradients are computed and thrown away."""
    from torch.optim import AdamW

    AdamW.step = lambda self, closure=None: closure() if closure else None  # type: ignore[method-assign]


def normalisation() -> None:
    """Training sees 0–1, validation 0–255."""

    def scale(batch: Batch) -> Batch:
        return [{**item, "image": item["image"] / 255} for item in batch]

    _change_batches(scale)


def validation_empty() -> None:
    """No box in the validation split."""
    import dataset

    prepare = dataset.prepare

    def emptied(*args: Any, **options: Any) -> Any:
        view = prepare(*args, **options)
        empty = tuple(replace(picture, boxes=()) for picture in view.data.splits["val"])
        return replace(view, data=replace(view.data, splits={**view.data.splits, "val": empty}))

    dataset.prepare = emptied


def best_overwritten() -> None:
    """Random weights take the place of the best checkpoint when training has ended."""
    import checkpoint

    load = checkpoint.load
    checkpoint.load = lambda file: load(breaking.randomised(file))


BREAKS: dict[str, Callable[[], None]] = {
    "lr-zero": lr_zero,
    "labels-shuffled": labels_shuffled,
    "loss-negated": loss_negated,
    "loss-nan": loss_nan,
    "frozen": frozen,
    "normalisation": normalisation,
    "validation-empty": validation_empty,
    "best-overwritten": best_overwritten,
}


def _change_batches(change: Callable[[Batch], Batch]) -> None:
    """Of training alone."""
    import trainer

    class Changed(trainer.Screens):  # type: ignore[name-defined, misc]
        collate = staticmethod(lambda items: change(list(items)))

    trainer.Screens = Changed


def _change_losses(change: Callable[[dict[str, Any], int], dict[str, Any]]) -> None:
    """`change` gets the losses of a batch of training and the number of the batch, from 1."""
    import trainer

    found = trainer.Trainer.losses_of
    calls = [0]

    def changed(self: Any, batch: Batch) -> dict[str, Any]:
        calls[0] += 1
        return change(found(self, batch), calls[0])

    trainer.Trainer.losses_of = changed


if __name__ == "__main__":
    breaking.main(BREAKS)
