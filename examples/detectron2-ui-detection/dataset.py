"""DATA_DIR as Detectron2 wants it: checked first, then registered by split in its catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from library import BoxMode, DatasetCatalog, MetadataCatalog

from cvl.formats.boxes import Box, BoxDataset, Picture
from cvl.kit import sources

SAMPLE = "ui-screens"
Record = Mapping[str, Any]  # the library's "dataset dict": file_name, height, width, image_id, annotations


@dataclass(frozen=True)
class View:
    """A checked data set."""

    name: str
    data: BoxDataset

    @property
    def evaluation_split(self) -> str:
        """`test` where there is one with boxes, else `val`."""
        return "test" if any(picture.boxes for picture in self.data.splits.get("test", ())) else "val"

    @property
    def with_masks(self) -> bool:
        """Whether any box has an outline."""
        return any(box.outline for pictures in self.data.splits.values() for p in pictures for box in p.boxes)

    def size(self, split: str) -> int:
        return len(self.data.splits.get(split, ()))

    def registered(self, split: str) -> str:
        """The name of the split in the library's catalogue."""
        return f"{self.name}_{split}"

    def records(self, split: str) -> list[Record]:
        """The pictures of a split as the library's data set has them, in the order of `data.splits`."""
        found: list[Record] = DatasetCatalog.get(self.registered(split))
        return found


def prepare(
    data_dir: str | None,
    *,
    needs: tuple[str, ...] = ("train", "val"),
    max_bad: int = 0,
    max_train: int | None = None,
    seed: int = 0,
) -> View:
    """Reads and checks DATA_DIR (unset: the shipped sample) and registers its splits; `needs` names splits."""
    data = sources.boxed(data_dir, SAMPLE, needs=needs, max_bad=max_bad, max_train=max_train, seed=seed)
    view = View(Path(data_dir).resolve().name if data_dir else SAMPLE, data)
    for split, pictures in data.splits.items():
        if pictures:
            _register(view.registered(split), pictures, data.classes)
    return view


def record(picture: Picture, number: int) -> Record:
    """Every box has a mask: its outline, or the rectangle itself."""
    return {
        "file_name": str(picture.path),
        "height": picture.height,
        "width": picture.width,
        "image_id": number,
        "annotations": [
            {
                "bbox": [box.x0, box.y0, box.x1, box.y1],
                "bbox_mode": BoxMode.XYXY_ABS,
                "category_id": box.label,
                "segmentation": [list(polygon) for polygon in box.outline or (_rectangle(box),)],
            }
            for box in picture.boxes
        ],
    }


def _rectangle(box: Box) -> tuple[float, ...]:
    return (box.x0, box.y0, box.x1, box.y0, box.x1, box.y1, box.x0, box.y1)


def _register(name: str, pictures: Sequence[Picture], classes: Sequence[str]) -> None:
    """Image numbers count from 1, as in COCO's files."""
    if name in DatasetCatalog.list():
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)
    DatasetCatalog.register(name, lambda: [record(picture, number) for number, picture in enumerate(pictures, 1)])
    MetadataCatalog.get(name).set(thing_classes=list(classes))
