"""Writes data/keras/ with the real library: a healthy run, one that turns NaN, and one that was resumed.

KERAS_BACKEND=torch python tests/readers/makers/keras.py
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(sys.path.pop(0))  # the library is called as this file is

import _expected
import keras
import numpy as np

DATA = Path(__file__).parents[1] / "data" / "keras"


class Recorder(keras.callbacks.Callback):
    """Keeps what the logger is given."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[int, dict[str, float]]] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.rows.append((epoch, dict(logs or {})))


def main() -> None:
    for case, separator in (("healthy", ","), ("nan", "\t"), ("resumed", ";"), ("abandoned", ",")):
        (DATA / case).mkdir(parents=True, exist_ok=True)
        path = DATA / case / "training.log"
        path.unlink(missing_ok=True)
        recorder = Recorder()
        fit(path, separator, recorder, epochs=4, rate=1e20 if case == "nan" else 0.1)
        if case == "resumed":
            fit(path, separator, recorder, epochs=6, begin=3)
        if case == "abandoned":  # epoch 3 is of a stretch that was given up
            fit(path, separator, recorder, epochs=3, begin=1)
        expect(DATA / case, recorder)


def fit(path: Path, separator: str, recorder: Recorder, *, epochs: int, rate: float = 0.1, begin: int = 0) -> None:
    keras.utils.set_random_seed(begin)
    x = np.linspace(-1, 1, 32, dtype="float32")[:, None]
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(rate), loss="mse", metrics=["mae"])
    logger = keras.callbacks.CSVLogger(path, separator=separator, append=begin > 0)
    model.fit(
        x, 2 * x + 1, validation_data=(x, 2 * x + 1), validation_freq=2 if "healthy" in path.parts else 1,
        epochs=epochs, initial_epoch=begin, verbose=0, callbacks=[recorder, logger],
    )  # fmt: skip


def expect(case: Path, recorder: Recorder) -> None:
    series: dict[str, dict[int, _expected.Row]] = {}
    for epoch, logs in recorder.rows:
        series = {name: {e: row for e, row in rows.items() if e < epoch} for name, rows in series.items()}
        for name, value in logs.items():
            series.setdefault(name, {})[epoch] = (epoch, epoch, float(value))
    _expected.write(case, {name: [rows[epoch] for epoch in sorted(rows)] for name, rows in sorted(series.items())})


if __name__ == "__main__":
    main()
