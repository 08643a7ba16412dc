"""Checkpoints of this example: what a run goes on from, and what the other presets load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import models
import views
from tiles import Tiles
from torch import nn

from cvl.errors import UsageError
from cvl.kit import checkpoints, resuming
from cvl.kit.resuming import Resumed
from cvl.kit.run import say
from cvl.params import Values

OUTPUTS = Path(__file__).parent / "outputs"
# What must be the same when a run goes on; what a network is built from comes first.
_BUILT_FROM = ("MODEL", "ENCODER", "EMBED_DIM", "IMAGE_SIZE")
_KEPT = (*_BUILT_FROM, "OPTIMIZER", "WEIGHT_DECAY")


def resume(params: Values) -> Resumed:
    """RESUME as a state that fits the parameters."""
    found = resuming.resume(params.RESUME)
    found.fits(params.as_dict(), _KEPT)
    return found


class Keeper:
    """Saves and restores all that an epoch leaves behind; `parts` have state_dict and load_state_dict.

    `effective` are the parameters that turned out otherwise than they were asked for.
    """

    def __init__(
        self, fabric: Any, folder: Path, params: Values, parts: Mapping[str, Any], *, effective: Mapping[str, Any]
    ) -> None:
        self.fabric, self.folder = fabric, folder
        self.config = params.as_dict() | effective
        scaler = getattr(fabric.strategy.precision, "scaler", None)
        self.parts = {**parts, "scaler": scaler} if scaler else dict(parts)
        self.checkpoints = checkpoints.Checkpoints(folder, save_every=params.SAVE_EVERY, keep=params.KEEP)

    @property
    def scales(self) -> bool:
        """Whether the loss is scaled, as in fp16."""
        return "scaler" in self.parts

    def restore(self, resumed: Resumed) -> None:
        """Everything as the checkpoint has it, if there is one; log and best model come along."""
        if resumed.file is None:
            return
        for name, part in self.parts.items():
            if name in resumed.state:
                part.load_state_dict(resumed.state[name])
        if self.fabric.is_global_zero:
            checkpoints.bring_over(resumed.file, self.folder)
        self.fabric.barrier()
        if not self.checkpoints.has_best(resumed.epoch):  # it is of an epoch that comes again
            self.parts["best"].load_state_dict({"value": None, "waited": 0})
        say(f"resuming {resumed.file} after epoch {resumed.epoch}")

    def save(self, epoch: int, model: nn.Module, row: Mapping[str, float], *, is_best: bool) -> str:
        """The checkpoints of an epoch; only the first process writes."""
        if not self.fabric.is_global_zero:
            return ""
        config = self.config | {"THRESHOLD": row.get("val/threshold")}
        state = {name: part.state_dict() for name, part in self.parts.items()}
        best = {"model": model.state_dict(), "epoch": epoch, "metrics": dict(row), "config": config}
        return self.checkpoints.save({**state, "epoch": epoch, "config": config}, best, epoch=epoch, is_best=is_best)


@dataclass(frozen=True)
class Trained:
    """A network as it was trained, and how it wants to be used."""

    model: nn.Module
    config: Mapping[str, Any]

    @property
    def threshold(self) -> float:
        """Chosen on val."""
        return float(self.config["THRESHOLD"])

    def tiles(self, params: Values) -> Tiles:
        """The window that it was trained on, unless IMAGE_SIZE is set."""
        setting = params.settings["IMAGE_SIZE"]
        text = self.config["IMAGE_SIZE"] if setting.source in ("default", "device") else setting.value
        return Tiles(views.sides(str(text), models.multiple(self.model)), params.OVERLAP, params.BATCH_SIZE)


def load(file: Path) -> Trained:
    """The network in `file`, in evaluation mode on the CPU; UsageError where it is none of ours."""
    state = checkpoints.read(file)
    config = state.get("config", {})
    if not all(name in config for name in _BUILT_FROM):
        raise UsageError(f"CHECKPOINT {file}: was not trained by this example", hint="best_model.pt of one of its runs")
    model = models.build(
        config["MODEL"],
        config["ENCODER"],
        weights="none",
        image_size=views.sides(config["IMAGE_SIZE"], 1),
        embed_dim=config["EMBED_DIM"],
    )
    model.load_state_dict(state["model"])
    return Trained(model.eval(), config)


def find(params: Values) -> Path:
    """CHECKPOINT; unset: the best model that was trained last."""
    return checkpoints.best_of(params.CHECKPOINT, params.OUTPUT_DIR, OUTPUTS)
