"""What training costs: images a second, the share of time spent waiting for data, peak memory."""

from __future__ import annotations

import platform
import resource
import sys
import time
from pathlib import Path


class Meters:
    """Call `loaded()` when a batch has arrived and `trained(images)` when its step is done; `read()` each epoch."""

    def __init__(self, device: str) -> None:
        self._device = device
        self.reset()

    def reset(self) -> None:
        self._mark = time.perf_counter()
        self._waited = self._worked = 0.0
        self._images = 0

    def loaded(self) -> None:
        now = time.perf_counter()
        self._waited += now - self._mark
        self._mark = now

    def trained(self, images: int) -> None:
        now = time.perf_counter()
        self._worked += now - self._mark
        self._images += images
        self._mark = now

    def read(self) -> dict[str, float]:
        """Since the last `reset`; memory is the peak since the process began."""
        seconds = self._waited + self._worked
        return {
            "perf/images_per_s": self._images / seconds if seconds else 0.0,
            "perf/data_wait": self._waited / seconds if seconds else 0.0,
            **self.memory(),
        }

    def memory(self) -> dict[str, float]:
        """The peak since the process began."""
        return {"perf/vram_gb" if self._device == "cuda" else "perf/ram_gb": peak_memory_gb(self._device)}


def peak_memory_gb(device: str) -> float:
    """GiB: of the GPU's memory as torch reserved it, or of this process on a CPU."""
    if device == "cuda":
        import torch

        return float(torch.cuda.max_memory_reserved() / 2**30)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)


def hardware(device: str) -> str:
    """What computes: the GPU's name, or the CPU's, as the machine gives it."""
    if device == "cuda":
        import torch

        return str(torch.cuda.get_device_name())
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
