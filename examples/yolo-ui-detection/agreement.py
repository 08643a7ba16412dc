"""Whether an exported model finds what the trained one finds, measured on real pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from library import YOLO, LetterBox, non_max_suppression

from cvl.errors import JobError
from cvl.formats.boxes import Box, Picture
from cvl.kit import drawing
from cvl.kit.drawing import overlap

Runtime = Callable[[np.ndarray], np.ndarray]
SAME = 0.99  # IoU of a box with its counterpart


@dataclass(frozen=True)
class Agreement:
    """The largest differences, and the share of boxes with a counterpart (None where nothing was found)."""

    pictures: int
    box_px: float  # in pixels of the input
    score: float
    boxes: int
    matched: float | None


@dataclass(frozen=True)
class Tolerance:
    """Measured with yolov8n, yolo11n and yolo26n at 160 to 640 px: at most 0.003 px and 2e-6, and every box."""

    box_px: float = 0.05
    score: float = 1e-3
    matched: float = 0.99


TOLERANCE = Tolerance()


def onnx_runtime(file: Path) -> Runtime:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return lambda batch: session.run(None, {"images": batch})[0]


def torchscript_runtime(file: Path) -> Runtime:
    module = torch.jit.load(str(file))
    return lambda batch: module(torch.from_numpy(batch)).numpy()


RUNTIMES: dict[str, Callable[[Path], Runtime]] = {"onnx": onnx_runtime, "torchscript": torchscript_runtime}


def opset(file: Path) -> int:
    import onnx

    return max(entry.version for entry in onnx.load(str(file)).opset_import if entry.domain in ("", "ai.onnx"))


def measure(model: YOLO, exported: Runtime, screens: Sequence[Picture], size: int, limits: dict[str, Any]) -> Agreement:
    """Both on the same tensors, on the CPU in fp32."""
    network = model.model.cpu().float().eval()
    if hasattr(network, "end2end"):
        network.end2end = False  # as it is exported: YOLO26 then gives what the others give
    box_px = score = 0.0
    total = matched = 0
    for screen in screens:
        batch = tensor(screen.path, size)
        with torch.inference_mode():
            wanted = network(torch.from_numpy(batch))
        wanted = (wanted[0] if isinstance(wanted, (tuple, list)) else wanted).numpy()
        found = exported(batch)
        finite = bool(np.isfinite(found).all())
        if found.shape != wanted.shape or not finite:
            raise JobError(f"the exported model gives {found.shape}, the trained one {wanted.shape}; finite: {finite}")
        difference = np.abs(found - wanted)
        box_px = max(box_px, float(difference[:, :4].max()))
        score = max(score, float(difference[:, 4:].max()))
        kept = {*after_nms(wanted, limits), *after_nms(found, limits)}
        total += len(kept)
        matched += sum(same(wanted[0, :, i], found[0, :, i]) for i in kept)
    return Agreement(len(screens), box_px, score, total, matched / total if total else None)


def tensor(file: Path, size: int) -> np.ndarray:
    """A picture as the network gets it: (1, 3, size, size), RGB in 0–1."""
    padded = LetterBox((size, size), auto=False)(image=np.asarray(drawing.upright(file)))
    return np.ascontiguousarray(padded.transpose(2, 0, 1)[None], dtype=np.float32) / 255


def after_nms(raw: np.ndarray, limits: dict[str, Any]) -> list[int]:
    """The columns of `raw` whose boxes are left."""
    _, (columns,) = non_max_suppression(torch.tensor(raw), return_idxs=True, **limits)
    return [int(column) for column in columns.flatten()]


def same(wanted: np.ndarray, found: np.ndarray) -> bool:
    """Whether two columns (centre, size, a score for each class) are one box: same class, and they lie on each other.

    Columns rather than what NMS leaves: of two equally certain boxes it may drop either.
    """
    return bool(wanted[4:].argmax() == found[4:].argmax()) and overlap(_box(wanted), _box(found)) >= SAME


def _box(column: np.ndarray) -> Box:
    x, y, width, height = (float(value) for value in column[:4])
    return Box(0, x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def beyond(found: Agreement, tolerance: Tolerance) -> list[str]:
    """What is worse than the tolerance."""
    problems = []
    if found.box_px > tolerance.box_px:
        problems.append(f"a box differs by {found.box_px:.3g} px (tolerance {tolerance.box_px:g})")
    if found.score > tolerance.score:
        problems.append(f"a score differs by {found.score:.3g} (tolerance {tolerance.score:g})")
    if found.matched is not None and found.matched < tolerance.matched:
        problems.append(f"{found.matched:.2%} of {found.boxes} boxes are the same (tolerance {tolerance.matched:.0%})")
    return problems


def sentence(found: Agreement) -> str:
    raw = f"raw outputs differ by at most {found.box_px:.3g} px and {found.score:.3g} in score"
    if found.matched is None:
        return f"{found.pictures} pictures: {raw}; no box was certain enough to compare"
    same = f"{found.matched:.2%} of {found.boxes} boxes are the same (class, IoU ≥ {SAME:g})"
    return f"{found.pictures} pictures: {raw}; {same}"
