"""The public sets of cracks: where they are, what is in their archives, and how that becomes pictures and masks.

All three are for research only, so none of them comes with cvl.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import PurePosixPath
from typing import NamedTuple
from zipfile import ZipFile

import numpy as np
from PIL import Image
from scipy.io import loadmat


class Item(NamedTuple):
    """A picture file as it is published, and its mask as PNG."""

    split: str
    name: str
    picture: bytes
    mask: bytes


@dataclass(frozen=True)
class PublicSet:
    """`read` takes it out of the archive at `url`; `counts` pictures by split make it complete.

    `sha256` is empty where no checksum is published: then the counts are what is checked.
    """

    url: str
    page: str
    terms: str
    read: Callable[[ZipFile], Iterator[Item]]
    counts: Mapping[str, int] = field(default_factory=dict)
    sha256: str = ""


def crackforest(archive: ZipFile) -> Iterator[Item]:
    """118 pictures with a mask. It has no division of its own: here, as elsewhere, 073 to 118 are the test split."""
    files = _by_stem(archive, "image", ".jpg")
    for stem, truth in sorted(_by_stem(archive, "groundTruth", ".mat").items()):
        number = int(stem)
        split = "train" if number <= 60 else "val" if number <= 72 else "test"
        yield Item(split, stem, archive.read(files[stem]), _segmentation(archive.read(truth)))


def deepcrack(archive: ZipFile) -> Iterator[Item]:
    """300 pictures to learn from and 237 to test."""
    for split in ("train", "test"):
        masks = _by_stem(archive, f"{split}_lab", ".png")
        for stem, picture in sorted(_by_stem(archive, f"{split}_img", ".jpg").items()):
            yield Item(split, stem, archive.read(picture), archive.read(masks[stem]))


def crack500(archive: ZipFile) -> Iterator[Item]:
    """3368 pieces of 500 photographs, in three archives inside the archive of several sets."""
    for split in ("train", "val", "test"):
        inner = next(name for name in archive.namelist() if PurePosixPath(name).name == f"{split}crop.zip")
        with archive.open(inner) as stream, ZipFile(stream) as part:
            masks = _by_stem(part, f"{split}crop", ".png")
            for stem, picture in sorted(_by_stem(part, f"{split}crop", ".jpg").items()):
                yield Item(split, stem, part.read(picture), part.read(masks[stem]))


SETS = {
    "crackforest": PublicSet(
        "https://github.com/cuilimeng/CrackForest-dataset/archive/refs/heads/master.zip",
        "https://github.com/cuilimeng/CrackForest-dataset",
        "non-commercial research only; cite Shi et al. 2016, Automatic Road Crack Detection",
        crackforest,
        {"train": 60, "val": 12, "test": 46},
    ),
    "deepcrack": PublicSet(
        "https://github.com/yhlleo/DeepCrack/raw/master/dataset/DeepCrack.zip",
        "https://github.com/yhlleo/DeepCrack",
        "non-commercial research and education only; cite Liu et al. 2019, DeepCrack",
        deepcrack,
        {"train": 300, "test": 237},
    ),
    "crack500": PublicSet(
        "https://drive.usercontent.google.com/download?id=13_vDYl54Mrd34dddX9w4ppAEiuWv4MlD&export=download&confirm=t",
        "https://github.com/fyangneil/pavement-crack-detection",
        "no licence named; cite Zhang et al. 2016 and Yang et al. 2019",
        crack500,
        {"train": 1896, "val": 348, "test": 1124},
    ),
}


def _by_stem(archive: ZipFile, folder: str, suffix: str) -> dict[str, str]:
    """Members with that suffix directly in a folder of that name, by their name without suffix."""
    paths = map(PurePosixPath, archive.namelist())
    return {p.stem: str(p) for p in paths if p.parent.name == folder and p.suffix.lower() == suffix}


def _segmentation(mat: bytes) -> bytes:
    """The mask of a MATLAB file of CrackForest: regions by number, of which 1 is the road and the others are cracks."""
    regions = loadmat(BytesIO(mat), simplify_cells=True)["groundTruth"]["Segmentation"]
    out = BytesIO()
    Image.fromarray(np.asarray(regions) > 1).save(out, format="png", optimize=True)
    return out.getvalue()
