"""Screens as the network gets them: read, augmented, resized; the same for (SEED, epoch, number) whoever asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from dataset import Record
from library import T, utils

from cvl.errors import DataError
from cvl.formats import pictures
from cvl.kit.seeds import derive

# A mirrored screen is no screen: nothing is ever flipped.
COLOURS = {
    "none": (),
    "light": (T.RandomBrightness(0.7, 1.3), T.RandomContrast(0.8, 1.2), T.RandomSaturation(0.6, 1.4)),
    "strong": (T.RandomBrightness(0.6, 1.4), T.RandomContrast(0.6, 1.4), T.RandomSaturation(0.3, 1.7)),
}


def augmentations(name: str, size: int) -> list[Any]:
    """AUGMENT for pictures whose longer side becomes `size` pixels."""
    if name == "none":
        return [resize(size)]
    if name == "light":
        return [*COLOURS[name], T.ResizeScale(0.8, 1.2, size, size)]
    return [*COLOURS[name], T.RandomCrop("relative_range", (0.6, 0.6)), T.ResizeScale(0.6, 1.4, size, size)]


def resize(size: int) -> Any:
    """The longer side to `size`, as INPUT.MIN_SIZE_TEST = INPUT.MAX_SIZE_TEST = `size` asks for."""
    return T.ResizeShortestEdge(size, size)


def read(file: Path, channels: str) -> Any:
    """(H,W,3) uint8, BGR or RGB; DataError that names the file."""
    try:
        image = np.asarray(pictures.load(file))
    except Exception as error:  # Pillow raises whatever its decoders raise
        reason = getattr(error, "strerror", None) or f"not a readable picture ({type(error).__name__})"
        raise DataError(f"{file}: {reason}", hint="it was sound when the data was checked: has it changed?") from error
    return image[:, :, ::-1] if channels == "BGR" else image


def as_input(file: Path, cfg: Any, image_size: int | None = None) -> dict[str, Any]:
    """A picture for a model in evaluation mode, whose boxes come back in the pixels of the file."""
    image = read(file, cfg.INPUT.FORMAT)
    smaller = resize(image_size or cfg.INPUT.MAX_SIZE_TEST).get_transform(image).apply_image(image)
    return {"image": _tensor(smaller), "height": image.shape[0], "width": image.shape[1], "file_name": str(file)}


class Screens:
    """Records of one split with their boxes: a data set for cvl.kit.loading."""

    collate = staticmethod(list)  # pictures of different sizes stay apart; the model pads them

    def __init__(self, records: Sequence[Record], cfg: Any, augment: Sequence[Any], *, seed: int) -> None:
        self._records = list(records)
        self._channels, self._masks = cfg.INPUT.FORMAT, cfg.MODEL.MASK_ON
        self._augment = T.AugmentationList(list(augment))
        self._seed = seed

    def __len__(self) -> int:
        return len(self._records)

    def name(self, index: int) -> str:
        return str(self._records[index]["file_name"])

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        epoch, index = key
        record = self._records[index]
        image = read(Path(record["file_name"]), self._channels)
        if image.shape[:2] != (record["height"], record["width"]):
            raise DataError(f"{self.name(index)}: has another size than before", hint="do not change data during a run")
        with _numpy_seeded(self._seed, epoch, index):
            turned = T.AugInput(image)
            transforms = self._augment(turned)
        shape = turned.image.shape[:2]
        # The library changes what it is given.
        annotations = [
            utils.transform_instance_annotations(self._copy(annotation), transforms, shape)
            for annotation in record["annotations"]
        ]
        instances = utils.annotations_to_instances(annotations, shape)
        if self._masks and len(instances):
            instances.gt_boxes = instances.gt_masks.get_bounding_boxes()  # a crop may have cut the outline
            instances.gt_boxes.clip(shape)
        found = {name: record[name] for name in ("file_name", "height", "width", "image_id")}
        return found | {"image": _tensor(turned.image), "instances": utils.filter_empty_instances(instances)}

    def _copy(self, annotation: dict[str, Any]) -> dict[str, Any]:
        copied = {**annotation, "bbox": list(annotation["bbox"])}
        if not self._masks:
            del copied["segmentation"]
        return copied


def _tensor(image: Any) -> Any:
    return torch.as_tensor(np.ascontiguousarray(image.transpose(2, 0, 1)))


@contextmanager
def _numpy_seeded(*parts: int) -> Iterator[None]:
    """NumPy's generator, which the library's augmentations draw from; afterwards it is as it was."""
    before = np.random.get_state()
    np.random.seed(derive(*parts) % 2**32)
    try:
        yield
    finally:
        np.random.set_state(before)
