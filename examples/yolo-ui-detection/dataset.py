"""DATA_DIR as Ultralytics wants it: checked first, then a view of links and labels in the run folder.

Nothing is written beside the user's files, so read-only data works and no `labels.cache` is left in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from cvl.formats import boxes
from cvl.formats.boxes import BoxDataset, Picture
from cvl.kit import sources

SAMPLE = "ui-screens"


@dataclass(frozen=True)
class View:
    """A checked data set; `config` is the data.yaml of the view, `links` its picture files by split."""

    name: str
    data: BoxDataset
    config: Path
    links: dict[str, tuple[Path, ...]]

    @property
    def evaluation_split(self) -> str:
        """`test` where there is one with boxes, else `val`."""
        return "test" if any(picture.boxes for picture in self.data.splits.get("test", ())) else "val"

    def size(self, split: str) -> int:
        return len(self.links.get(split, ()))


def prepare(
    data_dir: str | None,
    folder: Path,
    *,
    needs: tuple[str, ...] = ("train", "val"),
    max_bad: int = 0,
    max_train: int | None = None,
    seed: int = 0,
) -> View:
    """Reads and checks DATA_DIR (unset: the shipped sample) and builds the view in `folder`; `needs` names splits."""
    data = sources.boxed(data_dir, SAMPLE, needs=needs, max_bad=max_bad, max_train=max_train, seed=seed)
    links = {split: _link(folder, split, pictures) for split, pictures in data.splits.items() if pictures}
    name = Path(data_dir).resolve().name if data_dir else SAMPLE
    return View(name, data, _write_config(folder, data, links), links)


def _link(folder: Path, split: str, pictures: tuple[Picture, ...]) -> tuple[Path, ...]:
    """images/<split>/ with links and labels/<split>/ with texts; numbered, since names may repeat."""
    images, labels = folder / "images" / split, folder / "labels" / split
    for place in (images, labels):
        place.mkdir(parents=True, exist_ok=True)
        for old in place.iterdir():
            old.unlink()
    made = []
    for number, picture in enumerate(pictures):
        link = images / f"{number:05d}_{picture.path.name}"
        link.symlink_to(picture.path.resolve())
        (labels / f"{link.stem}.txt").write_text("".join(_line(picture, box) for box in picture.boxes))
        made.append(link)
    return tuple(made)


def _line(picture: Picture, box: boxes.Box) -> str:
    width, height = picture.width, picture.height
    centre = (box.x0 + box.x1) / 2 / width, (box.y0 + box.y1) / 2 / height
    size = (box.x1 - box.x0) / width, (box.y1 - box.y0) / height
    return f"{box.label} {' '.join(f'{value:.7f}' for value in (*centre, *size))}\n"


def _write_config(folder: Path, data: BoxDataset, links: dict[str, tuple[Path, ...]]) -> Path:
    some = next(iter(links))  # the library wants train and val, even where it is to look at test alone
    places = {"train": some, "val": some} | {split: split for split in links}
    config = {"path": str(folder.resolve()), **{key: f"images/{place}" for key, place in places.items()}}
    file = folder / "data.yaml"
    names = dict(enumerate(data.classes))
    file.write_text(yaml.safe_dump({**config, "names": names}, sort_keys=False, allow_unicode=True))
    return file
