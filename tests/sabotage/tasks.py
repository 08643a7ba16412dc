"""Three small tasks on drawn shapes, each learned in a second on a CPU, and the ways to break them.

A picture shows one square, disc or cross somewhere on noise: classify it, find its box, or mark its pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

SIDE, CLASSES, TRAIN, VAL = 24, 3, 256, 128
EPOCHS, BATCH, LR = 12, 32, 3e-3
NAN_STEP = 40
THRESHOLDS = [0.5 + 0.05 * i for i in range(10)]


@dataclass
class Task:
    """What a training loop needs; `broken` names what is wrong with it; any other word is healthy."""

    name: str
    broken: str
    seed: int
    model: nn.Module = field(init=False)
    train: tuple[Tensor, ...] = field(init=False)
    val: tuple[Tensor, ...] = field(init=False)
    steps: int = 0

    def __post_init__(self) -> None:
        torch.manual_seed(self.seed)
        self.train, self.val = shapes(TRAIN), shapes(VAL)
        self.model = Net(self.name)
        if self.broken == "train-is-val":
            self.val = tuple(part[:VAL] for part in self.train)
        if self.broken == "validation-empty":
            self.val = tuple(part[:0] for part in self.val)
        if self.broken == "backbone-frozen":
            self.model.backbone.requires_grad_(False)

    @property
    def lr(self) -> float:
        return LR * {"lr-zero": 0, "lr-1000x": 1000}.get(self.broken, 1)

    @property
    def parts(self) -> dict[str, nn.Module]:
        return {"backbone": self.model.backbone, "head": self.model.head}

    def trained(self) -> Iterable[nn.Parameter]:
        """What the optimizer is given."""
        part = self.model.backbone if self.broken == "optimizer-without-head" else self.model
        return [weight for weight in part.parameters() if weight.requires_grad]

    def loss(self, batch: Iterable[Tensor], *, training: bool) -> Tensor:
        """The loss of a batch; in training also the breaks of a batch and of the loss."""
        images, *truth = batch
        if training:
            self.steps += 1
            images, truth = self.break_batch(images, truth)
        loss = LOSSES[self.name](self.answer(images), *truth)
        if training and self.broken == "loss-negated":
            loss = -loss
        if training and self.broken in ("nan-at-step", "zero-after-nan") and self.steps == NAN_STEP:
            loss = loss * float("nan")
        return loss

    def break_batch(self, images: Tensor, truth: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        if self.broken == "labels-shuffled":
            order = torch.randperm(len(images))
            truth = [part[order] for part in truth]
        if self.broken == "normalisation":
            images = images * 255
        if self.broken == "all-foreground":
            truth = [truth[0], torch.ones_like(truth[1]), truth[2]]
        return images, truth

    def answer(self, images: Tensor) -> Tensor:
        return self.model(images * 0 if self.broken == "constant-prediction" else images)

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Loss and scores on the validation split, as a fraction unless that is what is broken."""
        self.model.eval()
        count = len(self.val[0])
        scores = (
            SCORES[self.name](self.answer(self.val[0]), *self.val[1:]) if count else dict.fromkeys(KEYS[self.name], 0.0)
        )
        found = {"loss": float(self.loss(self.val, training=False)) if count else 0.0, **scores}
        self.model.train()
        if self.broken == "percent-as-fraction":
            found[KEYS[self.name][0]] *= 100
        return found

    def shared(self) -> int:
        """Validation pictures that training sees too, as a data set's check counts them."""
        seen = {image.numpy().tobytes() for image in self.train[0]}
        return sum(image.numpy().tobytes() in seen for image in self.val[0])


