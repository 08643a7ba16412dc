"""Breaks of a training run of unet-crack-segmentation.

python tests/sabotage/unet_crack_segmentation.py BREAK EXAMPLE_FOLDER [arguments of train.py]
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import breaking

NAN_STEP = 5


def lr_zero() -> None:
    os.environ["LR"] = "0"


def lr_huge() -> None:
    os.environ["LR"] = "1"
    os.environ["GRAD_CLIP"] = "0"


def labels_shuffled() -> None:
    """Every picture gets the mask of another one, upside down."""
    import torch

    _change_batches(lambda images, masks: (images, masks[torch.randperm(len(masks))].flip(-1, -2)))


def loss_negated() -> None:
    _change_loss(lambda parts, call: {name: -part for name, part in parts.items()})


def loss_nan() -> None:
    _change_loss(
        lambda parts, call: {name: part * float("nan") for name, part in parts.items()} if call == NAN_STEP else parts
    )


def frozen() -> None:
    """Gradients are computed and thrown away."""
    from torch.optim import AdamW

    AdamW.step = lambda self, closure=None: closure() if closure else None  # type: ignore[method-assign]


def head_forgotten() -> None:
    """The optimizer was made without the new layers: decoder and head."""
    from cvl.kit import optim

    make = optim.optimizer
    optim.optimizer = lambda name, parts, **options: make(name, {"encoder": parts["encoder"]}, **options)


def normalisation() -> None:
    """Training sees 0–255, validation 0–1."""
    _change_batches(lambda images, masks: (images * 255, masks))


def validation_empty() -> None:
    """No crack in the validation split."""
    import data

    from cvl.formats.masks import Picture

    whole = data.whole_pictures

    class Empty:
        def __init__(self, pictures: tuple[Picture, ...], params: Any) -> None:
            self.loader = whole(pictures, params)

        def __iter__(self) -> Any:
            return ((image, mask * 0, number) for image, mask, number in self.loader)

    data.whole_pictures = Empty


def all_foreground() -> None:
    """The head says crack everywhere."""
    import models

    _change_model(models, 20.0)


def constant() -> None:
    """The head says background everywhere."""
    import models

    _change_model(models, -20.0)


def best_overwritten() -> None:
    """Random weights take the place of the best checkpoint when training has ended."""
    import trained

    load = trained.load
    trained.load = lambda file: load(breaking.randomised(file))


BREAKS: dict[str, Callable[[], None]] = {
    "lr-zero": lr_zero,
    "lr-huge": lr_huge,
    "labels-shuffled": labels_shuffled,
    "loss-negated": loss_negated,
    "loss-nan": loss_nan,
    "frozen": frozen,
    "head-forgotten": head_forgotten,
    "normalisation": normalisation,
    "validation-empty": validation_empty,
    "all-foreground": all_foreground,
    "constant": constant,
    "best-overwritten": best_overwritten,
}


def _change_batches(change: Callable[[Any, Any], tuple[Any, Any]]) -> None:
    """Of training alone."""
    from cvl.kit.datasets import Masks

    collate = Masks.collate

    def changed(items: Any) -> Any:
        images, masks, numbers = collate(items)
        if len(images) == 1:
            return images, masks, numbers
        return *change(images, masks), numbers

    Masks.collate = staticmethod(changed)


def _change_loss(change: Callable[[dict[str, Any], int], dict[str, Any]]) -> None:
    """`change` gets the parts and the number of the call in training, from 1."""
    import losses
    import torch

    make = losses.make
    calls = [0]

    def made(*args: Any, **options: Any) -> Any:
        loss = make(*args, **options)

        def changed(logits: Any, target: Any) -> Any:
            if not torch.is_grad_enabled():
                return loss(logits, target)
            calls[0] += 1
            return change(loss(logits, target), calls[0])

        return changed

    losses.make = made


def _change_model(models: Any, logit: float) -> None:
    """The last layer gives `logit`, whatever comes in, and hardly learns otherwise."""
    build = models.build

    def broken(*args: Any, **options: Any) -> Any:
        model = build(*args, **options)
        convolution = next(m for m in model.segmentation_head.modules() if getattr(m, "bias", None) is not None)
        convolution.weight.data.zero_()
        convolution.bias.data.fill_(logit)
        convolution.weight.requires_grad_(False)
        convolution.bias.requires_grad_(False)
        return model

    models.build = broken


if __name__ == "__main__":
    breaking.main(BREAKS)
