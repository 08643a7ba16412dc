"""YOLO text labels: one .txt a picture, `class cx cy w h` or `class x y x y x y …` in fractions of its sides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cvl.errors import DataError
from cvl.formats import outlines, pictures
from cvl.formats.dataset import SPLIT_NAMES, Box, BoxDataset, Picture, Problem, bounded, existing, finish
from cvl.formats.pictures import Seen

CONFIGS = ("data.yaml", "dataset.yaml", "data.yml", "dataset.yml")
LISTS = {"classes.txt", "train.txt", "val.txt", "test.txt"}  # beside labels, but none


@dataclass
class _Found:
    """What reading has gathered so far."""

    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def recognises(root: Path) -> bool:
    """Whether `root` looks like a YOLO data set."""
    return _config(root) is not None or any(
        (root / where).is_dir() for where in ("labels", "train/labels", "valid/labels", "val/labels")
    )


def read(folder: str | Path) -> BoxDataset:
    """The data set in `folder`: with a data.yaml, or images/ beside labels/ in either layout."""
    root = existing(folder)
    found = _Found()
    config = _load(root)
    files = _by_config(root, config, found) if config else _by_folders(root)
    if not any(files.values()):
        details = "; ".join(str(p) for p in found.problems[:3])
        raise DataError(
            f"{root}: no pictures found" + (f" ({details})" if details else ""),
            hint="train: and val: of data.yaml name folders of pictures, relative to it",
        )
    seen = pictures.look(path for paths in files.values() for path in paths)
    rows = {path: _rows(path, found) for path, look in seen.items() if not look.damage}
    classes = _classes(root, config, rows, found)
    splits = {
        split: tuple(p for path in paths for p in _picture(path, seen[path], rows.get(path), len(classes), found))
        for split, paths in files.items()
    }
    found.problems += _orphans(seen)
    return finish(BoxDataset(classes, splits, tuple(found.problems), "yolo", tuple(found.notes)))


def write(dataset: BoxDataset, folder: str | Path) -> None:
    """Writes images/<split>/, labels/<split>/ and, last, data.yaml. Pictures already in place stay."""
    root = Path(folder)
    for split, items in dataset.splits.items():
        taken: set[str] = set()
        labels = root / "labels" / split
        labels.mkdir(parents=True, exist_ok=True)
        for picture in items:
            name = pictures.copy(picture.path, root / "images" / split, taken)
            (labels / f"{Path(name).stem}.txt").write_text("".join(_lines(picture)), encoding="utf-8")
    config = {**{split: f"images/{split}" for split in dataset.splits}, "names": dict(enumerate(dataset.classes))}
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    (root / "data.yaml").write_text(text, encoding="utf-8")


def _lines(picture: Picture) -> Iterable[str]:
    w, h = picture.width, picture.height
    for b in picture.boxes:
        values = ((b.x0 + b.x1) / 2 / w, (b.y0 + b.y1) / 2 / h, (b.x1 - b.x0) / w, (b.y1 - b.y0) / h)
        yield " ".join([str(b.label), *(f"{v:.7f}" for v in values)]) + "\n"


def _config(root: Path) -> Path | None:
    named = [root / name for name in CONFIGS if (root / name).is_file()]
    others = [p for p in sorted(root.glob("*.y*ml")) if p.suffix in (".yaml", ".yml")]
    return named[0] if named else next((p for p in others if b"names" in p.read_bytes()), None)


def _load(root: Path) -> dict[str, Any]:
    path = _config(root)
    if path is None:
        return {}
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not readable as YAML: {error}") from None
    if not isinstance(raw, dict):
        raise DataError(f"{path}: expected keys train, val and names", hint="names: {0: button, 1: link}")
    return raw


def _by_config(root: Path, config: Mapping[str, Any], found: _Found) -> dict[str, list[Path]]:
    base = root / str(config.get("path") or "")
    base = base if base.is_dir() else root
    files: dict[str, list[Path]] = {}
    for key, split in SPLIT_NAMES.items():
        entry = config.get(key)
        for word in entry if isinstance(entry, list) else [entry] if entry else []:
            place = _place(base, root, str(word))
            if place is None:
                found.problems.append(Problem(str(_config(root)), f"{key}: {word} is not there"))
            else:
                files.setdefault(split, []).extend(_members(place))
    return {split: list(dict.fromkeys(paths)) for split, paths in files.items()} or _by_folders(root)


def _place(base: Path, root: Path, word: str) -> Path | None:
    """Where `word` is: as written, without the `../` that Roboflow exports carry, or inside `root` after a move."""
    bare = word.lstrip("./")
    tail = Path(*Path(bare).parts[-2:])
    return next((p for p in (base / word, base / bare, root / word, root / bare, root / tail) if p.exists()), None)


def _members(place: Path) -> list[Path]:
    """Pictures of a folder, or those that a .txt lists (relative to itself or to the folder above)."""
    if place.is_dir():
        return pictures.listing(place)
    words = [w.strip() for w in place.read_text(encoding="utf-8").splitlines() if w.strip()]
    options = [(place.parent / w, place.parent.parent / w) for w in words]
    return [next((p for p in pair if p.exists()), pair[0]) for pair in options]


def _by_folders(root: Path) -> dict[str, list[Path]]:
    files: dict[str, list[Path]] = {}
    for name, split in SPLIT_NAMES.items():
        for place in (root / "images" / name, root / name / "images"):
            if place.is_dir():
                files.setdefault(split, []).extend(pictures.listing(place))
    if not files and (root / "images").is_dir():
        files["train"] = pictures.listing(root / "images")
    return files


def _label_file(picture: Path) -> Path:
    """`…/images/…/x.png` -> `…/labels/…/x.txt` (the last `images` counts), else beside the picture."""
    parts = list(picture.parts)
    for i in range(len(parts) - 2, -1, -1):
        if parts[i] == "images":
            return Path(*parts[:i], "labels", *parts[i + 1 :]).with_suffix(".txt")
    return picture.with_suffix(".txt")


def _rows(picture: Path, found: _Found) -> list[tuple[int, list[float]]]:
    """(class, coordinates) of each readable line; no label file means background."""
    path = _label_file(picture)
    if not path.is_file():
        return []
    rows: list[tuple[int, list[float]]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        try:
            rows.append(_row(line))
        except ValueError as error:
            found.problems.append(Problem(f"{path}:{number}", str(error)))
    return rows


def _row(line: str) -> tuple[int, list[float]]:
    words = line.split()
    if len(words) != 5 and (len(words) < 7 or len(words) % 2 == 0):
        raise ValueError(f"expected `class cx cy w h` or a polygon, found {len(words)} words")
    try:
        values = [float(word) for word in words]
    except ValueError:
        raise ValueError(f"not a number in {line.strip()[:60]!r}") from None
    if not values[0].is_integer():
        raise ValueError(f"class {words[0]} is not a whole number")
    return int(values[0]), values[1:]


def _classes(
    root: Path, config: Mapping[str, Any], rows: Mapping[Path, list[tuple[int, list[float]]]], found: _Found
) -> tuple[str, ...]:
    names = config.get("names")
    if isinstance(names, dict):
        return tuple(str(names.get(i, f"class_{i}")) for i in range(max(map(int, names)) + 1))
    if isinstance(names, list):
        return tuple(str(name) for name in names)
    for file in ("classes.txt", "obj.names", "labels/classes.txt"):
        if (root / file).is_file():
            return _words(root / file)
    highest = max((label for group in rows.values() for label, _ in group), default=-1)
    found.notes.append(f"no class names found: {highest + 1} classes are named class_0, class_1, …")
    return tuple(f"class_{i}" for i in range(highest + 1))


def _words(path: Path) -> tuple[str, ...]:
    return tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())


def _picture(
    path: Path, look: Seen, rows: list[tuple[int, list[float]]] | None, classes: int, found: _Found
) -> Iterable[Picture]:
    if look.damage:
        found.problems.append(Problem(str(path), look.damage))
        return
    boxes: list[Box] = []
    for label, values in rows or ():
        try:
            if not 0 <= label < classes:
                raise ValueError(f"class {label} is out of range: there are {classes} classes")
            boxes.append(bounded(_box(label, values, look), look.width, look.height))
        except ValueError as error:
            found.problems.append(Problem(str(_label_file(path)), str(error)))
    yield Picture(path, look.width, look.height, tuple(boxes), look.digest)


def _box(label: int, values: list[float], look: Seen) -> Box:
    """From centre and size, or around a polygon, which is its outline."""
    if len(values) == 4:
        cx, cy, w, h = values
        x0, y0, x1, y1 = cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2
        return Box(label, x0 * look.width, y0 * look.height, x1 * look.width, y1 * look.height)
    xs, ys = [x * look.width for x in values[::2]], [y * look.height for y in values[1::2]]
    polygon = tuple(v for point in zip(xs, ys, strict=True) for v in point)
    outline = outlines.bounded([polygon], look.width, look.height)
    return Box(label, min(xs), min(ys), max(xs), max(ys), outline=outline)


def _orphans(seen: Mapping[Path, Seen]) -> list[Problem]:
    """Label files in the folders in use that have no picture."""
    expected = {_label_file(path) for path in seen}
    folders = {path.parent for path in expected if path.parent.is_dir()}
    found = sorted(p for folder in folders for p in folder.glob("*.txt") if p not in expected)
    return [Problem(str(p), "a label without picture") for p in found if p.name not in LISTS]
