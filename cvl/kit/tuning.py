"""Two searches before a training: for the learning rate and for the batch size; both end in a recommendation."""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cvl.errors import JobError
from cvl.kit.meters import peak_memory_gb
from cvl.kit.run import say

_DIVERGED = 4.0  # times the lowest loss: further up there is nothing to learn
_CERTAIN = 4.0  # standard errors by which a slope must be below 0
_AS_FAST = 0.95
_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED")


@dataclass(frozen=True)
class Sweep:
    """What a learning-rate range test saw: `losses[i]` of the step at `rates[i]`; `smooth` is its moving mean."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smooth: tuple[float, ...]
    recommended: float | None

    def text(self) -> str:
        """What was found, for a person."""
        seen = f"{len(self.rates)} steps, LR {self.rates[0]:.1e} to {self.rates[-1]:.1e}" if self.rates else "no step"
        if self.recommended is None:
            return f"{seen}: the loss falls nowhere beyond its noise; check the data, or sweep longer and further up"
        lowest = self.rates[self.smooth.index(min(self.smooth))]
        return (
            f"{seen}: the loss falls steepest at {self.recommended:.1e} and is lowest at {lowest:.1e}\n"
            f"recommended: LR={self.recommended:.1e}"
        )

    def plot(self, file: Path) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6.4, 4.0), dpi=110, layout="constrained")
        axes = figure.add_subplot(xscale="log", xlabel="learning rate", ylabel="loss", title="learning-rate range test")
        axes.plot(self.rates, self.losses, linewidth=0.8, alpha=0.4, label="each step")
        axes.plot(self.rates, self.smooth, linewidth=1.8, label="moving mean")
        if self.recommended is not None:
            axes.axvline(self.recommended, color="#1a7f37", linestyle="--", label=f"LR={self.recommended:.1e}")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
        file.parent.mkdir(parents=True, exist_ok=True)
        FigureCanvasAgg(figure).print_png(str(file))


def lr_range(step: Callable[[float], float], *, low: float = 1e-6, high: float = 1.0, steps: int = 100) -> Sweep:
    """`step(lr)` trains once at that rate and returns the loss; the rates rise exponentially from `low` to `high`.

    Ends early where a loss is not finite, or their mean has grown to four times its lowest. Recommended is the rate
    where the loss falls steepest per decade (Smith 2017), None where it falls nowhere beyond its noise. The weights
    are spoilt afterwards: give it a model that nobody needs.
    """
    rates: list[float] = []
    losses: list[float] = []
    lowest = math.inf
    for number in range(steps):
        rate = low * (high / low) ** (number / max(1, steps - 1))
        loss = step(rate)
        if not math.isfinite(loss):
            break
        rates.append(rate)
        losses.append(loss)
        recent = statistics.fmean(losses[-_window(steps) :])
        lowest = min(lowest, recent)
        if recent > _DIVERGED * lowest > 0:
            break
    return Sweep(tuple(rates), tuple(losses), *_smooth_and_steepest(rates, losses, _window(steps)))


@dataclass(frozen=True)
class Trial:
    """A batch size that was tried; `images_per_s` is None where it did not fit into memory."""

    size: int
    images_per_s: float | None = None
    memory_gb: float = 0.0

    def __str__(self) -> str:
        if self.images_per_s is None:
            return f"batch size {self.size:>4}: does not fit"
        return f"batch size {self.size:>4}: {self.images_per_s:>8.1f} images/s, {self.memory_gb:.2f} GiB"


@dataclass(frozen=True)
class BatchSizes:
    """What a search for the batch size saw, in the order of size."""

    trials: tuple[Trial, ...]

    @property
    def recommended(self) -> int:
        """The smallest that is as fast as any, within 5 %."""
        speeds = {trial.size: trial.images_per_s for trial in self.trials if trial.images_per_s}
        return min(size for size, speed in speeds.items() if speed >= _AS_FAST * max(speeds.values()))

    def text(self) -> str:
        """Every trial and the recommendation, for a person."""
        fitting = [trial.size for trial in self.trials if trial.images_per_s]
        bound = "the largest that fits" if len(fitting) < len(self.trials) else "the largest tried"
        why = f"as fast as any within {1 - _AS_FAST:.0%}; {bound}: {max(fitting)}"
        return "\n".join([*map(str, self.trials), f"recommended: BATCH_SIZE={self.recommended} ({why})"])


def batch_sizes(
    step: Callable[[int], object], *, device: str, low: int = 1, high: int = 1024, repeats: int = 5
) -> BatchSizes:
    """`step(n)` trains once on n images: doubles n from `low` to `high` until memory is out, then bisects.

    The limit is known to an eighth. JobError where not even `low` fits. A CPU has no such limit of its own (the system
    kills the process, or swaps): choose `high` for it.
    """
    trials: list[Trial] = []

    def fits(size: int) -> bool:
        trials.append(_try(step, size, device, repeats))
        say(str(trials[-1]))
        return trials[-1].images_per_s is not None

    size, too_large = low, high + 1
    if not fits(size):
        raise JobError(f"not even {low} images fit into memory", hint="a smaller IMAGE_SIZE or MODEL")
    while too_large > high and size < high:
        larger = min(2 * size, high)
        size, too_large = (larger, too_large) if fits(larger) else (size, larger)
    while too_large <= high and too_large - size > max(1, size // 8):
        middle = (size + too_large) // 2
        size, too_large = (middle, too_large) if fits(middle) else (size, middle)
    return BatchSizes(tuple(sorted(trials, key=lambda trial: trial.size)))


def _try(step: Callable[[int], object], size: int, device: str, repeats: int) -> Trial:
    """The first step is not timed: libraries choose their algorithms in it."""
    _release(device)
    try:
        seconds = [_timed(step, size, device) for _ in range(repeats + 1)][1:]
    except (RuntimeError, MemoryError) as error:
        if not (isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY)):
            raise
    else:
        return Trial(size, size / statistics.median(seconds), peak_memory_gb(device))
    _release(device)  # only here, when the error no longer holds the tensors of its frames
    return Trial(size)


def _timed(step: Callable[[int], object], size: int, device: str) -> float:
    start = time.perf_counter()
    step(size)
    if device == "cuda":
        import torch

        torch.cuda.synchronize()
    return time.perf_counter() - start


def _release(device: str) -> None:
    gc.collect()
    if device == "cuda":
        import torch

        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _window(steps: int) -> int:
    return max(3, steps // 5)


def _smooth_and_steepest(
    rates: Sequence[float], losses: Sequence[float], window: int
) -> tuple[tuple[float, ...], float | None]:
    """The moving mean around each step, and the rate at the middle of the window with the steepest certain fall."""
    decades = [math.log10(rate) for rate in rates]
    half = window // 2
    spans = [slice(max(0, i - half), i + half + 1) for i in range(len(rates))]
    smooth = tuple(statistics.fmean(losses[span]) for span in spans)
    falls = {}
    for i, span in enumerate(spans[: smooth.index(min(smooth)) + 1] if smooth else ()):
        if half <= i < len(rates) - half:
            slope, error = _slope(decades[span], losses[span])
            if slope < -_CERTAIN * error:
                falls[i] = slope
    return smooth, rates[min(falls, key=falls.__getitem__)] if falls else None


def _slope(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Of the least-squares line, and its standard error."""
    slope, intercept = statistics.linear_regression(x, y)
    mean = statistics.fmean(x)
    spread = sum((a - mean) ** 2 for a in x)
    residual = sum((b - intercept - slope * a) ** 2 for a, b in zip(x, y, strict=True))
    return slope, math.sqrt(residual / max(1, len(x) - 2) / spread)
