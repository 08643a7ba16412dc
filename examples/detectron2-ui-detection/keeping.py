"""What an epoch leaves behind: latest_model.pt to go on from, best_model.pt for others to load."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from library import comm
from trainer import Trainer

from cvl.kit import checkpoints
from cvl.kit.resuming import Resumed
from cvl.params import Values


class Keeper:
    """Saves and restores a trainer; `effective` are the parameters that turned out otherwise than asked for."""

    def __init__(self, folder: Path, params: Values, trainer: Trainer, *, effective: Mapping[str, Any]) -> None:
        self.trainer, self.config = trainer, params.as_dict() | effective
        self.checkpoints = checkpoints.Checkpoints(folder, save_every=params.SAVE_EVERY)
        parts = {"optimizer": trainer.optimizer, "best": trainer.best, "scaler": trainer.scaler}
        self.parts = {**parts, "model": trainer.network} | ({"average": trainer.average} if trainer.average else {})

    def restore(self, resumed: Resumed) -> None:
        """Everything as the checkpoint has it, if there is one; the learning rate is that asked for now."""
        trainer, state = self.trainer, resumed.state
        trainer.done, trainer.start_iter = resumed.epoch, resumed.epoch * trainer.steps
        for name, part in self.parts.items():
            if state.get(name):  # a scaler that was off has none
                part.load_state_dict(state[name])
        if state.get("normaliser") is not None:  # of RetinaNet: its running count of positives
            trainer.network.loss_normalizer = state["normaliser"]
        trainer.scheduler.last_epoch = trainer.start_iter
        for group, rate in zip(trainer.optimizer.param_groups, trainer.scheduler.get_lr(), strict=True):
            group["lr"] = rate
        if not self.checkpoints.has_best(resumed.epoch):  # it is of an epoch that comes again
            trainer.best.load_state_dict({"value": None, "waited": 0})
        comm.synchronize()

    def save(self, epoch: int, row: Mapping[str, float], *, is_best: bool) -> str:
        """The checkpoints of an epoch; only the first process writes."""
        trainer = self.trainer
        if not comm.is_main_process():
            return ""
        shared = {
            "epoch": epoch,
            "config": self.config,
            "cfg": trainer.cfg.dump(),
            "classes": list(trainer.view.data.classes),
        }
        state = {name: part.state_dict() for name, part in self.parts.items()} | shared
        state |= {"steps": trainer.steps, "normaliser": getattr(trainer.network, "loss_normalizer", None)}
        best = {"model": trainer.judged.state_dict(), "metrics": dict(row), **shared}
        return self.checkpoints.save(state, best, epoch=epoch, is_best=is_best)
