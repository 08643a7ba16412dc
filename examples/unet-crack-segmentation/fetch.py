"""The folder of a data set by its name: own data, the shipped sample, or a public set that is fetched once.

A public set becomes <split>/{images,masks} in the cache that all examples share. Where its archive cannot be fetched,
it can be brought along: ARCHIVE=file.zip.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from public_sets import SETS, Item, PublicSet

from cvl.errors import DataError, UsageError
from cvl.kit import samples, weights
from cvl.kit.run import say
from cvl.kit.runlog import write_json

SAMPLE = "cracks"
RECORD = "fetched.json"


def locate(data_dir: str | None, dataset: str, archive: str | None = None) -> Path:
    """DATA_DIR where it is set, else the folder of DATASET: `sample`, or one of SETS, fetched if need be."""
    if archive and (data_dir or dataset == "sample"):
        raise UsageError("ARCHIVE is that of a public set, and DATASET names none", hint=f"DATASET={'|'.join(SETS)}")
    if data_dir:
        return Path(data_dir)
    return samples.folder(SAMPLE) if dataset == "sample" else public(dataset, archive)


def public(name: str, archive: str | None = None, *, sets: dict[str, PublicSet] = SETS) -> Path:
    """The folder of the public set `name`; DataError where it is not there and cannot be fetched."""
    folder = weights.cache() / "data" / name
    if not (folder / RECORD).is_file():
        with _alone(folder.with_name(f".{name}.lock")):
            if not (folder / RECORD).is_file():
                _bring(name, sets[name], folder, archive)
    return folder


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One process of this machine at a time; the others wait and find what it brought."""
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("w")
    except OSError as error:
        raise DataError(
            f"{lock.parent}: {error.strerror}", hint="set CVL_CACHE to a folder that you may write to"
        ) from None
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _bring(name: str, wanted: PublicSet, folder: Path, archive: str | None) -> None:
    file = Path(archive) if archive else _download(name, wanted)
    try:
        _lay_out(name, wanted, file, folder)
    finally:
        if not archive:
            file.unlink(missing_ok=True)
    say(f"{name}: {wanted.terms}")


def _download(name: str, wanted: PublicSet) -> Path:
    file = weights.fetch(wanted.url, f"{name}.zip", sha256=wanted.sha256, folder="data")
    if file is None:
        raise DataError(
            f"DATASET={name} is not in {weights.cache() / 'data'} and its archive cannot be fetched from here",
            hint=f"get it by hand ({wanted.page}) and set ARCHIVE=file.zip; or DATASET=sample, or --data DIR",
        )
    return file


def _lay_out(name: str, wanted: PublicSet, file: Path, folder: Path) -> None:
    """The set in `folder`, complete or not at all; the record is the last file in it."""
    making = folder.with_name(f".{name}.{os.getpid()}")
    try:
        counts = _unpack(wanted, file, making)
        if counts != wanted.counts:
            raise DataError(
                f"{file}: {_listed(counts)} in it, {name} has {_listed(wanted.counts)}",
                hint=f"is it the archive of {wanted.page}?",
            )
        write_json(making / RECORD, _record(wanted, file, counts))
        os.replace(making, folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _unpack(wanted: PublicSet, file: Path, folder: Path) -> dict[str, int]:
    """Writes every picture and its mask; how many there are of each split."""
    counts: Counter[str] = Counter()
    try:
        with ZipFile(file) as archive:
            for item in wanted.read(archive):
                _write(item, folder)
                counts[item.split] += 1
    except BadZipFile as error:
        raise DataError(f"{file}: no archive that can be read ({error})", hint=f"get it from {wanted.page}") from None
    except OSError as error:
        raise DataError(
            f"{file} cannot be unpacked into {folder.parent}: {error.strerror or error}",
            hint="the file must be there, and room on the disk",
        ) from None
    except (KeyError, ValueError, TypeError, StopIteration) as error:
        raise DataError(
            f"{file}: not laid out as expected ({type(error).__name__}: {error})",
            hint=f"is it the archive of {wanted.page}?",
        ) from None
    return dict(counts)


def _write(item: Item, folder: Path) -> None:
    for part, suffix, data in (("images", ".jpg", item.picture), ("masks", ".png", item.mask)):
        place = folder / item.split / part
        place.mkdir(parents=True, exist_ok=True)
        (place / (item.name + suffix)).write_bytes(data)


def _record(wanted: PublicSet, file: Path, counts: dict[str, int]) -> dict[str, object]:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    source = {"url": wanted.url, "page": wanted.page, "terms": wanted.terms}
    return {**source, "sha256": digest.hexdigest(), "counts": counts}


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {split}" for split, count in counts.items()) or "no picture with a mask"
