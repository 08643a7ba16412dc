"""Range test and search for the batch size, on steps whose answer is known."""

from __future__ import annotations

import json
import math
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cvl.errors import JobError
from cvl.kit import tuning

REPOSITORY = Path(__file__).resolve().parents[2]


def falling_at(rate: float, noise: float) -> Callable[[float], float]:
    """A loss that falls from 1 to 0.2 as a logistic curve around `rate`, and explodes a hundred times further up."""
    draw = random.Random(1)

    def step(lr: float) -> float:
        decades = math.log10(lr / rate)
        return 0.2 + 0.8 / (1 + 10 ** (2 * decades)) + max(0.0, decades - 2) * 20 + draw.gauss(0, noise)

    return step


@pytest.mark.parametrize("rate", [3e-4, 1e-2])
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_the_rate_where_the_loss_falls_steepest_is_recommended(rate: float, noise: float) -> None:
    sweep = tuning.lr_range(falling_at(rate, noise))
    assert sweep.recommended is not None
    assert abs(math.log10(sweep.recommended / rate)) < 0.35  # decades; 0.18 was the worst of 160 sweeps
    assert sweep.text().endswith(f"recommended: LR={sweep.recommended:.1e}")


def test_rates_rise_exponentially_and_the_sweep_ends_where_the_loss_explodes() -> None:
    asked: list[float] = []

    def step(lr: float) -> float:
        asked.append(lr)
        return falling_at(1e-4, 0)(lr)

    sweep = tuning.lr_range(step, low=1e-6, high=1.0, steps=61)
    assert asked == list(sweep.rates)
    assert asked[10] / asked[0] == pytest.approx(10)
    assert 1e-2 < asked[-1] < 0.1


def test_it_ends_at_a_loss_that_is_not_finite_and_keeps_what_it_saw() -> None:
    sweep = tuning.lr_range(lambda lr: math.nan if lr > 1e-3 else 1.0 - lr)
    assert sweep.rates[-1] <= 1e-3
    assert all(map(math.isfinite, sweep.losses))


@pytest.mark.parametrize("loss", [0.7, math.nan])
def test_nothing_is_recommended_where_nothing_falls(loss: float) -> None:
    sweep = tuning.lr_range(lambda lr: loss)
    assert sweep.recommended is None
    assert "the loss falls nowhere" in sweep.text()


def test_noise_is_not_taken_for_a_fall() -> None:
    """Of 300 sweeps over noise alone 5 were believed."""
    believed = 0
    for seed in range(100):
        draw = random.Random(seed)
        believed += tuning.lr_range(lambda lr, draw=draw: 0.7 + draw.gauss(0, 0.1)).recommended is not None  # type: ignore[misc]
    assert believed <= 5


class Clock:
    """Seconds that pass only when something is done."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def machine(
    monkeypatch: pytest.MonkeyPatch, *, holds: int, seconds: Callable[[int], float]
) -> tuple[Callable[[int], None], list[int]]:
    """A step on a machine whose memory holds so many images, and the sizes that were asked of it."""
    clock = Clock()
    monkeypatch.setattr(tuning.time, "perf_counter", clock)
    asked: list[int] = []

    def step(size: int) -> None:
        if size not in asked:
            asked.append(size)
        if size > holds:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        clock.now += seconds(size)

    return step, asked


def test_doubles_then_bisects_to_an_eighth(monkeypatch: pytest.MonkeyPatch) -> None:
    step, asked = machine(monkeypatch, holds=50, seconds=lambda size: 1 + 0.1 * size)
    found = tuning.batch_sizes(step, device="cpu")
    assert asked == [1, 2, 4, 8, 16, 32, 64, 48, 56, 52]
    assert found.recommended == 48
    assert [(trial.size, trial.images_per_s is not None) for trial in found.trials[-4:]] == [
        (48, True), (52, False), (56, False), (64, False),
    ]  # fmt: skip
    assert found.text().splitlines()[-1] == (
        "recommended: BATCH_SIZE=48 (as fast as any within 5%; the largest that fits: 48)"
    )


def test_the_smallest_that_is_as_fast_is_recommended(monkeypatch: pytest.MonkeyPatch) -> None:
    step, asked = machine(monkeypatch, holds=10_000, seconds=lambda size: max(1.0, size / 8))
    found = tuning.batch_sizes(step, device="cpu", low=2, high=100)
    assert asked == [2, 4, 8, 16, 32, 64, 100]
    assert found.recommended == 8
    assert found.text().endswith("recommended: BATCH_SIZE=8 (as fast as any within 5%; the largest tried: 100)")


def test_not_even_the_first_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    step, _ = machine(monkeypatch, holds=1, seconds=lambda size: 1.0)
    with pytest.raises(JobError, match="not even 2 images fit into memory\nhint: a smaller IMAGE_SIZE or MODEL"):
        tuning.batch_sizes(step, device="cpu", low=2)


def test_another_error_is_not_taken_for_want_of_memory() -> None:
    def step(size: int) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        tuning.batch_sizes(step, device="cpu")


REAL_LIMIT = """
import json, resource, sys
from pathlib import Path
import torch
from cvl.kit import tuning

def step(n):
    torch.ones(n, 1 << 20, requires_grad=True).exp().sum().backward()  # 12 MiB an image

step(1)
pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (300 << 20),) * 2)
found = tuning.batch_sizes(step, device="cpu", high=256, repeats=1)
tuning.lr_range(lambda lr: 1 / (1 + 100 * lr)).plot(Path(sys.argv[1]))
print(json.dumps([[trial.size, trial.images_per_s is not None] for trial in found.trials]))
"""


@pytest.mark.training("yolo-ui-detection")
def test_a_real_limit_of_memory_is_found_and_the_plot_drawn(ml_python: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [ml_python, "-c", REAL_LIMIT, tmp_path / "lr.png"],
        cwd=REPOSITORY,
        env={"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    trials = dict(json.loads(done.stdout))
    fitting = [size for size, fits in trials.items() if fits]
    failing = [size for size, fits in trials.items() if not fits]
    assert 8 <= max(fitting) < min(failing) <= 32
    assert (tmp_path / "lr.png").read_bytes().startswith(b"\x89PNG")
