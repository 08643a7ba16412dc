"""Pictures and masks as the network sees them: random crops in training, whole pictures in evaluation."""

from __future__ import annotations

import re

import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from cvl.errors import UsageError
from cvl.kit.datasets import MEAN, STD, normalise


def sides(text: str, multiple: int) -> tuple[int, int]:
    """IMAGE_SIZE (`256`, `256,384` or `[256,384]`) as height and width in pixels, which `multiple` must divide.

    Twice at least: of a single cell batch norm has nothing to normalise.
    """
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    if len(numbers) not in (1, 2) or re.sub(r"[\d\s,x\[\]()]", "", text) or not all(numbers):
        raise UsageError(f"IMAGE_SIZE {text!r} is no size", hint="a side in pixels (256) or height,width (256,384)")
    if multiple > 1 and any(number % multiple or number == multiple for number in numbers):
        better = [max(2, round(number / multiple)) * multiple for number in numbers]
        wanted = f"this model wants multiples of {multiple}, from {2 * multiple} on"
        raise UsageError(f"IMAGE_SIZE {text}: {wanted}", hint=f"IMAGE_SIZE={','.join(map(str, better))}")
    return numbers[0], numbers[-1]


def training(size: tuple[int, int], strength: str) -> v2.Compose:
    """A random crop of `size`; `strength` is AUGMENT. A crack has no up and no left: every flip and turn is a road."""
    steps: list[v2.Transform] = []
    if strength != "none":
        quarter = v2.RandomApply([v2.RandomRotation((90, 90), expand=True)], p=0.5)
        steps += [quarter, v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()]
    if strength == "strong":
        grey = {tv_tensors.Image: [round(255 * mean) for mean in MEAN], tv_tensors.Mask: 0}
        steps.append(v2.RandomAffine(180, scale=(0.7, 1.4), interpolation=v2.InterpolationMode.BILINEAR, fill=grey))
    steps.append(v2.RandomCrop(size, pad_if_needed=True, padding_mode="edge"))
    if strength == "light":
        steps.append(v2.ColorJitter(brightness=0.2, contrast=0.2))
    if strength == "strong":
        steps += [
            v2.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.3, hue=0.05),
            v2.RandomApply([v2.GaussianBlur(5, (0.1, 1.5))], p=0.3),
        ]
    return v2.Compose([*steps, normalise()])


def visible(image: torch.Tensor) -> torch.Tensor:
    """A normalised picture (3, H, W) back as bytes."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    return ((image.cpu() * std + mean).clamp(0, 1) * 255).round().to(torch.uint8)
