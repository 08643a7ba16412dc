"""Small made-up data sets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

WIDTH, HEIGHT = 100, 50


def picture(path: Path, shade: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    """A plain picture; another `shade` makes another content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade % 256, shade // 256, 7)).save(path)
    return path


def text(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def yolo(
    root: Path, *, layout: str = "images/{split}", counts: Mapping[str, int] | None = None, config: str = "default"
) -> Path:
    """A YOLO data set whose pictures hold one box of class 1 each: (40, 15) to (60, 35)."""
    shade = 0
    for split, count in (counts or {"train": 3, "val": 2}).items():
        for number in range(count):
            shade += 1
            where = layout.format(split=split)
            picture(root / where / f"{split}{number}.png", shade)
            text(root / where.replace("images", "labels") / f"{split}{number}.txt", "1 0.5 0.5 0.2 0.4\n")
    if config == "default":
        config = "names: [button, link]\n" + "".join(
            f"{s}: {layout.format(split=s)}\n" for s in (counts or {"train": 3, "val": 2})
        )
    if config:
        text(root / "data.yaml", config)
    return root


def coco_sheet(names: Sequence[str], **changes: Any) -> dict[str, Any]:
    """A COCO document with the same box on each of the named pictures."""
    return {
        "images": [{"id": 10 + i, "file_name": n, "width": WIDTH, "height": HEIGHT} for i, n in enumerate(names)],
        "annotations": [
            {"id": i, "image_id": 10 + i, "category_id": 7, "bbox": [40, 15, 20, 20]} for i in range(len(names))
        ],
        "categories": [{"id": 7, "name": "link"}, {"id": 3, "name": "button"}],
        **changes,
    }


def coco(root: Path, *, sheet: str, pictures: str, splits: Sequence[str] = ("train", "val"), **changes: Any) -> Path:
    """A COCO data set; `sheet` and `pictures` are paths with {split}."""
    for shade, split in enumerate(splits):
        names = [f"{split}0.png", f"{split}1.png"]
        for number, name in enumerate(names):
            picture(root / pictures.format(split=split) / name, 10 * shade + number)
        text(root / sheet.format(split=split), json.dumps(coco_sheet(names, **changes)))
    return root


def mask(path: Path, *values: int, size: tuple[int, int] = (WIDTH, HEIGHT), **options: Any) -> Path:
    """A mask of 0 with one pixel of each of the other `values` in its first row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("L", size)
    for x, value in enumerate(values):
        image.putpixel((x, 0), value)
    image.save(path, **options)
    return path


def masks(root: Path, layout: str = "{split}/{kind}", counts: Mapping[str, int] | None = None) -> Path:
    """Pictures with a mask each that has one pixel of foreground."""
    shade = 0
    for split, count in (counts or {"train": 3, "val": 2}).items():
        for number in range(count):
            shade += 1
            picture(root / layout.format(split=split, kind="images") / f"{split}{number}.jpg", 20 * shade)
            mask(root / layout.format(split=split, kind="masks") / f"{split}{number}.png", 255)
    return root
