"""Weights to start from: ImageNet's for the encoder, or those of a file."""

from __future__ import annotations

import os
import pickle
from contextlib import contextmanager
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
import torch
from huggingface_hub import constants
from torch import Tensor, nn

from cvl.errors import UsageError
from cvl.kit import weights as download
from cvl.kit.run import say


def load(model: nn.Module, encoder: str, weights: str) -> str:
    """Loads `weights` (imagenet, none or a file) into the model; what was really loaded."""
    if weights == "none":
        return "none"
    if weights != "imagenet":
        _from_file(model, Path(weights))
        return weights
    state = _imagenet(encoder)
    if state is None:
        return "none"
    model.encoder.load_state_dict(state, strict=not hasattr(model.encoder, "take"))
    return "imagenet"


def _imagenet(encoder: str) -> dict[str, Tensor] | None:
    """The encoder's ImageNet weights from the hub or its cache; None where there are none, and why is said."""
    try:
        with _impatient():
            return smp.encoders.get_encoder(encoder, weights="imagenet").state_dict()
    except (OSError, KeyError, RuntimeError) as error:
        say(f"no ImageNet weights for {encoder}: {str(error).splitlines()[0]}")
        say("training from scratch; to go on with weights: a file as WEIGHTS, or a machine that reaches the hub")
        return None
