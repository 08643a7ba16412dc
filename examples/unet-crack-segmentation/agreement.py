"""Whether an exported model gives what the trained one gives, measured on real pictures, on the CPU in fp32."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tiles import Tiles
from torch import Tensor, nn

from cvl.errors import JobError

Runtime = Callable[[Tensor], Tensor]
Shape = tuple[int, int, int]  # pictures, height, width


@dataclass(frozen=True)
class Agreement:
    """The largest difference of a probability, and the pixels of which only one model says that they are crack."""

    pictures: int
    pixels: int
    probability: float
    changed: int


@dataclass(frozen=True)
class Tolerance:
    """`changed` is a share of the pixels. Measured on all eight architectures: at most 2e-6, and no pixel."""

    probability: float = 1e-4
    changed: float = 1e-4


TOLERANCE = Tolerance()


def onnx_runtime(file: Path) -> Runtime:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # a shape that does not fit is found, and said by us
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return lambda windows: torch.from_numpy(session.run(None, {"image": windows.numpy()})[0])


def torchscript_runtime(file: Path) -> Runtime:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says that it is deprecated
        return torch.jit.load(str(file)).eval()


RUNTIMES: dict[str, Callable[[Path], Runtime]] = {"onnx": onnx_runtime, "torchscript": torchscript_runtime}


@torch.inference_mode()
def fits(model: nn.Module, exported: Runtime, shapes: Iterable[Shape]) -> bool:
    """Whether the exported model takes pictures of these shapes, and gives what the model does."""
    generator = torch.Generator().manual_seed(0)
    for count, height, width in shapes:
        images = torch.randn(count, 3, height, width, generator=generator)
        try:
            found = exported(images)
        except Exception:  # each runtime has errors of its own for shapes that it does not take
            return False
        wanted = model(images)
        if found.shape != wanted.shape or not _difference(found, wanted) <= TOLERANCE.probability:
            return False
    return True


@torch.inference_mode()
def measure(model: nn.Module, exported: Runtime, images: Sequence[Any], tiles: Tiles, threshold: float) -> Agreement:
    """Both on the same windows of `images` (1, 3, H, W), put together as in every other preset."""
    total = Agreement(len(images), 0, 0.0, 0)
    for image in images:
        wanted = tiles.logits(model, image)
        found = tiles.logits(_Module(exported), image)
        if not bool(found.isfinite().all()):
            raise JobError("the exported model gives values that are not finite", hint="EXPORT_FORMAT: try another")
        changed = (wanted.sigmoid() >= threshold) != (found.sigmoid() >= threshold)
        total = replace(
            total,
            pixels=total.pixels + changed.numel(),
            probability=max(total.probability, _difference(found, wanted)),
            changed=total.changed + int(changed.sum()),
        )
    return total


def beyond(found: Agreement, tolerance: Tolerance) -> list[str]:
    """What is worse than the tolerance."""
    problems = []
    if found.probability > tolerance.probability:
        problems.append(f"a probability differs by {found.probability:.3g} (tolerance {tolerance.probability:g})")
    if found.changed > tolerance.changed * found.pixels:
        share = f"{found.changed} of {found.pixels} pixels of the masks differ"
        problems.append(f"{share} (tolerance {tolerance.changed:.2%})")
    return problems


def sentence(found: Agreement) -> str:
    differs = f"probabilities differ by at most {found.probability:.2g}"
    return f"{found.pictures} pictures: {differs}, the masks in {found.changed} of {found.pixels} pixels"


class _Module(nn.Module):
    """A runtime as a module of torch."""

    def __init__(self, run: Runtime) -> None:
        super().__init__()
        self.run = run

    def forward(self, windows: Tensor) -> Tensor:
        return self.run(windows.contiguous())


def _difference(found: Tensor, wanted: Tensor) -> float:
    return float((found.sigmoid() - wanted.sigmoid()).abs().max())
