"""Writes data/mmengine/ with the real library: by epochs, by iterations, with NaN, resumed after a crash.

data/mmengine/mmdetection2/ is not from here: that library no longer installs, so its log is written by hand, after the
format of its text logger.

python tests/readers/makers/mmengine.py
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

HERE = sys.path.pop(0)  # this file is called like the library

import torch  # noqa: E402
from mmengine.evaluator import BaseMetric  # noqa: E402
from mmengine.model import BaseModel  # noqa: E402
from mmengine.runner import Runner  # noqa: E402
from torch.utils.data import TensorDataset  # noqa: E402

sys.path.insert(0, HERE)

import _expected  # noqa: E402

DATA = Path(__file__).parents[1] / "data" / "mmengine"
LENGTH, INTERVAL = 7, 3  # iterations of an epoch and between two rows: 3, 6 | 10, 13 | 17, 20
CRASH = 21
LOG = "*/vis_data/scalars.json"


class Model(BaseModel):
    """`wrong`: iteration -> what its loss is multiplied by; an iteration called `stop` raises."""

    def __init__(self, wrong: dict[int, float], stop: int) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)
        self.wrong, self.stop, self.count = wrong, stop, 0

    def forward(self, x: torch.Tensor, y: torch.Tensor, mode: str) -> dict[str, torch.Tensor] | torch.Tensor:
        if mode != "loss":
            return (self.layer(x) - y).abs()
        self.count += 1
        if self.count == self.stop:
            raise KeyboardInterrupt
        loss = (self.layer(x) - y).square().mean()
        return {"loss_a": loss * self.wrong.get(self.count, 1), "loss_b": loss.detach() * 2}


class Metric(BaseMetric):
    """As the box metric of a data set without small objects."""

    def process(self, data_batch: object, data_samples: list[torch.Tensor]) -> None:
        self.results += [float(error) for error in data_samples]

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        return {"bbox_mAP": 1 - sum(results) / len(results), "bbox_mAP_s": -1.0}


def main() -> None:
    torch.manual_seed(0)
    os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"  # its checkpoints hold more than weights; these are our own
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        train(folder / "epochs")
        train(folder / "iterations", iterations=20)
        train(folder / "nan", wrong={5: math.nan, 12: math.inf})
        try:
            train(folder / "resumed", stop=CRASH)
        except KeyboardInterrupt:
            time.sleep(1.1)  # the folder of a start is called after its second
            train(folder / "resumed", resume=True)
        for case in sorted(path.name for path in folder.iterdir()):
            shutil.rmtree(DATA / case, ignore_errors=True)
            for log in (folder / case).glob(LOG):
                copy = DATA / case / log.relative_to(folder / case)
                copy.parent.mkdir(parents=True)
                shutil.copy(log, copy)
            expect(DATA / case)


def train(
    folder: Path, *, iterations: int = 0, wrong: dict[int, float] | None = None, stop: int = 0, resume: bool = False
) -> None:
    data = TensorDataset(torch.rand(2 * LENGTH, 3), torch.rand(2 * LENGTH, 1))
    loader = {"batch_size": 2, "collate_fn": collate, "dataset": data, "sampler": {"type": "DefaultSampler"}}
    Runner(
        model=Model(wrong or {}, stop), work_dir=str(folder), resume=resume, experiment_name=folder.name,
        train_dataloader=loader, val_dataloader=loader, val_cfg={}, val_evaluator={"type": Metric, "prefix": "coco"},
        train_cfg={"by_epoch": False, "max_iters": iterations, "val_interval": 8} if iterations else
                  {"by_epoch": True, "max_epochs": 3 + resume},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.01}}, log_processor={"by_epoch": not iterations},
        default_hooks={"logger": {"type": "LoggerHook", "interval": INTERVAL, "log_metric_by_epoch": not iterations}},
    ).train()  # fmt: skip


def collate(rows: list[tuple[torch.Tensor, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {name: torch.stack(column) for name, column in zip("xy", zip(*rows, strict=True), strict=True)}


def expect(case: Path) -> None:
    """What the json module finds in it: with seven iterations an epoch, the last row of epoch e is that of 7 e - 1."""
    series: dict[str, dict[int, tuple[float | None, float]]] = {}
    starts = [
        [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] for path in sorted(case.glob(LOG))
    ]
    for i, rows in enumerate(starts):
        void = starts[i + 1][0]["step"] if i + 1 < len(starts) else math.inf
        for row in rows:
            trained, step = "iter" in row, row.pop("step")
            epoch = None if case.name == "iterations" else row.pop("epoch", step)
            step = step if trained or epoch is None else LENGTH * epoch - 1
            row.pop("iter", 0), row.pop("coco/bbox_mAP_s", 0)
            for name, value in row.items() if step < void else ():
                name = f"val/{name}" if name in ("time", "data_time") and not trained else name
                series.setdefault(name, {})[step] = epoch, value
    _expected.write(case, {n: [(s, *points[s]) for s in sorted(points)] for n, points in sorted(series.items())})


if __name__ == "__main__":
    main()
