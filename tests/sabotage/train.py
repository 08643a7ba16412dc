"""Small trainings, healthy or broken on purpose, that leave the log of their framework.

    python tests/sabotage/train.py OUT FRAMEWORK/TASK/BREAK/SEED…     such as plain/detection/lr-zero/0

Each goes to OUT/FRAMEWORK-TASK/outputs/BREAK-SEED; plain is a loop of its own that writes metrics.jsonl.
"""

from __future__ import annotations

import json
import logging
import math
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from tasks import BATCH, EPOCHS, KEYS, Task
from torch import Tensor

from cvl.kit.groups import WeightGroups


def main(out: str, *jobs: str) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for job in jobs:
        framework, task, broken, seed = job.split("/")
        folder = Path(out) / f"{framework}-{task}" / "outputs" / f"{broken}-{seed}"
        folder.mkdir(parents=True)
        FRAMEWORKS[framework](Task(task, broken, int(seed)), folder)


def groups(task: Task) -> WeightGroups:
    return WeightGroups({name: part.parameters() for name, part in task.parts.items()})


def plain(task: Task, folder: Path) -> None:
    """A loop as people write it, and the rows that our kit would write."""
    rows: list[dict[str, float]] = []
    weights, optimizer = groups(task), torch.optim.Adam(task.trained(), task.lr)
    best = -math.inf
    for epoch in range(1, EPOCHS + 1):
        for batch in batches(task):
            loss = task.loss(batch, training=True)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            value = loss.item()
            if task.broken == "zero-after-nan" and math.isnan(value):
                value = 0.0
            rows.append({"step": task.steps, "epoch": epoch, "train/loss": value, "train/lr": task.lr})
        scores = task.evaluate()
        rows.append(
            {"step": task.steps, "epoch": epoch, **{f"val/{k}": v for k, v in scores.items()}, **weights.read()}
        )
        if scores[KEYS[task.name][0]] > best:
            best = scores[KEYS[task.name][0]]
            torch.save(task.model.state_dict(), folder / "best_model.pt")
    if task.broken == "best-overwritten":
        torch.save(Task(task.name, "", task.seed + 1).model.state_dict(), folder / "best_model.pt")
    if task.broken == "rows-twice":
        rows = twice(rows)
    task.model.load_state_dict(torch.load(folder / "best_model.pt"))
    again = {f"reload/{name}": value for name, value in task.evaluate().items() if name != "loss"}
    rows.append({"step": rows[-1]["step"], "epoch": EPOCHS, "data/shared": task.shared(), **again})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def twice(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    """The last three epochs come again after a resume whose step counter did not go back."""
    later = [row for row in rows if row["epoch"] > EPOCHS - 3]
    return rows + [{**row, "step": row["step"] + rows[-1]["step"] - later[0]["step"] + 1} for row in later]


def batches(task: Task) -> Iterator[tuple[Tensor, ...]]:
    order = torch.randperm(len(task.train[0]))
    for chunk in order.split(BATCH):
        yield tuple(part[chunk] for part in task.train)


def lightning(task: Task, folder: Path) -> None:
    import lightning as pl
    from lightning.pytorch.loggers import CSVLogger

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    weights = groups(task)

    class Module(pl.LightningModule):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.model = task.model

        def training_step(self, batch: Any, _: int) -> Tensor:
            loss = task.loss(batch, training=True)
            shown = torch.nan_to_num(loss.detach()) if task.broken == "zero-after-nan" else loss.detach()
            self.log("train_loss", shown, on_step=True, on_epoch=True)
            return loss

        def validation_step(self, *_: Any) -> None: ...

        def on_validation_epoch_end(self) -> None:
            self.log_dict({f"val_{name}": value for name, value in task.evaluate().items()})
            self.log_dict({**weights.read(), "data/shared": float(task.shared())})

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(task.trained(), task.lr)

    train = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*task.train), BATCH, shuffle=True)
    trainer = pl.Trainer(
        max_epochs=EPOCHS, logger=CSVLogger(folder), log_every_n_steps=2, accelerator="cpu", num_sanity_val_steps=0,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(Module(), train, torch.utils.data.DataLoader(range(1)))


def transformers(task: Task, folder: Path) -> None:
    from transformers import Trainer, TrainingArguments

    weights = groups(task)
    parts = ("images", "kind", "mask", "box")

    class Sabotaged(Trainer):  # type: ignore[misc]
        def compute_loss(self, model: Any, inputs: dict[str, Tensor], *_: Any, **__: Any) -> Tensor:
            return task.loss([inputs[part] for part in parts], training=True)

        def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
            found = {f"eval_{name}": value for name, value in task.evaluate().items()}
            self.log({**found, **weights.read(), "data/shared": task.shared()})
            return found

        def create_optimizer(self, *_: Any, **__: Any) -> torch.optim.Optimizer:
            self.optimizer = torch.optim.Adam(task.trained(), task.lr)
            return self.optimizer

    arguments = TrainingArguments(
        str(folder), num_train_epochs=EPOCHS, per_device_train_batch_size=BATCH, logging_steps=2, eval_strategy="epoch",
        save_strategy="no", use_cpu=True, report_to=[], disable_tqdm=True, remove_unused_columns=False, seed=task.seed,
        learning_rate=task.lr, lr_scheduler_type="constant", max_grad_norm=0,
    )  # fmt: skip
    rows = [dict(zip(parts, row, strict=True)) for row in zip(*task.train, strict=True)]
    trainer = Sabotaged(task.model, arguments, train_dataset=rows, eval_dataset=rows[:1])
    trainer.log_metrics = lambda *_: None
    trainer.train()
    trainer.save_state()


FRAMEWORKS: dict[str, Callable[[Task, Path], None]] = {
    "plain": plain,
    "lightning": lightning,
    "transformers": transformers,
}

if __name__ == "__main__":
    main(*sys.argv[1:])
