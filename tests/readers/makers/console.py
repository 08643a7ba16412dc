"""Writes data/console/: what Keras, tqdm and Python's logging really print, and the line that torchvision's reference
scripts print (they are in no package: `torchvision_line` writes that format).

KERAS_BACKEND=torch python tests/readers/makers/console.py
"""

from __future__ import annotations

import contextlib
import io
import logging
import math
import time
from pathlib import Path

import _expected
import keras
import numpy
from tqdm import tqdm

DATA = Path(__file__).parents[1] / "data" / "console"
Points = dict[str, dict[int, tuple[float, float]]]
LOSSES = [[2.5, 2.25, 1.875], [1.5, math.nan, 1.25], [0.75, 0.625, math.inf]]  # by epoch


def main() -> None:
    for name, case in (("keras", in_keras), ("tqdm", in_tqdm), ("logging", in_logging), ("torchvision", torchvision)):
        text, points = case()
        (DATA / name).mkdir(parents=True, exist_ok=True)
        (DATA / name / "train.log").write_bytes(text.encode())
        series: dict[str, list[_expected.Row]] = {
            n: [(s, *found[s]) for s in sorted(found)] for n, found in points.items()
        }
        _expected.write(DATA / name, series, problems=int(name == "torchvision"))  # a resume is reported


def torchvision() -> tuple[str, Points]:
    """Epochs from 0, the lines of 40 batches at 0, 20 and 39; epoch 1 comes again after a resume."""
    text, points = "Namespace(batch_size=4, lr=0.02, epochs=3)\nStart training\n", Points()
    for epoch, factor in ((0, 1), (1, 1), (1, 0.5), (2, 1)):
        for batch, loss in zip((0, 20, 39), LOSSES[epoch], strict=True):
            text += torchvision_line(f"Epoch: [{epoch}]", batch, f"lr: 0.020000  loss: {loss * factor:.4f} (9.8765)")
            for name, value in {"lr": 0.02, "loss": loss * factor, "time": 0.125, "data": 0.0625}.items():
                points.setdefault(name, {})[40 * epoch + batch] = epoch, value
        text += f"Epoch: [{epoch}] Total time: 0:00:05 (0.1250 s / it)\n"
        for batch in (0, 39):
            acc = 10 * (epoch + 1) + batch
            text += torchvision_line("Test: ", batch, f"acc1: {acc:.4f} (11.1111)")
            for name, value in {"test_acc1": acc, "test_time": 0.125, "test_data": 0.0625}.items():
                points.setdefault(name, {})[40 * epoch + 39] = epoch, value
        text += " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.123\n"
    return text, points


def torchvision_line(header: str, batch: int, meters: str) -> str:
    return f"{header}  [{batch:2}/40]  eta: 0:00:05  {meters}  time: 0.1250 (0.1300)  data: 0.0625 (0.0700)\n"


def in_logging() -> tuple[str, Points]:
    """Steps over all epochs, a percent sign, colour, and validation on a line of its own."""
    stream, points = io.StringIO(), Points()
    logger = logging.Logger("train")
    logger.addHandler(logging.StreamHandler(stream))
    form = "\x1b[32m%(asctime)s\x1b[0m %(levelname)s [rank0] %(filename)s:%(lineno)d - %(message)s"
    logger.handlers[0].setFormatter(logging.Formatter(form))
    logger.info("config: lr=0.1, val_every=5, url=http://localhost:6006")
    for i, loss in enumerate(loss for losses in LOSSES for loss in losses):
        epoch, step = i // 3 + 1, 10 * (i + 1)
        logger.info("epoch %d/3 step %d loss=%.4f acc: %.1f%%  (1.5 s)", epoch, step, loss, 90 + i / 2)
        points.setdefault("loss", {})[step] = epoch, loss
        points.setdefault("acc", {})[step] = epoch, 90 + i / 2
        if i % 3 == 2:
            logger.warning("Validation Loss: %.4f, IoU: %.3e", loss / 2, i / 8)
            points.setdefault("validation_loss", {})[step] = epoch, loss / 2
            points.setdefault("validation_iou", {})[step] = epoch, i / 8
    return stream.getvalue(), points


def in_tqdm() -> tuple[str, Points]:
    """The bar still shows the step before while it is given the next loss; only the last step shows its own."""
    stream, points = io.StringIO(), Points()
    for epoch, losses in enumerate(LOSSES, 1):
        with tqdm(losses, desc=f"Epoch {epoch}", file=stream, mininterval=0, miniters=1) as bar:
            for i, loss in enumerate(bar):
                bar.set_postfix(loss=f"{loss:.4f}")
                for step in (i, i + 1):
                    points.setdefault("loss", {})[3 * (epoch - 1) + step] = epoch, loss
    for epoch in (2, 3):  # the step that ends an epoch is also that before the next one
        points["loss"][3 * (epoch - 1)] = epoch, LOSSES[epoch - 1][0]
    return stream.getvalue(), points


def in_keras() -> tuple[str, Points]:
    """Bars of three batches, then, as a resume, the second epoch again with one line an epoch."""
    keras.utils.set_random_seed(0)
    x, y = numpy.random.rand(64, 3), numpy.random.rand(64, 1)
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(loss="mse", optimizer="sgd", metrics=["mae"])
    seen, text = Seen(), io.StringIO()
    with contextlib.redirect_stdout(text):
        for first, last, verbose in ((0, 2, 1), (1, 4, 2)):
            model.fit(
                x, y, epochs=last, initial_epoch=first, batch_size=16, validation_split=0.25, verbose=verbose,
                callbacks=[seen],
            )  # fmt: skip
            seen.bars = False
    return text.getvalue(), seen.points


class Seen(keras.callbacks.Callback):
    """Notes what Keras prints, with its four decimals, and is slow enough for a bar at each batch."""

    def __init__(self) -> None:
        super().__init__()
        self.points, self.bars, self.epoch = Points(), True, 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        if self.bars:
            self.note(batch + 1, logs or {})
            time.sleep(0.1)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.note(3, logs or {})

    def note(self, batch: int, logs: dict[str, float]) -> None:
        for name, value in logs.items():
            self.points.setdefault(name, {})[3 * (self.epoch - 1) + batch] = self.epoch, float(f"{value:.4f}")


if __name__ == "__main__":
    main()
