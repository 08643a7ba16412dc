"""EXAMPLE FOLDER: checkpoints that are none of ours; reading one of them would run code."""

from __future__ import annotations

import os
import sys

import torch


class Hostile:
    def __reduce__(self) -> object:
        return os.mkdir, (f"{sys.argv[2]}/ran",)


torch.save({"model": Hostile(), "epoch": 1}, f"{sys.argv[2]}/hostile.pt")
torch.save({"model": {"weight": torch.zeros(2)}, "epoch": 1}, f"{sys.argv[2]}/weights.pt")
