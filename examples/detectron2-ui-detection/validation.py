"""Validation during training: the loss of a split, and what the kit's evaluator says of the boxes found on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from checkpoint import Detector
from dataset import View
from find import find
from library import EventStorage
from screens import Screens, resize
from torch import nn

from cvl.errors import DataError, MetricsError
from cvl.kit import detection
from cvl.kit.detection import Scores
from cvl.kit.seeds import derive


def scores(model: Any, cfg: Any, view: View, split: str, *, device: str) -> Scores:
    """The kit's evaluator over what `model` finds on a split."""
    pictures = view.data.splits[split]
    detector = Detector(model, cfg, {}, view.data.classes)
    found = find(detector, [picture.path for picture in pictures], device=device, confidence=detection.FLOOR)
    try:
        return detection.evaluate(pictures, found, view.data.classes)
    except DataError as error:  # there were boxes when the data was checked
        raise MetricsError(f"{split}: {error.message}", hint="look at what lost them on the way to the model") from None


def loss(model: Any, cfg: Any, view: View, split: str, *, seed: int, batch_size: int) -> float:
    """The mean loss of a picture, each time with the same anchors and proposals drawn."""
    data = Screens(view.records(split), cfg, [resize(cfg.INPUT.MAX_SIZE_TEST)], seed=seed)
    total = 0.0
    with torch.no_grad(), torch.random.fork_rng(), EventStorage(), _losing(model):
        torch.manual_seed(derive(seed))  # of the GPU as well: there the library draws its samples
        for begin in range(0, len(data), batch_size):
            batch = [data[0, index] for index in range(begin, min(len(data), begin + batch_size))]
            total += float(sum(model(batch).values())) * len(batch)
    return total / len(data)


def native(found: Scores) -> dict[str, float]:
    """The scores as the library's evaluator calls them, in percent."""
    names = {"AP": "map", "AP50": "map50", "AP75": "map75"}
    classes = {f"bbox/AP-{name}": group["map"] for name, group in found.groups.items() if "map" in group}
    values = {f"bbox/{theirs}": found.metrics[ours] for theirs, ours in names.items()} | classes
    return {name: 100 * value for name, value in values.items()}


@contextmanager
def _losing(model: Any) -> Iterator[None]:
    """The library's models give losses in training mode only; nothing in them learns from this."""
    training, normaliser = model.training, vars(model).pop("loss_normalizer", None)  # RetinaNet's count of positives
    model.train()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
    try:
        yield
    finally:
        vars(model).pop("loss_normalizer", None)
        if normaliser is not None:
            model.loss_normalizer = normaliser
        model.train(training)
