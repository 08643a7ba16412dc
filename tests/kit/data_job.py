"""What data sets and loader do, on real files and workers; prints what it found as JSON. Run by test_data.py."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import v2

from cvl.errors import CvlError
from cvl.formats import boxes, masks
from cvl.kit.cache import Cache
from cvl.kit.datasets import Boxes, Masks, normalise
from cvl.kit.loading import Order, begin_epoch, loader

WIDTH, HEIGHT, COUNT = 48, 32, 11
AUGMENT = v2.Compose([v2.RandomCrop(16), v2.RandomHorizontalFlip(), v2.ColorJitter(0.3, 0.3), normalise()])


def made(root: Path, count: int = COUNT) -> tuple[masks.Picture, ...]:
    """Pictures of noise with a mask of their bright part, read as a user's would be."""
    for kind in ("images", "masks"):
        (root / "train" / kind).mkdir(parents=True)
    for number in range(count):
        noise = np.random.default_rng(number).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        Image.fromarray(noise).save(root / f"train/images/{number:02}.png")
        Image.fromarray(noise[..., 0] > 128).save(root / f"train/masks/{number:02}.png")
    found = masks.read(root)
    return tuple(sorted((p for items in found.splits.values() for p in items), key=lambda p: p.path))


def plain(*inputs: Any) -> Any:
    return inputs


def same(a: Any, b: Any) -> bool:
    """Batches of tensors, bit for bit."""
    return len(a) == len(b) and all(
        torch.equal(x, y) for p, q in zip(a, b, strict=True) for x, y in zip(p, q, strict=True)
    )


def message(work: Callable[[], Any]) -> str:
    try:
        work()
    except CvlError as error:
        return f"{type(error).__name__}: {error}"
    return "nothing was raised"


def items(root: Path) -> Any:
    pictures = made(root)
    data = Masks(pictures, AUGMENT, seed=1)
    image, mask, index = Masks(pictures, plain, seed=1)[3]
    file, file_mask = np.asarray(Image.open(pictures[3].path)), np.asarray(Image.open(pictures[3].mask))
    before = torch.get_rng_state()
    first = data[2, 5]
    untouched = torch.equal(before, torch.get_rng_state())
    torch.manual_seed(99)
    for key in ((7, 5), (2, 4)):
        data[key]
    turned, _, _ = Masks(pictures, lambda image, mask: (image.flip(-1), mask), seed=1)[3]
    return {
        "plain": bool((image.numpy() == file.transpose(2, 0, 1)).all() and (mask.numpy()[0] == file_mask).all()),
        "types": [str(image.dtype), str(mask.dtype), list(mask.shape), sorted(mask.unique().tolist()), index],
        "plain tensors": type(image) is type(mask) is torch.Tensor and type(turned) is torch.Tensor,
        "repeated": same([first[:2]], [data[2, 5][:2]]),
        "generator untouched": untouched,
        "varies": [torch.equal(first[0], other) for other in (data[3, 5][0], data[2, 6][0])],
        "normalised": _normalised(pictures),
        "another seed": torch.equal(first[0], Masks(pictures, AUGMENT, seed=2)[2, 5][0]),
        "an index alone": torch.equal(data[5][0], data[0, 5][0]),
        "name": Path(data.name(5)).name,
        "flips together": _flips_together(pictures),
    }


def _normalised(pictures: Any) -> list[float]:
    """White and black after the normalisation."""
    white = Masks(pictures, lambda image, mask: normalise()(torch.full_like(image, 255), mask), seed=1)[0][0]
    black = Masks(pictures, lambda image, mask: normalise()(torch.zeros_like(image), mask), seed=1)[0][0]
    return [round(value, 4) for image in (white, black) for value in image[:, 0, 0].tolist()]


def _flips_together(pictures: Any) -> bool:
    flipped = Masks(pictures, v2.RandomHorizontalFlip(1.0), seed=1)[3]
    straight = Masks(pictures, plain, seed=1)[3]
    return all(torch.equal(a, b.flip(-1)) for a, b in zip(flipped[:2], straight[:2], strict=True))


