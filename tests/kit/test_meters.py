"""Meters and progress: what is counted as waiting, as work and as left."""

from __future__ import annotations

import pytest

from cvl.kit import meters, progress
from cvl.kit.meters import Meters
from cvl.kit.progress import Progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_waiting_is_told_from_work(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(meters.time, "perf_counter", clock)
    meter = Meters("cpu")
    for _ in range(4):
        clock.now += 1.0
        meter.loaded()
        clock.now += 3.0
        meter.trained(8)
    found = meter.read()
    assert found["perf/images_per_s"] == pytest.approx(2.0)
    assert found["perf/data_wait"] == pytest.approx(0.25)
    assert 0.001 < found["perf/ram_gb"] < 1000
    meter.reset()
    assert meter.read()["perf/images_per_s"] == 0.0


def test_time_left_goes_by_the_batches_of_this_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()
    monkeypatch.setattr(progress.time, "monotonic", clock)
    shown = Progress(100, 40)
    for _ in range(10):
        clock.now += 2.0
        shown.step("loss 1")
    assert shown.left() == "1:40"
    shown.line("epoch 1")
    assert capsys.readouterr().err == "  loss 1, 1:40 left\nepoch 1, 1:40 left\n"
