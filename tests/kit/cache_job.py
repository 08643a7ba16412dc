"""What the cache does, on real files and processes; prints what it found as JSON. Run by test_cache.py."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cvl.kit.cache import Cache

context = multiprocessing.get_context("fork")


def array_of(number: int, size: int = 1000) -> Any:
    return np.random.default_rng(number).standard_normal(size).astype(np.float16)


def refused() -> Any:
    raise AssertionError("was made although it is there")


def hits(folder: Path) -> Any:
    """Every type and shape comes back as it was; a second object, a second process and another key."""
    kept = {
        "picture": np.arange(24, dtype=np.uint8).reshape(4, 3, 2),
        "embedding": array_of(1).reshape(10, 100),
        "turned": np.arange(6.0).reshape(2, 3).T,
        "single": np.float32(3.5),
        "empty": np.zeros((0, 7)),
        "a/name: with (any) sign\n": np.ones(1, bool),
    }
    first, other = Cache(folder, "model", 1), Cache(folder, "model", 2)
    for name, array in kept.items():
        first.get(name, lambda array=array: array)
    again = Cache(folder, "model", 1)
    found = {name: again.get(name, refused) for name in kept}
    made = other.get("picture", lambda: np.zeros(1))
    return {
        "equal": [np.array_equal(found[n], kept[n]) and found[n].dtype == kept[n].dtype for n in kept],
        "read-only": [not array.flags.writeable for array in (*found.values(), made)],
        "the maker's array stays writeable": kept["picture"].flags.writeable,
        "another key is another array": made.tolist(),
    }


def altered(folder: Path) -> Any:
    """Files cut off, emptied, filled with zeros, and with a byte changed anywhere."""
    truth, dice = array_of(2), random.Random(0)
    file = next(iter(filled(folder, truth).glob("*/*.npy")))
    whole = file.read_bytes()
    broken = [whole[:cut] for cut in range(0, len(whole), 97)] + [bytes(len(whole)), b"no array"]
    for _ in range(300):
        changed = bytearray(whole)
        changed[dice.randrange(len(whole))] ^= 1 << dice.randrange(8)
        broken.append(bytes(changed))
    right = mended = 0
    for content in broken:
        file.write_bytes(content)
        right += equal(Cache(folder).get("x", lambda: truth), truth)
        mended += equal(Cache(folder).get("x", refused), truth)
    return {"broken": len(broken), "right": right, "mended": mended}


def filled(folder: Path, array: Any) -> Path:
    Cache(folder).get("x", lambda: array)
    return folder


def equal(a: Any, b: Any) -> bool:
    return bool(a.dtype == b.dtype and np.array_equal(a, b))


def together(folder: Path) -> Any:
    """Four processes make the same ten arrays at the same moment, and read each other's."""
    start = context.Barrier(4)
    wrong = context.Value("i", 0)
    processes = [context.Process(target=_fill, args=(folder, start, wrong)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    files = [path.suffix for path in folder.glob("*/*")]
    again = Cache(folder)
    return {
        "codes": [process.exitcode for process in processes],
        "wrong": wrong.value,
        "files": sorted(files),
        "hit": all(equal(again.get(str(n), refused), array_of(n)) for n in range(10)),
    }


def _fill(folder: Path, start: Any, wrong: Any) -> None:
    cache = Cache(folder)
    for number in range(10):
        start.wait()
        found = cache.get(str(number), lambda number=number: array_of(number))
        wrong.value += not equal(found, array_of(number))


def killed(folder: Path) -> Any:
    """Killed while it writes, twelve times: what is there is whole, and what is not is made."""
    dice, left = random.Random(1), 0
    for _ in range(12):
        process = context.Process(target=_write_for_ever, args=(folder,))
        process.start()
        time.sleep(dice.uniform(0.02, 0.12))
        assert process.pid
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        left += sum(path.suffix != ".npy" for path in folder.glob("*/*"))
    cache = Cache(folder)
    right = [equal(cache.get(str(n), lambda n=n: big(n)), big(n)) for n in range(4)]
    for path in folder.glob("*/.*"):
        os.utime(path, (0, 0))
    Cache(folder, limit=1).get("another", lambda: big(5))
    return {"torn": left, "right": right, "tidied": not list(folder.glob("*/.*"))}


def big(number: int) -> Any:
    return np.full(2_000_000, number, np.float32)


def _write_for_ever(folder: Path) -> None:
    number = 0
    while True:
        for path in folder.glob("*/*.npy"):
            path.unlink()
        for _ in range(4):
            Cache(folder).get(str(number % 4), lambda n=number % 4: big(n))
            number += 1


def limit(folder: Path) -> Any:
    """Room for ten arrays and a bit: those go that were not used for longest, never those of this run."""
    size = 100_000
    make = lambda: np.zeros(size, np.uint8)  # noqa: E731
    old = Cache(folder, limit=12 * size)
    for name in "abcdefgh":
        old.get(name, make)
    for age, path in enumerate(old.folder.glob("*/*.npy")):
        os.utime(path, (age, age))
    used = Cache(folder, limit=12 * size)
    used.get("a", refused)
    for name in "ABCDEFGHIJKLM":
        used.get(name, make)
    after = Cache(folder)
    there = [name for name in "abcdefghABCDEFGHIJKLM" if is_there(after, name)]
    return {"there": "".join(there), "bytes": sum(p.stat().st_size for p in folder.glob("*/*")) <= 12 * size}


def is_there(cache: Cache, name: str) -> bool:
    try:
        cache.get(name, refused)
    except AssertionError:
        return False
    return True


def reserve(folder: Path) -> Any:
    """A disk that has less left than it should keep."""
    cache = Cache(folder, reserve=1 << 60)
    found = [equal(cache.get("x", lambda: array_of(1)), array_of(1)) for _ in range(3)]
    return {"right": found, "files": len(list(folder.glob("*/*")))}


def full(folder: Path) -> Any:
    """The system refuses to write: here a limit on the size of files, as a full disk would. Workers say it once."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
    cache = Cache(folder)
    processes = [context.Process(target=_use, args=(cache,)) for _ in range(3)]
    for process in processes:
        process.start()
        process.join()
    found = [equal(cache.get(str(n), lambda n=n: array_of(n, 100_000)), array_of(n, 100_000)) for n in range(3)]
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return {"codes": [p.exitcode for p in processes], "right": found, "files": len(list(folder.glob("*/*")))}


def _use(cache: Cache) -> None:
    for number in range(3):
        assert equal(cache.get(str(number), lambda n=number: array_of(n, 100_000)), array_of(number, 100_000))


def no_folder(folder: Path) -> Any:
    """The cache cannot be made at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("a file")
    return {"right": equal(Cache(folder).get("x", lambda: array_of(1)), array_of(1))}


def objects(folder: Path) -> Any:
    try:
        Cache(folder).get("x", lambda: np.array([{}]))
    except TypeError as error:
        return str(error)


CASES: tuple[Callable[[Path], Any], ...] = (
    hits, altered, together, killed, limit, reserve, full, no_folder, objects,
)  # fmt: skip

if __name__ == "__main__":
    warnings.simplefilter("ignore")  # NumPy's, about broken headers
    root = Path(sys.argv[1])
    print(json.dumps({case.__name__: case(root / case.__name__) for case in CASES}))
