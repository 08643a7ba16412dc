"""Breaks of a training run of yolo-ui-detection.

python tests/sabotage/yolo_ui_detection.py BREAK EXAMPLE_FOLDER [arguments of train.py]
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import breaking

NAN_STEP = 5


def lr_zero() -> None:
    os.environ["LR"] = "0"


def labels_shuffled() -> None:
    """Boxes change places among the pictures of a batch, and so do their classes."""
    import torch

    def shuffle(batch: dict[str, Any]) -> dict[str, Any]:
        for key in ("bboxes", "cls"):
            batch[key] = batch[key][torch.randperm(len(batch[key]))]
        return batch

    _change_batches(shuffle)


def loss_negated() -> None:
    _change_loss(lambda loss, trainer: -loss)


def loss_nan() -> None:
    _change_loss(lambda loss, trainer: loss * float("nan") if trainer.steps == NAN_STEP else loss)


def frozen() -> None:
    """Gradients are computed and thrown away."""
    from ultralytics.models.yolo.detect import DetectionTrainer

    DetectionTrainer.optimizer_step = lambda self: self.optimizer.zero_grad()


def normalisation() -> None:
    """Training sees 0–255, validation 0–1."""

    def scale(batch: dict[str, Any]) -> dict[str, Any]:
        batch["img"] = batch["img"] * 255
        return batch

    _change_batches(scale)


def validation_empty() -> None:
    """No box in the validation split."""
    import dataset

    link = dataset._link

    def empty(folder: Path, split: str, pictures: Any) -> Any:
        links = link(folder, split, pictures)
        for labels in (folder / "labels" / "val").glob("*.txt"):
            labels.write_text("")
        return links

    dataset._link = empty


def best_overwritten() -> None:
    """Random weights take the place of the best checkpoint when training has ended."""
    import torch
    import trainer

    strip = trainer.strip

    def overwrite(file: Path) -> None:
        strip(file)
        checkpoint = torch.load(file, weights_only=False)
        for weight in checkpoint["model"].parameters():
            weight.data = torch.randn_like(weight.float()).mul(0.05).to(weight.dtype)
        torch.save(checkpoint, file)

    trainer.strip = overwrite


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


def _change_batches(change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    import trainer

    preprocess = trainer.Trainer.preprocess_batch
    trainer.Trainer.preprocess_batch = lambda self, batch: change(preprocess(self, batch))


def _change_loss(change: Callable[[Any, Any], Any]) -> None:
    """The loss of training alone: validation reads it from a model that is not training."""
    import trainer
    from ultralytics.nn.tasks import DetectionModel

    current: list[Any] = []
    loss = DetectionModel.loss
    preprocess = trainer.Trainer.preprocess_batch

    def remember(self: Any, batch: dict[str, Any]) -> dict[str, Any]:
        current[:] = [self]
        return preprocess(self, batch)

    def changed(self: Any, batch: dict[str, Any], preds: Any = None) -> Any:
        total, parts = loss(self, batch, preds)
        return (change(total, current[0]) if self.training else total), parts

    trainer.Trainer.preprocess_batch = remember
    DetectionModel.loss = changed


if __name__ == "__main__":
    breaking.main(BREAKS)
