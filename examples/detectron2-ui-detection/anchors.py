"""How many boxes the anchors reach: what no anchor overlaps well, the region proposal network hardly learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from library import Boxes, DefaultAnchorGenerator, pairwise_iou

from cvl.formats.boxes import Picture

# Of the feature pyramid's levels, p2 … p6 or p3 … p7.
STRIDES = {"GeneralizedRCNN": (4, 8, 16, 32, 64), "RetinaNet": (8, 16, 32, 64, 128)}
# Above these an anchor is trained as an object whatever else is near: of RetinaNet, and of an R-CNN
# (MODEL.RETINANET.IOU_THRESHOLDS, MODEL.RPN.IOU_THRESHOLDS).
IOUS = (0.5, 0.7)


@dataclass(frozen=True)
class Anchors:
    """The sizes at each level, in pixels of the resized picture; ratios are height over width, the same at each."""

    name: str
    sizes: Sequence[Sequence[float]]
    ratios: Sequence[float]
    strides: Sequence[int]


def of(cfg: Any, name: str) -> Anchors:
    """Those that the library makes for a configuration."""
    made = cfg.MODEL.ANCHOR_GENERATOR
    return Anchors(name, made.SIZES, made.ASPECT_RATIOS[0], STRIDES[cfg.MODEL.META_ARCHITECTURE])


def reach(pictures: Sequence[Picture], anchors: Anchors, image_size: int) -> dict[float, float]:
    """The share of boxes whose best anchor overlaps them by at least each of IOUS; longer sides are `image_size`."""
    best = torch.cat([_best(picture, anchors, image_size) for picture in pictures if picture.boxes])
    return {iou: float((best >= iou).float().mean()) for iou in IOUS}


def _best(picture: Picture, anchors: Anchors, image_size: int) -> torch.Tensor:
    """(boxes,): the IoU of every box with the anchor that fits it best."""
    scale = image_size / max(picture.width, picture.height)
    corners = [[side * scale for side in (box.x0, box.y0, box.x1, box.y1)] for box in picture.boxes]
    made = DefaultAnchorGenerator(
        sizes=[list(level) for level in anchors.sizes],
        aspect_ratios=[list(anchors.ratios)],
        strides=list(anchors.strides),
        offset=0.0,  # MODEL.ANCHOR_GENERATOR.OFFSET; the class itself would say .5
    )
    height, width = picture.height * scale, picture.width * scale
    maps = [torch.zeros(1, 1, int(-(-height // stride)), int(-(-width // stride))) for stride in anchors.strides]
    level_best = [pairwise_iou(Boxes(torch.tensor(corners)), level).max(dim=1).values for level in made(maps)]
    return torch.stack(level_best).max(dim=0).values


def table(pictures: Sequence[Picture], choices: Sequence[Anchors], image_size: int) -> str:
    """A line for each set of anchors."""
    lines = [f"{'anchors':<10}{'sizes':<22}{'ratios':<22}" + "".join(f"{f'IoU ≥ {iou}':>11}" for iou in IOUS)]
    for one in choices:
        found = reach(pictures, one, image_size)
        smallest = [min(level) for level in one.sizes]
        sizes, ratios = (",".join(f"{value:g}" for value in values) for values in (smallest, one.ratios))
        lines.append(f"{one.name:<10}{sizes:<22}{ratios:<22}" + "".join(f"{found[iou]:11.1%}" for iou in IOUS))
    return "\n".join(lines)
