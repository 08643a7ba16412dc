"""Writes data/tensorboard/ with torch's SummaryWriter and Lightning's logger.

python tests/readers/makers/tensorboard.py
"""

from __future__ import annotations

import math
import shutil
import sys
import tempfile
import time
import warnings
from pathlib import Path

sys.path.append(sys.path.pop(0))  # the library is called as this file is

import _expected
import lightning as L
import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.tensorboard import SummaryWriter

DATA = Path(__file__).parents[1] / "data" / "tensorboard"
Values = dict[int, float]


def main() -> None:
    shutil.rmtree(DATA, ignore_errors=True)
    falling = {step: 1 / (step + 1) for step in range(0, 40, 10)}
    healthy(falling)
    spoilt = {0: 1.5, 10: math.nan, 20: math.inf, 30: -math.inf}
    log("nan", {"loss": spoilt})
    expect("nan", {"loss": spoilt})
    later = {20: 0.75, 30: 0.5, 40: 0.25}
    log("resumed", {"loss": falling}, {"loss": later})
    expect("resumed", {"loss": falling | later})
    log("purged", {"loss": falling}, {"loss": {15: 0.5}}, purge_step=15)
    expect("purged", {"loss": {0: falling[0], 10: falling[10], 15: 0.5}})
    trainer()
    for number, path in enumerate(sorted(DATA.rglob("*tfevents*"))):
        path.rename(path.with_name(f"events.out.tfevents.{number:03}.host"))  # as many bytes on every machine


def log(case: str, *parts: dict[str, Values], **options: int) -> None:
    """Each part by a writer of its own, the options for the last one."""
    for i, series in enumerate(parts):
        with SummaryWriter(str(DATA / case), **options if i == len(parts) - 1 else {}) as writer:
            for tag, values in series.items():
                for step, value in values.items():
                    writer.add_scalar(tag, value, step)
        time.sleep(1.1)  # a file is named after its second


def healthy(falling: Values) -> None:
    with SummaryWriter(str(DATA / "healthy")) as writer:
        for step, value in falling.items():
            writer.add_scalar("train/loss", value, step)
            writer.add_scalar("new", value, step, new_style=True)
            writer.add_scalar("double", value, step, new_style=True, double_precision=True)
            writer.add_scalars("val/iou", {"crack": value, "tape": value / 2}, step)
        writer.add_text("note", "no number", 0)
    half = {step: value / 2 for step, value in falling.items()}
    series = {"train/loss": falling, "new": falling, "val/iou/crack": falling, "val/iou/tape": half}
    expect("healthy", series, exact={"double": falling})


def expect(case: str, series: dict[str, Values], exact: dict[str, Values] | None = None) -> None:
    """What was passed, which TensorBoard keeps in 32 bits."""
    rows = {name: [(s, None, float(np.float32(v))) for s, v in values.items()] for name, values in series.items()}
    rows |= {name: [(s, None, v) for s, v in values.items()] for name, values in (exact or {}).items()}
    _expected.write(DATA / case, rows)


class Line(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
        loss = (self.layer(batch[0]) - 1).pow(2).mean()
        self.log("train/loss", loss, on_step=True, on_epoch=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def trainer() -> None:
    """Two epochs, and two more from the checkpoint of the first."""
    warnings.simplefilter("ignore")
    L.seed_everything(0)
    data, case = DataLoader(TensorDataset(torch.rand(8, 1)), batch_size=2), DATA / "lightning"
    with tempfile.TemporaryDirectory() as scratch:
        saved = None
        for epochs in (1, 2):
            logger = TensorBoardLogger(str(case), version=0, sub_dir=None)
            one = L.Trainer(max_epochs=epochs, logger=logger, accelerator="cpu", log_every_n_steps=2,
                            enable_progress_bar=False, enable_model_summary=False, default_root_dir=scratch,
                            enable_checkpointing=False)  # fmt: skip
            one.fit(Line(), data, ckpt_path=saved)
            saved = f"{scratch}/last.ckpt"
            one.save_checkpoint(saved)
            time.sleep(1.1)
    (case / "lightning_logs/version_0/hparams.yaml").unlink()
    found = EventAccumulator(str(case / "lightning_logs/version_0"), size_guidance={"scalars": 0}).Reload()
    epoch = {event.step: event.value for event in found.Scalars("epoch")}
    names = [name for name in found.Tags()["scalars"] if name not in ("epoch", "hp_metric")]
    rows = {name: {event.step: event.value for event in found.Scalars(name)} for name in names}
    _expected.write(case, {name: [(s, epoch[s], v) for s, v in values.items()] for name, values in rows.items()})


if __name__ == "__main__":
    main()
