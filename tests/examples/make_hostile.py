"""FOLDER: checkpoints that are no example's; reading one of them would run code."""

from __future__ import annotations

import os
import sys

import torch


class Hostile:
    def __reduce__(self) -> object:
        return os.mkdir, (f"{sys.argv[1]}/ran",)


torch.save({"model": Hostile(), "epoch": 1, "train_args": {}}, f"{sys.argv[1]}/hostile.pt")
torch.save({"model": {"weight": torch.zeros(2)}, "epoch": 1}, f"{sys.argv[1]}/weights.pt")
