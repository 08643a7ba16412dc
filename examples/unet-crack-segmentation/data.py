"""The data of a run: found, checked before the first step, as loaders whose batches follow from SEED and the epoch."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import fetch
import views

from cvl.errors import DataError
from cvl.formats import masks
from cvl.formats.masks import MaskDataset, Picture
from cvl.kit import weights
from cvl.kit.cache import Cache
from cvl.kit.datasets import Masks, normalise
from cvl.kit.loading import loader
from cvl.kit.run import say
from cvl.params import Values

DECODED = "decoded, 1"  # changes with the form in which pictures are kept


@dataclass(frozen=True)
class Sets:
    """A checked data set; `train` holds the pictures that MAX_TRAIN_SAMPLES and CROPS make of it."""

    data: MaskDataset
    train: tuple[Picture, ...]

    @property
    def sizes(self) -> dict[str, int]:
        return {split: len(pictures) for split, pictures in self.data.splits.items()} | {"train": len(set(self.train))}

    @property
    def evaluation_split(self) -> str:
        """`test` where there is one, else `val`."""
        return "test" if self.data.splits.get("test") else "val"


def prepare(params: Values, *, needs: tuple[str, ...] = ("train", "val")) -> Sets:
    """Reads and checks the data; DataError where it has more than MAX_BAD faults, or nothing in the splits `needs`."""
    folder = fetch.locate(params.DATA_DIR, params.DATASET, params.ARCHIVE)
    data = masks.read(folder)
    masks.check(data, params.MAX_BAD)
    for note in data.notes:
        say(note)
    for split in needs:
        if not data.splits.get(split):
            raise DataError(f"{folder}: no picture in {split}", hint="the preset `data` shows what was found")
    train = data.splits.get("train", ())
    if params.MAX_TRAIN_SAMPLES and len(train) > params.MAX_TRAIN_SAMPLES:
        train = tuple(random.Random(params.SEED).sample(train, params.MAX_TRAIN_SAMPLES))
    sizes = ", ".join(f"{len(found)} {split}" for split, found in data.splits.items() if found)
    say(f"data: {sizes} ({folder.resolve().name})")
    return Sets(data, train)


def training_set(sets: Sets, params: Values, size: tuple[int, int]) -> Masks:
    """Random crops of the pictures to train on."""
    transform = views.training(size, params.AUGMENT)
    return Masks(sets.train * params.CROPS, transform, seed=params.SEED, cache=_cache(params))


def training_loader(sets: Sets, params: Values, size: tuple[int, int], processes: tuple[int, int] = (0, 1)) -> Any:
    """Shuffled batches of random crops: images (N, 3, H, W), masks (N, 1, H, W), numbers of the pictures."""
    return loader(
        training_set(sets, params, size),
        batch_size=params.BATCH_SIZE,
        seed=params.SEED,
        shuffle=True,
        workers=params.NUM_WORKERS,
        processes=processes,
    )


def whole_pictures(pictures: tuple[Picture, ...], params: Values) -> Any:
    """One picture a batch, as large as it is."""
    dataset = Masks(pictures, normalise(), seed=params.SEED, cache=_cache(params))
    return loader(dataset, batch_size=1, seed=params.SEED, shuffle=False, workers=params.NUM_WORKERS)


def files(sets: Sets, numbers: Any) -> str:
    """The files of a training batch, for messages."""
    return ", ".join(str(sets.train[int(number) % len(sets.train)].path) for number in numbers)


def pictures_of_step(loader: Any, number: int, accumulate: int) -> int:
    """Pictures of all the batches that make one optimizer step with batch `number`."""
    first = number // accumulate * accumulate * loader.batch_size
    return min(first + accumulate * loader.batch_size, len(loader.sampler)) - first


def _cache(params: Values) -> Cache | None:
    return Cache(weights.cache() / "decoded", DECODED) if params.CACHE else None
