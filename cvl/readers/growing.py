"""Logs read again while they grow: what cannot change any more is kept, only what follows it is read anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from cvl.readers.base import START, Collector, Place, Problem, Reader, Reading

_MARK = 4096  # bytes that tell whether a file still begins as it did
_CLOSER = 4  # times nearer to the end than before must a place be to be worth a copy

State = tuple[int, int, int]  # inode, size, time


class Scan:
    """A log while it is read; all that was understood lies in attributes, so that a deep copy can go on alone."""

    def __init__(self, collector: Collector | None = None) -> None:
        self.collector = collector or Collector()

    def take(self, path: Path, start: Place) -> Iterator[Place]:
        """Reads `path` from `start` on. Stops at each place where what was taken so far is what a reading of the
        whole file will have taken there, however the file grows."""
        raise NotImplementedError

    def reading(self) -> Reading:
        """What was found; the scan is used up by it."""
        return self.collector.reading()


Begin = Callable[[list[Path]], Scan]


def read(begin: Begin, paths: list[Path]) -> Reading:
    """What the files hold, without what resumes made void; where that cannot be told, all of it."""
    found, doubt = _read(begin(paths), paths)
    if doubt is None:
        return found
    del found  # it is as large as what comes now
    return _doubted(_read(_keeping(begin)(paths), paths)[0], doubt)


def _read(scan: Scan, paths: list[Path]) -> tuple[Reading, Problem | None]:
    for path in paths:
        for _ in scan.take(path, START):
            pass
    return scan.reading(), scan.collector.doubt()


def _keeping(begin: Begin) -> Begin:
    """Scans to which nothing is void."""

    def keeping(paths: list[Path]) -> Scan:
        scan = begin(paths)
        scan.collector = Collector()
        return scan

    return keeping


def _doubted(everything: Reading, doubt: Problem) -> Reading:
    return Reading(everything.series, (*everything.problems, doubt))


@dataclass(frozen=True)
class _Kept:
    """`scan` has taken the files before `path`, which are in `states`, and `path` up to `place`."""

    scan: Scan
    states: dict[Path, State]
    path: Path
    place: Place
    mark: bytes


@dataclass(frozen=True)
class _Known:
    states: dict[Path, State]
    reading: Reading
    doubt: Problem | None
    kept: _Kept | None


class Memory:
    """Readings of the logs of a run that goes on. A log that was not only appended to is read from its beginning."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, Path, bool], _Known] = {}

    def read(self, reader: Reader, place: Path, paths: list[Path]) -> Reading:
        """What `reader` finds in `paths`, the files of `place`."""
        begin: Begin | None = getattr(reader, "scan", None)
        states = {path: state for path in paths if (state := _state(path))}
        if begin is None or len(states) < len(paths):
            return reader.read(paths)
        followed = self._look((reader.NAME, place, True), begin, states)
        if followed.doubt is None:
            return followed.reading
        return _doubted(self._look((reader.NAME, place, False), _keeping(begin), states).reading, followed.doubt)

    def _look(self, key: tuple[str, Path, bool], begin: Begin, states: dict[Path, State]) -> _Known:
        known = self._known.get(key)
        if known is None or list(known.states.items()) != list(states.items()):
            known = self._known[key] = _again(begin, states, known)
        return known


def _again(begin: Begin, states: dict[Path, State], known: _Known | None) -> _Known:
    paths = list(states)
    kept = known.kept if known and list(known.states)[: len(paths)] == paths[: len(known.states)] else None
    if kept is None or not _goes_on(kept, states):
        kept = None
    scan, place = (deepcopy(kept.scan), kept.place) if kept else (begin(paths), START)
    grows = next((path for path in paths if known and known.states.get(path) != states[path]), paths[-1])
    for path in paths[paths.index(kept.path) if kept else 0 :]:
        left = states[path][1] - place.offset
        for reached in scan.take(path, place):
            if path == grows and (states[path][1] - reached.offset) * _CLOSER < left:
                left = states[path][1] - reached.offset
                kept = _keep(scan, states, path, reached)
        place = START
    return _Known(states, scan.reading(), scan.collector.doubt(), kept)


def _keep(scan: Scan, states: dict[Path, State], path: Path, place: Place) -> _Kept | None:
    scan.collector.settle()
    before = dict(list(states.items())[: list(states).index(path)])
    now = _state(path)
    if now is None or now[0] != states[path][0]:
        return None
    return _Kept(deepcopy(scan), before, path, place, _mark(path, place))


def _goes_on(kept: _Kept, states: dict[Path, State]) -> bool:
    """Whether all that was kept is still there."""
    before = dict(list(states.items())[: list(states).index(kept.path)]) if kept.path in states else None
    if before != kept.states or states[kept.path][1] < kept.place.offset:
        return False
    return _mark(kept.path, kept.place) == kept.mark


def _mark(path: Path, place: Place) -> bytes:
    """The inode of a file, its first bytes and those before `place`."""
    try:
        with path.open("rb") as file:
            first = file.read(min(_MARK, place.offset))
            file.seek(max(0, place.offset - _MARK))
            return first + file.read(min(_MARK, place.offset))
    except OSError:
        return b""


def _state(path: Path) -> State | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns
