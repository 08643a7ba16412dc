"""Pictures with a mask of what is sought on them: `images` beside `masks`, same names. Read, check, count."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from cvl.errors import DataError
from cvl.formats import maskfile, pictures
from cvl.formats.dataset import SPLIT_NAMES, Problem, apart, existing, refuse, with_validation
from cvl.formats.pictures import Seen

FORMS = "masks: <split>/images beside <split>/masks, images/<split> beside masks/<split>, or images beside masks"
ENDINGS = ("", "_mask", "_label", "_gt")  # what the name of a mask may have after that of its picture


@dataclass(frozen=True)
class Picture:
    """A picture file and its mask; `foreground` is a share of the mask's pixels, 0 to 1."""

    path: Path
    mask: Path
    width: int
    height: int
    digest: str = ""
    foreground: float = 0.0
    mask_digest: str = ""


@dataclass(frozen=True)
class MaskDataset:
    """Pictures by split. `problems` must be mended, `notes` say what was assumed."""

    splits: Mapping[str, tuple[Picture, ...]]
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    format: str = "masks"


def recognises(root: Path) -> bool:
    """Whether `root` has pictures and masks where this form has them."""
    return any(images.is_dir() and masks.is_dir() for _, images, masks in _places(root))


def read(folder: str | Path) -> MaskDataset:
    """The data set in `folder`; DataError where nothing can be read at all."""
    root = existing(folder, FORMS)
    problems: list[Problem] = []
    pairs = {split: _pairs(places, problems) for split, places in _by_split(root).items()}
    files = [pair for found in pairs.values() for pair in found]
    if not files:
        found = "; ".join(str(problem) for problem in problems[:3]) or "no pictures in these places"
        raise DataError(f"{root}: no data set of masks recognised ({found})", hint=f"expected {FORMS}")
    seen = pictures.look(picture for picture, _ in files)
    looks = pictures.each(maskfile.look, (mask for _, mask in files))
    splits = {
        split: tuple(p for pair in found for p in _picture(*pair, seen, looks, problems))
        for split, found in pairs.items()
    }
    whole, notes = with_validation(splits)
    whole, doubles = apart(whole)
    problems += doubles
    problems += [
        Problem(split, f"no foreground on any of its {len(items)} masks")
        for split, items in whole.items()
        if items and not any(p.foreground for p in items)
    ]
    return MaskDataset(whole, tuple(problems), (*notes, *_notes(whole, looks)))


def check(dataset: MaskDataset, max_bad: int = 0) -> None:
    """Raises DataError naming the first problems where there are more than `max_bad`."""
    refuse(dataset.problems, max_bad)


def stats(dataset: MaskDataset) -> dict[str, Any]:
    """Pictures, sizes, empty masks and share of foreground (of all pixels, and of a picture's) of every split."""
    return {
        "format": dataset.format,
        "problems": len(dataset.problems),
        "splits": {name: _split_stats(items) for name, items in dataset.splits.items()},
    }


def _split_stats(items: tuple[Picture, ...]) -> dict[str, Any]:
    shares = sorted(p.foreground for p in items)
    return {
        "images": len(items),
        "empty": sum(not share for share in shares),
        "sizes": dict(Counter(f"{p.width}x{p.height}" for p in items).most_common()),
        "foreground": _foreground(items),
        "foreground_per_image": {"min": shares[0], "median": median(shares), "max": shares[-1]} if shares else {},
    }


def _foreground(items: Iterable[Picture]) -> float:
    """Share of all pixels."""
    sizes = [(p.width * p.height, p.foreground) for p in items]
    return sum(size * share for size, share in sizes) / max(1, sum(size for size, _ in sizes))


def _places(root: Path) -> Iterator[tuple[str, Path, Path]]:
    """(split, its pictures, its masks) of every place where they could lie; without splits all are `train`."""
    for name, split in SPLIT_NAMES.items():
        yield split, root / name / "images", root / name / "masks"
        yield split, root / "images" / name, root / "masks" / name
    if not any((root / "images" / name).is_dir() for name in SPLIT_NAMES):
        yield "train", root / "images", root / "masks"


def _by_split(root: Path) -> dict[str, list[tuple[Path, Path]]]:
    """The places that are there; where only one of the two is, each of its files becomes a problem."""
    found: dict[str, list[tuple[Path, Path]]] = defaultdict(list)
    for split, images, masks in _places(root):
        if images.is_dir() or masks.is_dir():
            found[split].append((images, masks))
    return dict(found)


def _pairs(places: Iterable[tuple[Path, Path]], problems: list[Problem]) -> list[tuple[Path, Path]]:
    """(picture, mask) of one split, in the order of the names."""
    return [pair for images, masks in places for pair in _match(images, masks, problems)]


def _match(images: Path, masks: Path, problems: list[Problem]) -> Iterator[tuple[Path, Path]]:
    by_name = _by_name(masks)
    used: dict[Path, Path] = {}
    for name, (picture, *doubles) in _by_name(images).items():
        problems += [Problem(str(p), f"has the name of {picture.name}, and a mask is of one picture") for p in doubles]
        mask, *others = next((by_name[name + end] for end in ENDINGS if name + end in by_name), [None])
        if mask is None:
            problems.append(Problem(str(picture), f"has no mask: expected {masks / name}.png"))
            continue
        problems += [Problem(str(other), f"a second mask of {picture.name}, beside {mask.name}") for other in others]
        used.update(dict.fromkeys((mask, *others), picture))
        yield picture, mask
    unused = [mask for found in by_name.values() for mask in found if mask not in used]
    problems += [Problem(str(mask), "a mask without picture") for mask in unused]


def _by_name(folder: Path) -> dict[str, list[Path]]:
    """Picture files by their place in `folder`, without suffix."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in pictures.listing(folder):
        found[path.relative_to(folder).with_suffix("").as_posix()].append(path)
    return found


def _picture(
    path: Path, mask: Path, seen: dict[Path, Seen], looks: dict[Path, maskfile.Look], problems: list[Problem]
) -> Iterator[Picture]:
    """The picture where both files are sound, else their problems."""
    picture, look = seen[path], looks[mask]
    if picture.damage:
        problems.append(Problem(str(path), picture.damage))
    if look.damage:
        problems.append(Problem(str(mask), look.damage))
    if picture.damage or look.damage:
        return
    if (picture.width, picture.height) != (look.width, look.height):
        sizes = f"{look.width}x{look.height}, its picture {path.name} is {picture.width}x{picture.height}"
        problems.append(Problem(str(mask), f"the mask is {sizes}"))
        return
    yield Picture(path, mask, picture.width, picture.height, picture.digest, look.foreground, look.digest)


def _notes(splits: Mapping[str, tuple[Picture, ...]], looks: Mapping[Path, maskfile.Look]) -> Iterator[str]:
    for split, items in splits.items():
        empty = sum(not p.foreground for p in items)
        if 0 < empty < len(items):
            yield f"{split}: {empty} of {len(items)} masks are empty: pictures without foreground"
        if (share := _foreground(items)) > 0.5:
            yield f"{split}: {share:.0%} of the pixels are foreground: what is sought must be white, not black"
    used = [looks[p.mask] for items in splits.values() for p in items]
    if jpegs := sum(look.jpeg for look in used):
        yield f"{jpegs} mask(s) are JPEG: {maskfile.BRIGHT} and more counts as foreground, edges are blurred"
    for value, count in sorted(Counter(look.other for look in used if look.other is not None).items()):
        yield f"{count} mask(s) have the values 0 and {value}: {value} counts as foreground"
