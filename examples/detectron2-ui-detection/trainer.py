"""Detectron2's DefaultTrainer with epochs: every step logged, a loss that is not finite stops it, the best is kept."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pretrained
import torch
import validation
from dataset import View
from library import DefaultTrainer, EventStorage, JSONWriter, comm, get_default_optimizer_params, hooks
from parallel import first
from screens import Screens, augmentations
from steps import Step

from cvl.errors import MetricsError
from cvl.kit import averaging, loading, run
from cvl.kit.groups import WeightGroups
from cvl.kit.meters import Meters
from cvl.kit.progress import Progress
from cvl.kit.runlog import RunLog
from cvl.kit.stopping import Best
from cvl.params import Values

_PARTS = {"backbone": "backbone", "proposal_generator": "rpn", "roi_heads": "heads", "head": "heads"}


class Trainer(DefaultTrainer):
    """Trains one model on the `train` split of a view; `start` is what its weights are before."""

    def __init__(self, cfg: Any, params: Values, view: View, *, start: pretrained.Start, precision: str) -> None:
        self.params, self.view, self.precision, self.device = params, view, precision, cfg.MODEL.DEVICE
        self.processes = (comm.get_rank(), comm.get_world_size())
        super().__init__(cfg)
        pretrained.load(self.network, start)
        self.scaler = torch.amp.GradScaler(self.device, enabled=precision == "fp16")
        self.average = averaging.ema(self.network, params.EMA) if params.EMA else None
        self.best = Best(higher=params.EARLY_STOP_METRIC != "val_loss", patience=params.PATIENCE)
        self.meters = Meters(self.device)
        parts = {
            ours: getattr(self.network, theirs) for theirs, ours in _PARTS.items() if hasattr(self.network, theirs)
        }
        self.groups = WeightGroups({name: part.parameters() for name, part in parts.items()})
        self.done = 0

    @property
    def network(self) -> Any:
        """The model without what distributes it."""
        return getattr(self.model, "module", self.model)

    @property
    def judged(self) -> Any:
        """The model that is validated and kept."""
        return self.average.module if self.average else self.network

    @property
    def steps(self) -> int:
        """Iterations of an epoch: one for GRAD_ACCUM batches, the last may have fewer."""
        return math.ceil(len(self.data_loader) / self.params.GRAD_ACCUM)

    def build_train_loader(self, cfg: Any) -> Any:
        """Order and augmentation follow from (SEED, epoch), so that a run that goes on sees what it would have seen."""
        augment = augmentations(self.params.AUGMENT, self.params.IMAGE_SIZE)
        return loading.loader(
            Screens(self.view.records("train"), cfg, augment, seed=self.params.SEED),
            batch_size=self.params.BATCH_SIZE,
            seed=self.params.SEED,
            shuffle=True,
            workers=self.params.NUM_WORKERS,
            processes=self.processes,
        )

    def build_optimizer(self, cfg: Any, model: Any) -> Any:
        """The library has SGD only."""
        if self.params.OPTIMIZER == "sgd":
            return DefaultTrainer.build_optimizer(cfg, model)
        solver = cfg.SOLVER
        groups = get_default_optimizer_params(
            model, base_lr=solver.BASE_LR, weight_decay=solver.WEIGHT_DECAY, weight_decay_norm=solver.WEIGHT_DECAY_NORM
        )
        return torch.optim.AdamW(groups, lr=solver.BASE_LR)

    def build_hooks(self) -> list[Any]:
        """Timing, the learning rate, validation, and the library's own log, which takes what stood there before it."""
        own = [hooks.IterationTimer(), hooks.LRScheduler(), hooks.CallbackHook(after_step=self.end_epoch)]
        self.native = [JSONWriter(f"{self.cfg.OUTPUT_DIR}/metrics.json")] if comm.is_main_process() else []
        return [*own, hooks.PeriodicWriter(self.native, period=min(20, self.steps))] if self.native else own

    def train(self, log: RunLog, keeper: Any) -> None:
        """What is left of NUM_EPOCHS: the library's loop, with epochs in it."""
        self.log, epochs = log, self.params.NUM_EPOCHS
        self.progress = Progress(epochs * len(self.data_loader), self.done * len(self.data_loader))
        with EventStorage(self.start_iter) as self.storage:
            self.before_train()
            try:
                for epoch in range(self.done + 1, epochs + 1):
                    if self.best.stop:
                        waited = f"{self.params.PATIENCE} validations without a better {self.params.EARLY_STOP_METRIC}"
                        run.say(f"{waited}: stopping")
                        break
                    self.train_epoch(epoch, keeper)
            finally:
                self.after_train()

    def train_epoch(self, epoch: int, keeper: Any) -> None:
        self.epoch, began = epoch, time.monotonic()
        self.losses: list[float] = []
        self.meters.reset()
        loading.begin_epoch(self.data_loader, epoch)
        self.model.train()
        self._steps = self.grouped()
        numbers = range((epoch - 1) * self.steps, epoch * self.steps)
        for self.iter in numbers:
            self.before_step()
            self.run_step()
            self.after_step()
        is_best = bool(self.found) and self.best.update(self.chosen(self.found))
        self.log.scalars({**self.found, **self.costs, **self.groups.read()}, step=self.iter + 1, epoch=epoch)
        for writer in self.native:  # before the checkpoint, after which a run goes on
            writer.write()
        saved = keeper.save(epoch, self.found, is_best=is_best)
        rate = self.optimizer.param_groups[0]["lr"]
        seconds = time.monotonic() - began
        self.log.epoch(epoch, self.losses, seconds=seconds, learning_rate=rate, is_best=is_best, checkpoint=saved)
        self.progress.line(self.line(self.found, is_best=is_best))

    def end_epoch(self, _: Any) -> None:
        """After the last step of an epoch: what it cost, and validation where it is due."""
        if self.iter + 1 == self.epoch * self.steps:
            self.costs = self.meters.read()
            due = self.epoch % self.params.VAL_EVERY == 0 or self.epoch == self.params.NUM_EPOCHS
            self.found = first(self.validate) if due else {}

    def grouped(self) -> Iterator[list[Any]]:
        """The batches of each step."""
        batches: list[Any] = []
        for number, batch in enumerate(self.data_loader, 1):
            batches.append(batch)
            if len(batches) == self.params.GRAD_ACCUM or number == len(self.data_loader):
                yield batches
                batches = []

    def run_step(self) -> None:
        """One step of the optimizer; each batch weighs by its pictures.

        Like one large batch, not equal to it: the library draws proposals and takes their mean batch by batch.
        """
        batches = next(self._steps)
        self.meters.loaded()
        step = Step(sum(map(len, batches)))
        self.optimizer.zero_grad()
        for batch in batches:
            last = batch is batches[-1]
            with nullcontext() if last or self.processes[1] == 1 else self.model.no_sync():
                losses = self.losses_of(batch)
                self.scaler.scale(sum(losses.values()) * (len(batch) / step.pictures)).backward()
            self.take(step, batch, losses)
        self.scaler.unscale_(self.optimizer)
        weights = [weight for group in self.optimizer.param_groups for weight in group["params"]]
        norm = float(torch.nn.utils.clip_grad_norm_(weights, self.params.GRAD_CLIP or math.inf))
        if not math.isfinite(norm) and not self.scaler.is_enabled():  # fp16 leaves such a step out and scales less
            raise self.stopped(
                f"the gradient is {norm}", [record["file_name"] for batch in batches for record in batch]
            )
        rates = {"train/lr": self.optimizer.param_groups[0]["lr"], "train/grad_norm": norm}
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average:
            self.average.update_parameters(self.network)
        self.log.scalars({**step.row(), **rates}, step=self.iter + 1, epoch=self.epoch)
        self.storage.put_scalars(total_loss=step.loss, **{f"loss_{name}": value for name, value in step.parts.items()})
        self.meters.trained(step.pictures * self.processes[1])

    def losses_of(self, batch: list[Any]) -> dict[str, Any]:
        """The library gives up by itself where boxes are no longer finite."""
        half = {"fp16": torch.float16, "bf16": torch.bfloat16}.get(self.precision)
        try:
            with torch.autocast(self.device, dtype=half, enabled=half is not None):
                return dict(self.model(batch))
        except FloatingPointError:
            self.log.scalars({"train/loss": math.nan}, step=self.iter + 1, epoch=self.epoch)
            raise self.stopped("predicted boxes are no longer finite", [r["file_name"] for r in batch]) from None

    def take(self, step: Step, batch: list[Any], losses: dict[str, Any]) -> None:
        """The losses of a batch, their means over the processes; all stop together where one is not finite."""
        own = {name.removeprefix("loss_"): float(value.detach()) for name, value in losses.items()}
        everyone = comm.all_gather((own, [record["file_name"] for record in batch]))
        loss = step.add([parts for parts, _ in everyone], len(batch))
        self.losses.append(loss)
        self.log.batch(self.epoch, len(self.losses), loss, step.last)
        if not math.isfinite(loss):
            self.log.scalars({"train/loss": loss}, step=self.iter + 1, epoch=self.epoch)
            files = [file for parts, own in everyone if not math.isfinite(sum(parts.values())) for file in own]
            raise self.stopped(f"the loss is {loss}", files)
        self.progress.step(f"epoch {self.epoch}/{self.params.NUM_EPOCHS}, loss {loss:.4g}")

    def stopped(self, what: str, files: list[str]) -> MetricsError:
        return MetricsError(
            f"{what} in epoch {self.epoch}, iteration {self.iter + 1}: {', '.join(files)}",
            hint="look at these files, or try a lower LR, GRAD_CLIP=1, or PRECISION=fp32",
        )

    def validate(self) -> dict[str, float]:
        """By the first process alone; also into the library's log, in percent."""
        scores = validation.scores(self.judged, self.cfg, self.view, "val", device=self.device)
        options = {"seed": self.params.SEED, "batch_size": self.params.BATCH_SIZE}
        loss = validation.loss(self.judged, self.cfg, self.view, "val", **options)
        self.storage.put_scalars(smoothing_hint=False, **validation.native(scores))
        by_class = {f"val/map50/{name}": group["map50"] for name, group in scores.groups.items() if "map50" in group}
        return {"val/loss": loss, **{f"val/{name}": value for name, value in scores.metrics.items()}, **by_class}

    def chosen(self, row: dict[str, float]) -> float:
        """The value that EARLY_STOP_METRIC names."""
        return row[
            "val/loss" if self.params.EARLY_STOP_METRIC == "val_loss" else f"val/{self.params.EARLY_STOP_METRIC}"
        ]

    def line(self, row: dict[str, float], *, is_best: bool) -> str:
        text = f"epoch {self.epoch}/{self.params.NUM_EPOCHS}: loss {sum(self.losses) / len(self.losses):.4g}"
        if row:
            text += f", val loss {row['val/loss']:.4g}, mAP50 {row['val/map50']:.4f}, mAP {row['val/map']:.4f}"
        return f"{text}{' (best)' if is_best else ''}"
