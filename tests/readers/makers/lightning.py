"""Writes data/lightning/ with the real library: a healthy run, one that turns NaN, and one that was resumed.

python tests/readers/makers/lightning.py
"""

from __future__ import annotations

import csv
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

sys.path.append(sys.path.pop(0))  # the library is called as this file is

import _expected
import lightning as L
import torch
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint
from torch.utils.data import DataLoader, TensorDataset

DATA = Path(__file__).parents[1] / "data" / "lightning"


class Line(L.LightningModule):
    """Fits one straight line; from `spoilt` on its loss is NaN."""

    def __init__(self, spoilt: int = 1_000) -> None:
        super().__init__()
        self.layer, self.spoilt = torch.nn.Linear(1, 1), spoilt

    def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
        loss = self._loss(batch) * (float("nan") if self.global_step >= self.spoilt else 1)
        self.log("train/loss", loss, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch: list[torch.Tensor], index: int) -> None:
        self.log("val/loss", self._loss(batch))

    def _loss(self, batch: list[torch.Tensor]) -> torch.Tensor:
        return ((self.layer(batch[0]) - batch[1]) ** 2).mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.05)


def main() -> None:
    warnings.simplefilter("ignore")
    for case in ("healthy", "nan", "resumed", "abandoned"):
        shutil.rmtree(DATA / case, ignore_errors=True)
        with tempfile.TemporaryDirectory() as scratch:
            fit(Path(scratch), epochs=3, spoilt=9 if case == "nan" else 1_000)
            if case == "resumed":
                fit(Path(scratch), epochs=5, resume=True)
            if case == "abandoned":  # it was in epoch 2 already; what it logged there and in epoch 1 is given up
                fit(Path(scratch), epochs=2, resume=True, weights="epoch=0-step=8")
            for path in sorted(Path(scratch).glob("lightning_logs/*/metrics.csv")):
                copy = DATA / case / path.relative_to(scratch)
                copy.parent.mkdir(parents=True)
                shutil.copy(path, copy)
        expect(DATA / case)


def fit(folder: Path, *, epochs: int, spoilt: int = 1_000, resume: bool = False, weights: str = "last") -> None:
    L.seed_everything(0)
    x = torch.linspace(-1, 1, 32)[:, None]
    loader = DataLoader(TensorDataset(x, 2 * x + 1), batch_size=4)
    trainer = L.Trainer(
        max_epochs=epochs, accelerator="cpu", default_root_dir=folder, log_every_n_steps=2,
        logger=L.pytorch.loggers.CSVLogger(folder), enable_progress_bar=False, enable_model_summary=False,
        callbacks=[LearningRateMonitor("step"), ModelCheckpoint(folder / "weights", save_last=True, save_top_k=-1)],
    )  # fmt: skip
    trainer.fit(Line(spoilt), loader, loader, ckpt_path=str(folder / "weights" / f"{weights}.ckpt") if resume else None)


def expect(case: Path) -> None:
    """What the csv module finds in it; rows of one step share their epoch."""
    rows = []
    for path in sorted(case.glob("lightning_logs/*/metrics.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            later = list(csv.DictReader(file))
        rows = [row for row in rows if int(row["step"]) < int(later[0]["step"])] + later
    epochs = {row["step"]: float(row["epoch"]) for row in rows if row["epoch"]}
    series: dict[str, list[_expected.Row]] = {}
    for row in rows:
        for name in sorted(set(row) - {"step", "epoch"}):
            if row[name]:
                series.setdefault(name, []).append((int(row["step"]), epochs[row["step"]], float(row[name])))
    _expected.write(case, series)


if __name__ == "__main__":
    main()
