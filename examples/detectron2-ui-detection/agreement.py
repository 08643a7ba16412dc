"""Whether an exported detector finds what the trained one finds, measured on real pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from library import Boxes, pairwise_iou

from cvl.errors import JobError

Outputs = Sequence[torch.Tensor]
Runtime = Callable[[torch.Tensor], Outputs]
SAME = 0.99  # IoU of a box with its counterpart


@dataclass(frozen=True)
class Limit:
    """What ends the list of boxes that either model gives."""

    confidence: float
    max_detections: int


@dataclass(frozen=True)
class Agreement:
    """The largest differences between counterparts, and the share of boxes that have one (None: nothing was found)."""

    pictures: int
    box_px: float  # in pixels of the input
    score: float
    mask: float | None  # of a probability; None where there are no masks
    boxes: int
    matched: float | None


@dataclass(frozen=True)
class Tolerance:
    """Measured at 320 px, R50 and lite0 with FPN: boxes differ by at most 0.0008 px and 4e-5, and all are found."""

    box_px: float = 0.05
    score: float = 1e-3
    mask: float = 1e-2
    matched: float = 0.99


TOLERANCE = Tolerance()


def outputs(masks: bool) -> tuple[str, ...]:
    return "boxes", "classes", "scores", *(["masks"] if masks else [])


def onnx_runtime(file: Path) -> Runtime:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it warns of shapes that tracing guessed
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return lambda image: [torch.from_numpy(found) for found in session.run(None, {"image": image.numpy()})]


def torchscript_runtime(file: Path) -> Runtime:
    module = torch.jit.load(str(file))
    return lambda image: module(image)


RUNTIMES: dict[str, Callable[[Path], Runtime]] = {"onnx": onnx_runtime, "torchscript": torchscript_runtime}


def measure(trained: Runtime, exported: Runtime, images: Sequence[torch.Tensor], limit: Limit) -> Agreement:
    """Both on the same pictures (3,H,W), on the CPU in fp32."""
    total = matched = 0
    box_px = score = mask = 0.0
    masked = False
    for image in images:
        with torch.no_grad():
            wanted, found = trained(image), exported(image)
        check_form(wanted, found)
        masked = len(wanted) > 3
        pairs, alone = counterparts(wanted, found, limit)
        total += 2 * len(pairs) + alone
        matched += 2 * len(pairs)
        for i, j in pairs:
            box_px = max(box_px, float((wanted[0][i] - found[0][j]).abs().max()))
            score = max(score, float((wanted[2][i] - found[2][j]).abs()))
            mask = max(mask, float((wanted[3][i] - found[3][j]).abs().max())) if masked else 0.0
    return Agreement(len(images), box_px, score, mask if masked else None, total, matched / total if total else None)


def check_form(wanted: Outputs, found: Outputs) -> None:
    """As many tensors of the same form, whatever the number of boxes, and all numbers finite."""
    forms = [[tuple(one.shape[1:]) for one in outputs] for outputs in (wanted, found)]
    if forms[0] != forms[1]:
        raise JobError(f"the exported model gives {forms[1]} for each box, the trained one {forms[0]}")
    if not all(bool(one.isfinite().all()) for one in found):
        raise JobError("the exported model gives numbers that are not finite")


def counterparts(wanted: Outputs, found: Outputs, limit: Limit) -> tuple[list[tuple[int, int]], int]:
    """Pairs of boxes of one class that lie on each other, and how many of both models' boxes have no counterpart.

    At the end of the list, where confidence or number ends it, either may keep what the other drops: not counted.
    """
    overlap = pairwise_iou(Boxes(wanted[0]), Boxes(found[0]))
    overlap[wanted[1][:, None] != found[1][None, :]] = 0
    pairs = []
    for i in range(len(overlap)):
        # Of boxes that lie on each other, the one whose score is nearest.
        near = (overlap[i] >= SAME).nonzero().flatten().tolist()
        if near:
            j = min(near, key=lambda j: abs(float(wanted[2][i] - found[2][j])))
            pairs.append((i, j))
            overlap[:, j] = 0
    alone = _sure(wanted, {i for i, _ in pairs}, limit) + _sure(found, {j for _, j in pairs}, limit)
    return pairs, alone


def _sure(one: Outputs, paired: set[int], limit: Limit) -> int:
    """How many boxes without a counterpart are not at the end of the list."""
    scores = one[2].tolist()
    last = max(limit.confidence, min(scores) if len(scores) >= limit.max_detections else 0.0)
    return sum(i not in paired and value > last + TOLERANCE.score for i, value in enumerate(scores))


def beyond(found: Agreement, tolerance: Tolerance) -> list[str]:
    """What is worse than the tolerance."""
    problems = []
    if found.matched is None:
        problems.append("no box was certain enough to compare, a lower CONFIDENCE has some")
    if found.box_px > tolerance.box_px:
        problems.append(f"a box differs by {found.box_px:.3g} px (tolerance {tolerance.box_px:g})")
    if found.score > tolerance.score:
        problems.append(f"a score differs by {found.score:.3g} (tolerance {tolerance.score:g})")
    if found.mask is not None and found.mask > tolerance.mask:
        problems.append(f"a mask's probability differs by {found.mask:.3g} (tolerance {tolerance.mask:g})")
    if found.matched is not None and found.matched < tolerance.matched:
        problems.append(f"{found.matched:.2%} of {found.boxes} boxes are the same (tolerance {tolerance.matched:.0%})")
    return problems


def sentence(found: Agreement) -> str:
    if found.matched is None:
        return f"{found.pictures} pictures: no box was certain enough to compare"
    same = f"{found.matched:.2%} of {found.boxes} boxes of both are the same (class, IoU ≥ {SAME:g})"
    masks = f", {found.mask:.3g} in a mask's probability" if found.mask is not None else ""
    most = f"{found.box_px:.3g} px, {found.score:.3g} in score{masks}"
    return f"{found.pictures} pictures: {same}; they differ by at most {most}"
