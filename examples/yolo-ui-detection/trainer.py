"""Ultralytics' trainer: its numbers brought to the run log, its silent rescues switched off."""

from __future__ import annotations

import math
import os
import shutil
import time
from pathlib import Path
from typing import Any

from library import DetectionTrainer, strip_optimizer
from scoring import scores

from cvl.errors import MetricsError
from cvl.kit import run
from cvl.kit.groups import WeightGroups
from cvl.kit.meters import Meters
from cvl.kit.progress import Progress
from cvl.kit.runlog import RunLog


class Trainer(DetectionTrainer):
    """Trains one model; `best_by` is what decides on the best checkpoint (map, map50, val_loss)."""

    def __init__(
        self, log: RunLog, *, best_by: str, val_every: int, save_every: int, overrides: dict[str, Any]
    ) -> None:
        self.log, self.best_by, self.val_every, self.save_every = log, best_by, val_every, save_every
        self.steps, self.since, self.losses = log.last_step, [], []
        super().__init__(overrides=overrides)
        self.args.workers = overrides["workers"]  # on a CPU the library sets 0, whatever was asked for
        self.meters = Meters(self.device.type)
        for event in ("on_train_start", "on_train_epoch_start", "on_train_batch_start", "on_train_batch_end"):
            self.add_callback(event, getattr(Trainer, event))

    def check_resume(self, overrides: dict[str, Any]) -> None:
        """What is asked for now holds, NUM_EPOCHS above all; the library would take it from the checkpoint."""
        self.resume = bool(self.args.resume)

    def on_train_start(self) -> None:
        nb, epochs = len(self.train_loader), self.epochs
        self.progress = Progress(nb * epochs, nb * self.start_epoch)
        trained = sum(p.numel() for p in self.model.parameters() if p.requires_grad)
        run.say(f"{trained:,} trainable parameters, {nb} batches an epoch, {epochs} epochs")
        layers, backbone = list(self.model.model), len(self.model.yaml["backbone"])
        parts = {"backbone": layers[:backbone], "head": layers[backbone:]}
        self.weights = WeightGroups({name: [p for m in part for p in m.parameters()] for name, part in parts.items()})
        if not (self.log.folder / "checkpoints" / "best_model.pt").exists():
            self.best_fitness = None

    def on_train_epoch_start(self) -> None:
        if self._oom_retries:  # the library starts the epoch again with half the batch
            self.log.rewind(self.epoch)
            self.steps = self.log.last_step
        self.batch_number, self.losses, self.since, self.fitness = 0, [], [], None
        self.epoch_began = time.monotonic()
        self.args.val = (self.epoch + 1) % self.val_every == 0
        self.meters.reset()

    def on_train_batch_start(self) -> None:
        self.meters.loaded()
        self.batch_number += 1

    def preprocess_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        self.files = [str(Path(file).resolve()) for file in batch["im_file"]]
        return super().preprocess_batch(batch)

    def optimizer_step(self) -> None:
        """Before the weights change the loss is logged, and training stops if it is not finite."""
        self.take_loss()
        super().optimizer_step()
        self.steps += 1
        self.log_step()

    def on_train_batch_end(self) -> None:
        if len(self.losses) < self.batch_number:
            self.take_loss()  # a batch whose gradients wait for more (GRAD_ACCUM)
        self.meters.trained(len(self.files))
        self.progress.step(f"epoch {self.epoch + 1}/{self.epochs}, loss {self.losses[-1]:.4g}")

    def take_loss(self) -> None:
        """The batch's loss as it is back-propagated, for one image, and the parts that the library names."""
        loss = float(self.loss.detach()) / len(self.files)
        parts = {name.removesuffix("_loss"): float(value) for name, value in self.loss_items.items()}
        self.losses.append(loss)
        self.since.append({"loss": loss, **{f"loss_{name}": value for name, value in parts.items()}})
        self.log.batch(self.epoch + 1, self.batch_number, loss, parts)
        if not math.isfinite(loss):
            self.log_step()
            raise MetricsError(
                f"the loss is {loss} in epoch {self.epoch + 1}, batch {self.batch_number}: {', '.join(self.files)}",
                hint="look at these files, or try a lower LR, or PRECISION=fp32",
            )

    def log_step(self) -> None:
        mean = {f"train/{key}": sum(row[key] for row in self.since) / len(self.since) for key in self.since[0]}
        rate = {"train/lr": self.optimizer.param_groups[-1]["lr"]}
        self.log.scalars({**mean, **rate}, step=self.steps, epoch=self.epoch + 1)
        self.since = []

    def validate(self) -> tuple[dict[str, float], float]:
        """The library's validation; `best` goes by EARLY_STOP_METRIC, and a tie does not replace it."""
        metrics = self.validator(self)
        metrics.pop("fitness", None)
        self.scores = scores(self.validator.metrics)
        self.val_loss = sum(value for name, value in metrics.items() if name.startswith("val/"))
        fitness = -self.val_loss if self.best_by == "val_loss" else self.scores.metrics[self.best_by]
        self.is_best = self.best_fitness is None or fitness > self.best_fitness
        if self.is_best:
            self.best_fitness = fitness
        return metrics, fitness

    def save_model(self) -> bool:
        """Rows first, then the checkpoint: a run killed between the two does this epoch again."""
        epoch, validated = self.epoch + 1, self.fitness is not None
        best = validated and self.is_best
        self.log_epoch(epoch, validated, best)
        super().save_model()
        folder = self.log.folder / "checkpoints"
        folder.mkdir(exist_ok=True)
        if self.save_every and epoch % self.save_every == 0:
            _copy(self.last, folder / f"epoch_{epoch:03d}.pt")
        if best:
            _copy(self.last, folder / "best_model.pt")
        self.best.unlink(missing_ok=True)
        os.replace(self.last, folder / "latest_model.pt")
        return True

    def log_epoch(self, epoch: int, validated: bool, best: bool) -> None:
        values = self.meters.read() | self.weights.read()
        text = f"epoch {epoch}/{self.epochs}: loss {sum(self.losses) / len(self.losses):.4g}"
        if validated:
            values |= {"val/loss": self.val_loss, **{f"val/{k}": v for k, v in self.scores.metrics.items()}}
            values |= {f"val/map50/{k}": v["map50"] for k, v in self.scores.groups.items() if "map50" in v}
            text += f", val loss {self.val_loss:.4g}, mAP50 {values['val/map50']:.4f}, mAP {values['val/map']:.4f}"
        self.log.scalars(values, step=self.steps, epoch=epoch)
        self.log.epoch(
            epoch,
            self.losses,
            seconds=time.monotonic() - self.epoch_began,
            learning_rate=self.optimizer.param_groups[-1]["lr"],
            is_best=best,
            checkpoint="checkpoints/latest_model.pt",
        )
        self.progress.line(f"{text}{' (best)' if best else ''}")

    def _handle_nan_recovery(self, epoch: int) -> bool:
        """The library would go back to the last checkpoint without a trace in its log; here it ends the run."""
        if self.fitness is not None and not math.isfinite(self.fitness):
            raise MetricsError(f"{self.best_by} is {self.fitness} after epoch {epoch + 1}", hint="a lower LR")
        return False

    def final_eval(self) -> None:
        """Done below, with what is on the disk."""


def _copy(source: Path, target: Path) -> None:
    temporary = target.with_name(f".{target.name}")
    shutil.copyfile(source, temporary)
    os.replace(temporary, target)


def strip(file: Path) -> None:
    """Leaves out the optimizer: a third of the size, for whoever loads the model."""
    temporary = file.with_name(f".{file.name}")
    strip_optimizer(file, str(temporary))
    os.replace(temporary, file)
