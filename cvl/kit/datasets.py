"""Checked pictures as torch data sets: item (epoch, index) is the same whoever asks, in whatever order.

A transform is one of torchvision.transforms.v2, or any function that draws from torch's generator alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from PIL import Image
from torch.utils.data import default_collate
from torchvision import tv_tensors
from torchvision.transforms import v2

from cvl.errors import DataError
from cvl.formats import boxes, maskfile, masks, pictures
from cvl.kit.cache import Cache
from cvl.kit.seeds import seeded

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet
Key = int | tuple[int, int]
Picture = TypeVar("Picture", masks.Picture, boxes.Picture)


def normalise() -> Any:
    """The last of the transforms: uint8 to float32, normalised as ImageNet's pictures are."""
    return v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(list(MEAN), list(STD))])


class _Pictures(Generic[Picture]):
    """Pictures by (epoch, index); an index alone is that of epoch 0."""

    def __init__(
        self, pictures: Sequence[Picture], transform: Callable[..., Any], *, seed: int, cache: Cache | None = None
    ) -> None:
        self.pictures: tuple[Picture, ...] = tuple(pictures)
        self._transform = transform
        self._seed = seed
        self._cache = cache

    def __len__(self) -> int:
        return len(self.pictures)

    def name(self, index: int) -> str:
        """The file, for messages."""
        return str(self.pictures[index].path)

    def _transformed(self, key: Key, *inputs: Any) -> Any:
        with seeded(self._seed, *_split(key)):
            return self._transform(*inputs)

    def _pixels(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` decodes, as a tensor of its own; from the cache where there is one."""
        return torch.from_numpy(np.array(self._cache.get(name, make) if self._cache and name else make()))


class Masks(_Pictures[masks.Picture]):
    """(image, mask, index): (3,H,W) as the transform leaves it, (1,H,W) float of 0 and 1, and the place in `pictures`.

    The transform gets a tv_tensors.Image (uint8) and a tv_tensors.Mask (uint8, 0 and 1).
    """

    collate = staticmethod(default_collate)

    def __getitem__(self, key: Key) -> tuple[Any, Any, int]:
        _, index = _split(key)
        picture = self.pictures[index]
        name = f"rgbm-{picture.digest}-{picture.mask_digest}" if picture.digest and picture.mask_digest else ""
        pixels = self._pixels(name, lambda: _with_mask(picture))
        image, mask = self._transformed(key, tv_tensors.Image(pixels[:3]), tv_tensors.Mask(pixels[3:]))
        return image.as_subclass(torch.Tensor), mask.as_subclass(torch.Tensor).float(), index


class Boxes(_Pictures[boxes.Picture]):
    """(image, target, index), target for torchvision's detectors: boxes (x0, y0, x1, y1) in pixels, labels from 1
    (0 is the background), area, iscrowd, image_id = index. A batch is three tuples.

    The transform gets a tv_tensors.Image (uint8) and {"boxes": tv_tensors.BoundingBoxes, "labels": …}; after crops it
    should end with v2.SanitizeBoundingBoxes.
    """

    def __getitem__(self, key: Key) -> tuple[Any, dict[str, Any], int]:
        _, index = _split(key)
        picture = self.pictures[index]
        pixels = self._pixels(f"rgb-{picture.digest}" if picture.digest else "", lambda: _rgb(picture))
        image, target = self._transformed(key, tv_tensors.Image(pixels), _target(picture))
        found = target["boxes"].as_subclass(torch.Tensor).float().reshape(-1, 4)
        area = (found[:, 2] - found[:, 0]) * (found[:, 3] - found[:, 1])
        crowd = torch.zeros(len(found), dtype=torch.int64)
        target = {**target, "boxes": found, "area": area, "iscrowd": crowd, "image_id": index}
        return image.as_subclass(torch.Tensor), target, index

    @staticmethod
    def collate(items: Sequence[Any]) -> tuple[Any, ...]:
        """Pictures of different sizes stay apart."""
        return tuple(zip(*items, strict=True))


def _split(key: Key) -> tuple[int, int]:
    return (0, key) if isinstance(key, int) else key


def _target(picture: boxes.Picture) -> dict[str, Any]:
    corners = torch.tensor([(b.x0, b.y0, b.x1, b.y1) for b in picture.boxes], dtype=torch.float32).reshape(-1, 4)
    size = (picture.height, picture.width)
    return {
        "boxes": tv_tensors.BoundingBoxes(corners, format="XYXY", canvas_size=size),
        "labels": torch.tensor([b.label + 1 for b in picture.boxes], dtype=torch.int64),
    }


def _rgb(picture: masks.Picture | boxes.Picture) -> Any:
    """(3,H,W) uint8."""
    return _open(pictures.load, picture.path, picture).transpose(2, 0, 1)


def _with_mask(picture: masks.Picture) -> Any:
    """(4,H,W) uint8: RGB, and the mask as 0 and 1."""
    mask = _open(maskfile.load, picture.mask, picture)
    return np.concatenate([_rgb(picture), (mask > 0).astype(np.uint8)[None]])


def _open(load: Callable[[Path], Image.Image], path: Path, picture: masks.Picture | boxes.Picture) -> Any:
    """The decoded file; DataError that names it where it is no longer what was checked."""
    try:
        image = load(path)
    except Exception as error:  # Pillow raises whatever its decoders raise
        reason = getattr(error, "strerror", None) or f"not a readable picture ({type(error).__name__})"
        raise DataError(f"{path}: {reason}", hint="it was sound when the data was checked: has it changed?") from error
    if image.size != (picture.width, picture.height):
        found = f"{image.width}x{image.height}, when the data was checked it was {picture.width}x{picture.height}"
        raise DataError(f"{path}: is {found}", hint="do not change the data during a run")
    return np.asarray(image)
