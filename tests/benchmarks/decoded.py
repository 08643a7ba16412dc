"""What the cache gains over decoding: CPU time of an item, and images/s of a loader, in an example's environment.

python tests/benchmarks/decoded.py DATA [ROUNDS]      DATA: pictures beside masks, such as 480x320 of a road
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torchvision.transforms import v2

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from cvl.formats import masks, pictures  # noqa: E402
from cvl.kit.cache import Cache  # noqa: E402
from cvl.kit.datasets import Masks, normalise  # noqa: E402
from cvl.kit.loading import begin_epoch, loader  # noqa: E402

AUGMENT = v2.Compose([v2.RandomCrop(256, pad_if_needed=True), v2.RandomHorizontalFlip(), normalise()])


def main() -> None:
    torch.set_num_threads(1)
    data, rounds = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 5
    print(f"best of {rounds} rounds, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".jpg", ".png"):
            found = _as(suffix, data, Path(folder) / suffix[1:])
            cache = Cache(Path(folder) / "cache" / suffix)
            item = [_item(Masks(found, _plain, seed=0, cache=c), rounds) for c in (None, cache)]
            pace = [_pace(Masks(found, AUGMENT, seed=0, cache=c), rounds) for c in (None, cache)]
            print(f"{suffix}: {item[0]:.2f} ms an item, cached {item[1]:.2f} ({item[0] / item[1]:.1f} times as fast);")
            print(f"      loaded and augmented {pace[0]:.0f} images/s, cached {pace[1]:.0f} ({pace[1] / pace[0]:.1f})")


def _as(suffix: str, data: Path, folder: Path) -> Sequence[masks.Picture]:
    """The pictures of `data` in another form."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for items in masks.read(data).splits.values():
        for p in items:
            pictures.load(p.path).save(folder / "images" / f"{p.path.stem}{suffix}")
            (folder / "masks" / f"{p.path.stem}{p.mask.suffix}").write_bytes(p.mask.read_bytes())
    return [p for items in masks.read(folder).splits.values() for p in items]


def _plain(*inputs: object) -> object:
    return inputs


def _item(data: Masks, rounds: int) -> float:
    """Milliseconds of CPU."""
    best = min(_timed(lambda: [data[i] for i in range(len(data))], time.process_time) for _ in range(rounds))
    return 1e3 * best / len(data)


def _pace(data: Masks, rounds: int) -> float:
    """Images a second, without workers."""
    loaded = loader(data, batch_size=4, seed=0, shuffle=True, workers=0)

    def epoch() -> None:
        begin_epoch(loaded, 1)
        for _ in loaded:
            pass

    return len(data) / min(_timed(epoch, time.perf_counter) for _ in range(rounds))


def _timed(work: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    work()
    return clock() - start


if __name__ == "__main__":
    main()
