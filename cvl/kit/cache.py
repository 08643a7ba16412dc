"""Arrays that are costly to make, kept on disk: decoded pictures, embeddings."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
import zlib
from collections.abc import Callable
from io import BytesIO
from multiprocessing.sharedctypes import RawValue
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from cvl.kit.run import say

LIMIT = 20 << 30  # bytes of all caches in one folder
RESERVE = 2 << 30  # bytes that the disk keeps for checkpoints and logs
_MAGIC = b"cvl1"
_ABANDONED_SECONDS = 3600.0  # after which a temporary file is that of a process which was killed


class Cache:
    """Arrays by name in `folder`, for what `key` describes (how they were made: model, version, size).

    Safe between processes: a file appears whole or not at all, and who comes second makes it again, to the same end.
    What is torn or altered is made again. Beyond `limit` bytes the files go that were not used for longest, but never
    those of this run: what does not fit beside them is not kept. Where the disk has less than `reserve` bytes left, or
    refuses, the work goes on without, and that is said once.
    """

    def __init__(self, folder: Path, *key: str | float, limit: int = LIMIT, reserve: int = RESERVE) -> None:
        self.folder = folder
        self.limit, self.reserve = limit, reserve
        self._place = folder / hashlib.blake2b(repr(key).encode(), digest_size=12).hexdigest()
        self._since = time.time()
        self._checked: set[str] = set()
        self._room = -1  # bytes that may be written before the folder is looked over again
        self._off = RawValue("b", 0)  # shared with the workers of a loader

    def get(self, name: str, make: Callable[[], Any]) -> Any:
        """The array called `name` (read-only, perhaps a map of its file), made by `make` where there is none."""
        file = self._place / f"{hashlib.blake2b(name.encode(), digest_size=16).hexdigest()}.npy"
        found = self._read(file)
        if found is None:
            found = np.asarray(make(), order="C").view()
            found.flags.writeable = False
            self._keep(file, found)
        return found

    def _read(self, file: Path) -> Any:
        """None where the file is not there or not whole; its content is checked once in a process."""
        try:
            array = np.lib.format.open_memmap(file, mode="r")
            if file.name not in self._checked:
                if _check_sum(array) != _last_bytes(file):
                    return None
                os.utime(file)
                self._checked.add(file.name)
        except Exception:  # NumPy raises whatever a header of garbage leads its parser to
            return None
        return array

    def _keep(self, file: Path, array: Any) -> None:
        if array.dtype.hasobject:
            raise TypeError(f"{array.dtype}: only arrays of numbers are kept")
        if self._off.value:
            return
        try:
            if self._has_room(array.nbytes):
                _write(file, array)
                self._checked.add(file.name)
        except OSError as error:
            self._stop(error.strerror or str(error))

    def _has_room(self, size: int) -> bool:
        self._room -= size
        if self._room < 0:
            self._room = self._make_room(size) - size
        if self._room < 0:
            short = shutil.disk_usage(self.folder).free - size < self.reserve
            reason = f"{_gib(self.reserve)} of disk are to stay free" if short else f"{_gib(self.limit)} are full"
            self._stop(reason)
        return self._room >= 0

    def _make_room(self, size: int) -> int:
        """Bytes that this process may write now, `size` if possible: a part of what is free, for others write too.

        Files that were not used for longest are deleted before nine tenths of what may be used are.
        """
        self._place.mkdir(parents=True, exist_ok=True)
        files = sorted((s.st_mtime, s.st_size, path) for path in self.folder.glob("*/*") if (s := _stat(path)))
        used = sum(bytes_ for _, bytes_, _ in files)
        budget = min(self.limit, used + shutil.disk_usage(self.folder).free - self.reserve)
        for when, bytes_, path in files:
            if used + size <= 0.9 * budget:
                break
            if when < (self._since if path.suffix == ".npy" else time.time() - _ABANDONED_SECONDS):
                path.unlink(missing_ok=True)
                used -= bytes_
        return min(budget - used, max((budget - used) // 4, size))

    def _stop(self, reason: str) -> None:
        if not self._off.value:
            self._off.value = 1
            say(f"cache {self.folder}: nothing more is kept ({reason})")


def _gib(size: int) -> str:
    return f"{size / 2**30:.3g} GiB"


def _write(file: Path, array: Any) -> None:
    """Under a temporary name first. Not by np.save: its error for a full disk does not say so."""
    header = BytesIO()
    np.lib.format.write_array_header_2_0(header, np.lib.format.header_data_from_array_1_0(array))
    temporary = file.with_name(f".{file.stem}.{uuid4().hex}")
    try:
        with temporary.open("wb") as out:
            out.write(header.getvalue())
            out.write(array)
            out.write(_check_sum(array))
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)


def _check_sum(array: Any) -> bytes:
    """What follows the array in its file: of type, shape and content."""
    return _MAGIC + zlib.crc32(array, zlib.crc32(f"{array.dtype.str}{array.shape}".encode())).to_bytes(4, "big")


def _last_bytes(file: Path) -> bytes:
    with file.open("rb") as content:
        content.seek(-len(_MAGIC) - 4, os.SEEK_END)
        return content.read()


def _stat(path: Path) -> os.stat_result | None:
    """None where another process has just moved or deleted it."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None
