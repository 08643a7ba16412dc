"""COCO boxes: JSON with images, annotations (`bbox` = x, y, width, height in pixels) and categories.

Polygons in `segmentation` are the outlines of boxes; masks as run lengths are not read, which a note says.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cvl.errors import DataError
from cvl.formats import outlines, pictures
from cvl.formats.dataset import SPLIT_NAMES, Box, BoxDataset, Picture, Problem, bounded, existing, finish
from cvl.formats.outlines import Polygon
from cvl.formats.pictures import Seen

_KEYS = ("images", "annotations", "categories")
_LABEL = ("image_id", "category_id", "bbox")  # what every annotation has


@dataclass(frozen=True)
class _Sheet:
    """One JSON file of a split."""

    path: Path
    split: str
    raw: Mapping[str, Any]


def recognises(root: Path) -> bool:
    """Whether `root` holds JSON files in a place where COCO annotations live."""
    return bool(_sheets(root))


def read(folder: str | Path) -> BoxDataset:
    """The data set in `folder`; category ids become 0, 1, … in the order of the ids."""
    root = existing(folder)
    problems: list[Problem] = []
    notes: list[str] = []
    sheets = _load(root, problems)
    classes = _classes(sheets)
    splits: dict[str, tuple[Picture, ...]] = {}
    paths = {(s.path, number): path for s in sheets for number, path in _paths(root, s).items()}
    seen = pictures.look(paths.values())
    for sheet in sheets:
        mine = {image["id"]: paths[sheet.path, image["id"]] for image in sheet.raw["images"]}
        found = _pictures(sheet, mine, seen, _labels(sheet, classes), problems)
        splits[sheet.split] = splits.get(sheet.split, ()) + found
        notes += _resized(sheet, mine, seen)
        crowds = sum(bool(a.get("iscrowd")) for a in sheet.raw["annotations"])
        if crowds:
            notes.append(f"{sheet.path.name}: {crowds} crowd annotation(s) left out")
        labels = [a for a in sheet.raw["annotations"] if not a.get("iscrowd")]
        if encoded := sum(isinstance(label.get("segmentation"), dict) for label in labels):
            notes.append(f"{sheet.path.name}: {encoded} mask(s) as run lengths are not read, only their boxes")
    return finish(BoxDataset(classes, splits, tuple(problems), "coco", tuple(notes)))


def write(dataset: BoxDataset, folder: str | Path) -> None:
    """Writes images/<split>/ and annotations/instances_<split>.json. Pictures already in place stay."""
    root = Path(folder)
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    for split, items in dataset.splits.items():
        taken: set[str] = set()
        names = [pictures.copy(picture.path, root / "images" / split, taken) for picture in items]
        sheet = document(dataset.classes, list(zip(names, items, strict=True)))
        target = root / "annotations" / f"instances_{split}.json"
        target.write_text(json.dumps(sheet, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


def document(classes: tuple[str, ...], items: list[tuple[str, Picture]]) -> dict[str, Any]:
    """The COCO document of pictures under the given file names; ids count from 1."""
    boxes = [(number, box) for number, (_, picture) in enumerate(items, 1) for box in picture.boxes]
    return {
        "images": [
            {"id": number, "file_name": name, "width": picture.width, "height": picture.height}
            for number, (name, picture) in enumerate(items, 1)
        ],
        "annotations": [_annotation(number, image, box) for number, (image, box) in enumerate(boxes, 1)],
        "categories": [{"id": number, "name": name} for number, name in enumerate(classes, 1)],
    }


def _annotation(number: int, image: int, box: Box) -> dict[str, Any]:
    width, height = box.x1 - box.x0, box.y1 - box.y0
    return {
        "id": number,
        "image_id": image,
        "category_id": box.label + 1,
        "bbox": [round(v, 4) for v in (box.x0, box.y0, width, height)],
        **({"segmentation": [list(polygon) for polygon in box.outline]} if box.outline else {}),
        "area": round(width * height, 4),
        "iscrowd": 0,
    }


def _sheets(root: Path) -> list[tuple[Path, str]]:
    """(file, split) of every annotation file; a single one of unknown split is `train`."""
    found: dict[Path, str] = {}
    for name, split in SPLIT_NAMES.items():
        for path in (
            root / name / "_annotations.coco.json",
            root / f"{name}.json",
            root / "annotations" / f"{name}.json",
        ):
            if path.is_file():
                found[path] = split
        for path in sorted((root / "annotations").glob(f"instances_{name}*.json")):
            if path.stem.removeprefix(f"instances_{name}").strip("_-").isdigit() or path.stem == f"instances_{name}":
                found[path] = split
    others = [*sorted(root.glob("*.json")), *sorted((root / "annotations").glob("*.json"))]
    if not found:
        others = [path for path in others if _looks_right(path)]
        return [(others[0], "train")] if len(others) == 1 else []
    return list(found.items())


def _looks_right(path: Path) -> bool:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return isinstance(raw, dict) and all(isinstance(raw.get(key), list) for key in _KEYS)


def _load(root: Path, problems: list[Problem]) -> list[_Sheet]:
    """The sheets, without annotations that lack something; those are among the problems."""
    sheets = []
    for path, split in _sheets(root):
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise DataError(f"{path}: not readable as JSON: {error}") from None
        if not isinstance(raw, dict) or not all(isinstance(raw.get(key), list) for key in _KEYS):
            raise DataError(f"{path}: expected the lists {', '.join(_KEYS)}", hint="is it a COCO instances file?")
        _complete(path, raw)
        whole = [annotation for annotation in raw["annotations"] if not _lacks(annotation, _LABEL)]
        problems += [
            Problem(f"{path}: annotations[{index}]", f"has no {_lacks(annotation, _LABEL)[0]}")
            for index, annotation in enumerate(raw["annotations"])
            if _lacks(annotation, _LABEL)
        ]
        sheets.append(_Sheet(path, split, {**raw, "annotations": whole}))
    if not sheets:
        raise DataError(f"{root}: no COCO annotations", hint="annotations/instances_train.json, instances_val.json")
    return sheets


def _complete(path: Path, raw: Mapping[str, Any]) -> None:
    for section, keys in {"images": ("id", "file_name"), "categories": ("id", "name")}.items():
        for index, item in enumerate(raw[section]):
            if missing := _lacks(item, keys):
                raise DataError(f"{path}: {section}[{index}] has no {missing[0]}", hint="is it a COCO instances file?")


def _lacks(item: object, keys: Sequence[str]) -> list[str]:
    return [key for key in keys if not isinstance(item, dict) or key not in item]


def _classes(sheets: list[_Sheet]) -> tuple[str, ...]:
    """Names in the order of their ids, all files together; Roboflow's unused parent category is left out."""
    used = {str(c["name"]) for s in sheets for c in s.raw["categories"] if _used(s, c["id"])}
    names: dict[str, None] = {}
    for sheet in sheets:
        parents = {c.get("supercategory") for c in sheet.raw["categories"]}
        for category in sorted(sheet.raw["categories"], key=lambda c: int(c["id"])):
            name = str(category["name"])
            if name in used or category["name"] not in parents:
                names.setdefault(name)
    return tuple(names)