def turned(root: Path) -> Any:
    """A picture that EXIF turns is loaded as it is shown, and so is its mask."""
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[0, 0] = 255
    Image.fromarray(pixels).save(root / "images/a.png", exif=exif)
    Image.fromarray(pixels[..., 0]).save(root / "masks/a.png", exif=exif)
    (picture,) = [p for found in masks.read(root).splits.values() for p in found]
    image, mask, _ = Masks([picture], plain, seed=0)[0]
    return [list(image.shape), image[0].nonzero().tolist(), mask[0].nonzero().tolist()]


def workers(root: Path) -> Any:
    """The same batches and the same state of torch's generator whatever the number of workers; two epochs."""
    data = Masks(made(root), AUGMENT, seed=1)
    runs = {}
    for count in (0, 1, 3):
        loaded = loader(data, batch_size=4, seed=1, shuffle=True, workers=count)
        runs[count] = [_epoch(loaded, epoch) for epoch in (1, 2)]
    later = _epoch(loader(data, batch_size=4, seed=1, shuffle=True, workers=0), 2)
    order = [torch.cat([batch[2] for batch in epoch[0]]).tolist() for epoch in runs[0]]
    return {
        "same": [same(runs[0][e][0], runs[n][e][0]) for n in (1, 3) for e in (0, 1)],
        "same draws after": [runs[0][e][1] == runs[n][e][1] for n in (1, 3) for e in (0, 1)],
        "epoch 2 alone": same(later[0], runs[0][1][0]) and later[1] == runs[0][1][1],
        "permutations": [sorted(o) == list(range(COUNT)) for o in order],
        "orders differ": order[0] != order[1] and order[0] != sorted(order[0]),
    }


def _epoch(loaded: Any, epoch: int) -> tuple[Any, float]:
    begin_epoch(loaded, epoch)
    return list(loaded), torch.rand(1).item()


def orders(_root: Path) -> Any:
    """Every size and number of processes: who gets what."""
    even, complete, once = [], [], []
    for count in range(1, 14):
        for world in range(1, 5):
            shuffled = [Order(count, seed=3, shuffle=True, processes=(rank, world)) for rank in range(world)]
            shares = [list(order) for order in shuffled]
            even.append(len({len(share) for share in shares}) == 1 == len({len(order) for order in shuffled}))
            complete.append({index for share in shares for _, index in share} == set(range(count)))
            plain_ones = [Order(count, seed=3, shuffle=False, processes=(rank, world)) for rank in range(world)]
            found = sorted(index for order in plain_ones for _, index in order)
            once.append(found == list(range(count)) and all(len(list(o)) == len(o) for o in plain_ones))
    return {"even": all(even), "complete": all(complete), "once": all(once), "looked at": len(even)}


def sizes(root: Path) -> Any:
    data = Masks(made(root), plain, seed=1)
    options = {"seed": 1, "shuffle": True, "workers": 0}
    return {
        "batches": len(loader(data, batch_size=4, **options)),
        "last": len(list(loader(data, batch_size=4, **options))[-1][2]),
        "none": message(lambda: loader(Masks([], plain, seed=1), batch_size=1, **options)),
    }


def gone(root: Path) -> Any:
    """Files that change after the check, by the number of workers."""
    data = Masks(made(root), plain, seed=1)
    lost, shrunk, broken = (Path(data.name(index)) for index in (3, 6, 9))
    lost.unlink()
    Image.new("RGB", (5, 5)).save(shrunk)
    broken.write_bytes(b"no picture")
    one = lambda index: Masks([data.pictures[index]], plain, seed=1)  # noqa: E731
    return [
        message(lambda i=i, n=n: list(loader(one(i), batch_size=1, seed=1, shuffle=False, workers=n)))
        for i in (3, 6, 9)
        for n in (0, 2)
    ]