def shapes(count: int) -> tuple[Tensor, ...]:
    """Pictures, classes, masks and boxes (x0, y0, x1, y1 in parts of the side)."""
    kind = torch.randint(CLASSES, (count,))
    radius = torch.randint(4, 8, (count,))
    centre = torch.stack([torch.randint(8, SIDE - 8, (count,)) for _ in "xy"], 1)
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    dx, dy = (x - centre[:, 0, None, None]).abs(), (y - centre[:, 1, None, None]).abs()
    r = radius[:, None, None]
    inside = (dx <= r) & (dy <= r)
    drawn = [inside, dx**2 + dy**2 <= r**2, inside & ((dx <= 1) | (dy <= 1))]
    mask = torch.stack(drawn, 1)[torch.arange(count), kind].float()
    image = torch.randn(count, 1, SIDE, SIDE) * 0.5 + mask[:, None] * 1.5
    box = torch.cat([centre - radius[:, None], centre + radius[:, None] + 1], 1) / SIDE
    return image, kind, mask, box


class Net(nn.Module):
    """Three convolutions and a head for the task."""

    def __init__(self, task: str) -> None:
        super().__init__()
        pool = nn.Identity() if task == "segmentation" else nn.MaxPool2d(2)
        sizes = ((1, 8), (8, 16), (16, 16))
        layers = [[nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(), pool] for a, b in sizes]
        self.backbone = nn.Sequential(*(layer for block in layers for layer in block))
        flat = 16 * (SIDE // 8) ** 2
        heads: dict[str, Callable[[], nn.Module]] = {
            "segmentation": lambda: nn.Sequential(nn.Conv2d(16, 1, 1), nn.Flatten(1)),
            "classification": lambda: nn.Sequential(nn.Flatten(), nn.Linear(flat, CLASSES)),
            "detection": lambda: nn.Sequential(nn.Flatten(), nn.Linear(flat, CLASSES + 4)),
        }
        self.head = heads[task]()

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.head(self.backbone(images))
        return found


def classification_loss(answer: Tensor, kind: Tensor, mask: Tensor, box: Tensor) -> Tensor:
    return functional.cross_entropy(answer, kind)


def segmentation_loss(answer: Tensor, kind: Tensor, mask: Tensor, box: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(answer, mask.flatten(1))


def detection_loss(answer: Tensor, kind: Tensor, mask: Tensor, box: Tensor) -> Tensor:
    return functional.cross_entropy(answer[:, :CLASSES], kind) + 20 * functional.l1_loss(answer[:, CLASSES:], box)


def classification_scores(answer: Tensor, kind: Tensor, mask: Tensor, box: Tensor) -> dict[str, float]:
    return {"accuracy": float((answer.argmax(1) == kind).float().mean())}


def segmentation_scores(answer: Tensor, kind: Tensor, mask: Tensor, box: Tensor) -> dict[str, float]:
    found, truth = answer > 0, mask.flatten(1) > 0
    both, either = (found & truth).sum(), (found | truth).sum()
    return {"iou": float(both / either), "positive": float(found.float().mean())}


def detection_scores(answer: Tensor, kind: Tensor, mask: Tensor, box: Tensor) -> dict[str, float]:
    """One box a picture, so that the share of right ones stands in for mAP."""
    mine, right = answer[:, CLASSES:], answer[:, :CLASSES].argmax(1) == kind
    sides = (torch.minimum(mine[:, 2:], box[:, 2:]) - torch.maximum(mine[:, :2], box[:, :2])).clamp(min=0)
    shared, areas = sides.prod(1), [(one[:, 2:] - one[:, :2]).clamp(min=0).prod(1) for one in (mine, box)]
    iou = shared / (sum(areas) - shared)
    hits = [float((right & (iou >= limit)).float().mean()) for limit in THRESHOLDS]
    return {"map": sum(hits) / len(hits), "map50": hits[0]}


LOSSES: dict[str, Callable[..., Tensor]] = {
    "classification": classification_loss, "segmentation": segmentation_loss, "detection": detection_loss,
}  # fmt: skip
SCORES: dict[str, Callable[..., dict[str, float]]] = {
    "classification": classification_scores, "segmentation": segmentation_scores, "detection": detection_scores,
}  # fmt: skip
# The first is the headline.
KEYS = {"classification": ["accuracy"], "segmentation": ["iou", "positive"], "detection": ["map", "map50"]}
