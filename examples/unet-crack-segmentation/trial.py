"""One training step as train.py takes it, for the presets that search before a training."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import losses
import models
import views
from torch import Tensor

from cvl.kit import loading, optim
from cvl.params import SOURCES, Values

_EXAMPLES_OWN = SOURCES[:3]


# What may be set for a search and means the same to train.
SHARED = (
    "MODEL",
    "ENCODER",
    "EMBED_DIM",
    "WEIGHTS",
    "DATASET",
    "BATCH_SIZE",
    "CROPS",
    "LOSS",
    "POS_WEIGHT",
    "OPTIMIZER",
)
SHARED += ("WEIGHT_DECAY", "PRECISION", "GRAD_CLIP", "GRAD_CHECKPOINT", "IMAGE_SIZE", "AUGMENT")


def command(params: Values, name: str, value: str) -> str:
    """How to train with what was found, and with what was set for the search."""
    settings = {key: setting for key, setting in params.settings.items() if key in SHARED and key != name}
    chosen = {key: setting.value for key, setting in settings.items() if setting.source not in _EXAMPLES_OWN}
    words = [f"{key}={text}" for key, text in {**chosen, name: value}.items()]
    return " ".join([*words, "cvl run unet-crack-segmentation train", *(["--data …"] if params.DATA_DIR else [])])


class Trial:
    """The model that train.py would train, with its loss and optimizer; `size` is the height and width of its crops."""

    def __init__(self, params: Values, fabric: Any) -> None:
        network = models.build(
            params.MODEL,
            params.ENCODER,
            weights=params.WEIGHTS,
            image_size=views.sides(params.IMAGE_SIZE, 1),
            embed_dim=params.EMBED_DIM,
        )
        self.size = views.sides(params.IMAGE_SIZE, models.multiple(network))
        if params.GRAD_CHECKPOINT:
            models.grad_checkpoint(network)
        self._loss_of = losses.make(params.LOSS, pos_weight=params.POS_WEIGHT)
        optimizer = optim.optimizer(params.OPTIMIZER, models.groups(network), lr=0.0, weight_decay=params.WEIGHT_DECAY)
        self._fabric, self._clip = fabric, params.GRAD_CLIP or math.inf
        self._model, self._optimizer = fabric.setup(network, optimizer)
        self._model.train()

    def step(self, images: Tensor, masks: Tensor, rate: float = 0.0) -> float:
        """The loss before the step, which is taken at this learning rate."""
        self._optimizer.zero_grad()  # first: a step that ran out of memory left its gradients
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        images, masks = self._fabric.to_device((images, masks))
        loss = sum(self._loss_of(self._model(images), masks).values())
        self._fabric.backward(loss)
        self._fabric.clip_gradients(self._model, self._optimizer, max_norm=self._clip, error_if_nonfinite=False)
        self._optimizer.step()
        return float(loss.detach())


def endless(loader: Any) -> Iterator[tuple[Tensor, Tensor]]:
    """Images and masks, epoch after epoch."""
    for epoch in itertools.count(1):
        loading.begin_epoch(loader, epoch)
        for images, masks, _ in loader:
            yield images, masks