class Deadly:
    """A transform that kills its worker on one picture."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work

    def __call__(self, image: Any, mask: Any) -> Any:
        if image[0, 0, 0] == 255:
            self.work()
        return image, mask


def death(root: Path) -> Any:
    """A worker that is killed, one that leaves, one that raises what nobody expects."""
    pictures = made(root)
    pixels = np.asarray(Image.open(pictures[6].path)).copy()
    pixels[0, 0, 0] = 255
    Image.fromarray(pixels).save(pictures[6].path)
    return {
        "killed": _die(pictures, lambda: os.kill(os.getpid(), signal.SIGKILL)),
        "left": _die(pictures, lambda: os._exit(7)),
        "bug": _die(pictures, lambda: [][1]),
    }


def _die(pictures: Any, work: Callable[[], Any]) -> Any:
    loaded, steps = loader(Masks(pictures, Deadly(work), seed=1), batch_size=2, seed=1, shuffle=False, workers=2), []
    try:
        for _, _, index in loaded:
            time.sleep(0.3)  # the worker dies in the midst of a step, which is none of the step's concern
            steps.append(index.tolist())
    except Exception as error:
        return [type(error).__name__, str(error).splitlines()[-2:], steps]


def cached(root: Path) -> Any:
    """With a cache the same items, also once the files are gone: so they do come from it."""
    pictures = made(root / "data")
    fresh = Masks(pictures, AUGMENT, seed=1)
    stored = Masks(pictures, AUGMENT, seed=1, cache=Cache(root / "cache", reserve=0))
    expected = [fresh[1, index][:2] for index in range(COUNT)]
    filled = [stored[1, index][:2] for index in range(COUNT)]
    for picture in pictures:
        picture.path.unlink()
        picture.mask.unlink()
    loaded = loader(stored, batch_size=COUNT, seed=1, shuffle=False, workers=2)
    begin_epoch(loaded, 1)
    (images, truths, _), *_ = loaded
    return [same(expected, filled), same(expected, list(zip(images, truths, strict=True)))]


def detection(root: Path) -> Any:
    """Targets of torchvision's detectors."""
    root.mkdir(parents=True)
    Image.new("RGB", (WIDTH, HEIGHT)).save(root / "a.png")
    two = (boxes.Box(0, 4, 8, 14, 28), boxes.Box(2, 20, 0, 48, 32))
    pictures = [boxes.Picture(root / "a.png", WIDTH, HEIGHT, two), boxes.Picture(root / "a.png", WIDTH, HEIGHT)]
    data = Boxes(pictures, v2.RandomHorizontalFlip(1.0), seed=0)
    crop = v2.Compose([v2.CenterCrop((32, 16)), v2.SanitizeBoundingBoxes()])  # keeps x from 16 to 32
    cropped = Boxes(pictures, crop, seed=0)[0][1]
    (images, targets, index), *_ = loader(data, batch_size=2, seed=0, shuffle=False, workers=0)
    return {
        "target": {name: _list(value) for name, value in targets[0].items()},
        "background": [list(targets[1]["boxes"].shape), list(targets[1]["labels"].shape)],
        "batch": [type(images).__name__, list(images[0].shape), list(index)],
        "cropped": [_list(cropped["boxes"]), _list(cropped["labels"]), _list(cropped["area"])],
        "detector": _detector_takes(images, targets),
    }


def _list(value: Any) -> Any:
    return value.tolist() if isinstance(value, torch.Tensor) else value


def _detector_takes(images: Any, targets: Any) -> list[str]:
    from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_320_fpn as detector

    model = detector(weights=None, weights_backbone=None, num_classes=4, min_size=32, max_size=64)
    return sorted(model([image / 255 for image in images], list(targets)))


def fabric(root: Path) -> Any:
    """A loader that Lightning Fabric has wrapped keeps its order, epoch after epoch."""
    if not importlib.util.find_spec("lightning"):
        return None
    from lightning.fabric import Fabric

    data = Masks(made(root), AUGMENT, seed=1)
    own, given = (loader(data, batch_size=4, seed=1, shuffle=True, workers=0) for _ in range(2))
    wrapped = Fabric(accelerator="cpu", devices=1).setup_dataloaders(given, use_distributed_sampler=False)
    return [same(_epoch(own, epoch)[0], _epoch(wrapped, epoch)[0]) for epoch in (1, 2, 5)]


CASES = (items, turned, workers, orders, sizes, gone, death, cached, detection, fabric)

if __name__ == "__main__":
    torch.set_num_threads(1)
    root = Path(sys.argv[1])
    print(json.dumps({case.__name__: case(root / case.__name__) for case in CASES}))