def _used(sheet: _Sheet, category: int) -> bool:
    return any(a["category_id"] == category for a in sheet.raw["annotations"])


def _paths(root: Path, sheet: _Sheet) -> dict[int, Path]:
    """Where each picture lies, by its id; one that is nowhere: where the others are, or one would look first."""
    names = {image["id"]: str(image["file_name"]) for image in sheet.raw["images"]}
    found = {number: _find(root, sheet, name) for number, name in names.items()}
    homes = Counter(path.parent for path in found.values() if path.is_file())
    if not homes:
        return found
    ((home, _),) = homes.most_common(1)
    return {number: path if path.is_file() else home / Path(names[number]).name for number, path in found.items()}


def _find(root: Path, sheet: _Sheet, name: str) -> Path:
    """Where the picture lies; the first place that one would look in when it is nowhere."""
    split_names = [n for n, split in SPLIT_NAMES.items() if split == sheet.split]
    stem = sheet.path.stem.removeprefix("instances_")
    places = [root / "images" / stem, root / stem, sheet.path.parent, root / "images", root]
    places += [place for n in split_names for place in (root / "images" / n, root / n, root / n / "images")]
    return next(
        (p for place in places for p in (place / name, place / Path(name).name) if p.is_file()), places[0] / name
    )


def _labels(sheet: _Sheet, classes: tuple[str, ...]) -> dict[int, int]:
    index = {name: i for i, name in enumerate(classes)}
    return {c["id"]: index[str(c["name"])] for c in sheet.raw["categories"] if str(c["name"]) in index}


def _pictures(
    sheet: _Sheet, paths: dict[int, Path], seen: dict[Path, Seen], labels: dict[int, int], problems: list[Problem]
) -> tuple[Picture, ...]:
    boxes: dict[int, list[Box]] = defaultdict(list)
    for annotation in sheet.raw["annotations"]:
        path = paths.get(annotation["image_id"])
        try:
            if path is None:
                raise ValueError(f"image {annotation['image_id']} is not among the images")
            if not annotation.get("iscrowd") and not seen[path].damage:
                boxes[annotation["image_id"]].append(_box(annotation, seen[path], labels))
        except (ValueError, TypeError) as error:
            where = f"{sheet.path}: annotation {annotation.get('id', '?')}" + (f" of {path.name}" if path else "")
            problems.append(Problem(where, str(error)))
    problems += [Problem(str(p), seen[p].damage) for p in paths.values() if seen[p].damage]
    return tuple(
        Picture(path, seen[path].width, seen[path].height, tuple(boxes[number]), seen[path].digest)
        for number, path in paths.items()
        if not seen[path].damage
    )


def _resized(sheet: _Sheet, paths: Mapping[int, Path], seen: Mapping[Path, Seen]) -> list[str]:
    """A note where pictures have another size than the sheet says, which boxes may have been made for."""
    found = [
        f"{look.width}x{look.height}, not {image['width']}x{image['height']} ({paths[image['id']].name})"
        for image in sheet.raw["images"]
        for look in [seen[paths[image["id"]]]]
        if not look.damage and {"width", "height"} <= image.keys()
        if (image["width"], image["height"]) != (look.width, look.height)
    ]
    return [f"{sheet.path.name}: {len(found)} picture(s) of another size than it says: {found[0]}"] if found else []


def _box(annotation: Mapping[str, Any], look: Seen, labels: dict[int, int]) -> Box:
    label = labels.get(annotation["category_id"])
    if label is None:
        raise ValueError(f"category {annotation['category_id']} is not among the categories")
    if not isinstance(annotation["bbox"], list) or len(annotation["bbox"]) != 4:
        raise ValueError("bbox must be [x, y, width, height]")
    x, y, width, height = (float(v) for v in annotation["bbox"])
    box = bounded(Box(label, x, y, x + width, y + height), look.width, look.height)
    outline = outlines.bounded(_polygons(annotation.get("segmentation")), look.width, look.height)
    outlines.check(outline, box)
    return replace(box, outline=outline)


def _polygons(raw: object) -> tuple[Polygon, ...]:
    """None of them where there are run lengths; ValueError where one is no list of numbers."""
    return tuple(tuple(map(float, polygon)) for polygon in raw) if isinstance(raw, list) else ()
