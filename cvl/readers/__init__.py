"""Log formats by name; the module is loaded when it is needed."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import cast

from cvl.contract import NATIVE
from cvl.readers.base import Reader, Reading
from cvl.readers.growing import Memory

# A metric without `reader` is taken from the first of these that has it.
READERS = {
    "cvl_jsonl": "cvl.readers.cvl_jsonl",
    "ultralytics": "cvl.readers.ultralytics",
    "lightning": "cvl.readers.lightning",
    "tensorboard": "cvl.readers.tensorboard",
    "huggingface": "cvl.readers.huggingface",
    "detectron2": "cvl.readers.detectron2",
    "mmengine": "cvl.readers.mmengine",
    "wandb": "cvl.readers.wandb",
    "mlflow": "cvl.readers.mlflow",
    "keras": "cvl.readers.keras",
    "jsonl": "cvl.readers.jsonl",
    "csv": "cvl.readers.csv",
    "console": "cvl.readers.console",
}


def load(name: str) -> Reader:
    """The reader called `name`; KeyError where there is none."""
    return cast(Reader, import_module(READERS[name]))


def read(folder: Path, memory: Memory | None = None) -> dict[str, Reading]:
    """What each reader finds in `folder` and `native/`; readers that find nothing are left out.

    With a `memory` of earlier readings only what is new is read.

    A file belongs to the first reader that knows it. What lies beside our own log says the same and is not read.
    """
    found: dict[str, Reading] = {}
    taken: set[Path] = set()
    ours = bool(load("cvl_jsonl").find(folder))
    for name in READERS:
        reader = load(name)
        places = [place for place in _places(folder) if name == "cvl_jsonl" or place != folder or not ours]
        for place in places:
            known = reader.find(place)
            paths = [path for path in known if path not in taken]
            if paths:
                taken.update(paths)
                found[name] = memory.read(reader, place, paths) if memory else reader.read(paths)
            if known:  # what lies in the next place is another run
                break
    return found


def line(reader: str, path: Path, point: tuple[int, float | None], name: str) -> int | None:
    """The line of the (step, value) `point` of metric `name`; None where it has none, or is not there."""
    find = getattr(load(reader), "line", None)
    return cast("int | None", find(path, point, name)) if find else None


def _places(folder: Path) -> Iterator[Path]:
    """The folder itself, then what a foreign trainer wrote, the newest first: two runs must not become one."""
    native = folder / NATIVE
    yield folder
    yield native
    if native.is_dir():
        inner = [path for path in native.iterdir() if path.is_dir()]
        yield from sorted(inner, key=lambda path: (path.stat().st_mtime, path.name), reverse=True)
