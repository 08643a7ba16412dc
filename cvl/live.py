"""A run judged while it goes on: its folder is read again when its files have changed."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cvl.console import printable
from cvl.judge import Judgement
from cvl.readers.base import Series
from cvl.rules import Status, Verdict

Judge = Callable[[], Judgement]
Say = Callable[[str], None]

_PAUSE_S = 1.0
_SHARE = 4  # a look that took half a second is followed by a pause of two
_LONGEST_S = 3.0  # a job that is to be stopped is stopped within seconds
_QUIET_S = 20.0  # within an epoch no more than a line each
_QUIET_STEPS_S = 5.0  # where the log has no epochs
_CURVES = 5
_BARS = "▁▂▃▄▅▆▇█"
_BARS_WIDE = 16
_BARS_SEE = 4096  # points of the curve, at most


def looks(folder: Path, judge: Judge, wait: Callable[[float], object]) -> Iterator[Judgement]:
    """A judgement a tick, a new one where the folder has changed, until `wait` (seconds) answers with truth."""
    seen: object = None
    judgement = None
    while True:
        started = time.monotonic()
        state = _state(folder)
        if judgement is None or state != seen:
            seen, judgement = state, judge()
        took = time.monotonic() - started
        yield judgement
        if wait(max(_PAUSE_S, min(_SHARE * took, _LONGEST_S))):
            return


def failures(judgement: Judgement) -> dict[tuple[str, str, str], Verdict]:
    """The failed rules by what they are and where they failed."""
    failed = (verdict for verdict in judgement.verdicts if verdict.status is Status.FAIL)
    return {(verdict.rule, verdict.metric, str(verdict.where)): verdict for verdict in failed}


def reason(verdict: Verdict) -> str:
    """A failure in a line: rule, metric, what was found, file and step."""
    return printable(f"{verdict.rule} {verdict.metric}: {verdict.found} in {verdict.where}")


class Watch:
    """Looks at a running job's folder from a thread beside it; `stopped_by` is the failure that it was stopped for.

    Failures that the folder holds from an earlier start of the run are let be: the job may overwrite them.
    """

    def __init__(self, folder: Path, judge: Judge, *, abort: bool, show: Say | None, say: Say) -> None:
        self.folder, self.judge, self.abort, self.show, self.say = folder, judge, abort, show, say
        self.known = set(failures(judge())) if abort else set()
        self.stopped_by: Verdict | None = None

    @contextmanager
    def beside(self, stop: Callable[[], None]) -> Iterator[None]:
        """Watches while the context is open; calls `stop` at the first failure that stands."""
        over = threading.Event()
        thread = threading.Thread(target=self._run, args=(over, stop), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _run(self, over: threading.Event, stop: Callable[[], None]) -> None:
        try:
            for judgement in looks(self.folder, self.judge, over.wait):
                if self.show:
                    self.show(status(judgement))
                if self.abort and (new := [v for key, v in failures(judgement).items() if key not in self.known]):
                    self.stopped_by = new[0]
                    self.say(f"stopping the job: {reason(new[0])}")
                    stop()
                    return
        except Exception as error:  # the job is worth more than the look at it; it is judged again at its end
            self.say(f"cannot go on watching {self.folder}: {error!r}")


def follow(folder: Path, judge: Judge, running: Callable[[], bool], say: Say) -> bool:
    """Says what changes until the run has ended (True), a failure stands (False), or Ctrl-C."""
    last, said, waits = "", -math.inf, False
    for judgement in looks(folder, judge, time.sleep):
        text, now = status(judgement), time.monotonic()
        quiet = _QUIET_S if _epoch(text) else _QUIET_STEPS_S
        if text and text != last and (_epoch(text) != _epoch(last) or now - said >= quiet):
            say(text)
            last, said = text, now
        if failures(judgement):
            return False
        if not running():
            return True
        if not waits and not judgement.readings:
            waits = True
            say(f"waiting for a log in {folder}")
    raise AssertionError("time.sleep never answers with truth")


def status(judgement: Judgement) -> str:
    """One line: how far the run is, the last values of its metrics, the first loss as a curve; empty without any."""
    curves = {name: series for name, series in list(judgement.curves.items())[:_CURVES] if len(series)}
    if not curves:
        return ""
    loss = next((name for name in curves if "loss" in name), next(iter(curves)))
    words = [
        f"{name} {series.value[-1]:.4g}" + f" {sparkline(series)}" * (name == loss) for name, series in curves.items()
    ]
    return printable("  ".join([_progress(max(curves.values(), key=lambda series: series.step[-1])), *words]))


def sparkline(series: Series) -> str:
    """The curve in a few characters, each the median of its part of the points; `!` where none is finite."""
    n = len(series)
    width = min(_BARS_WIDE, n)
    stride = max(1, n // _BARS_SEE)
    parts = [series.value[i * n // width : (i + 1) * n // width : stride] for i in range(width)]
    finite = [sorted(value / 2 for value in part if math.isfinite(value)) for part in parts]  # halved: no overflow
    middle = [part[len(part) // 2] for part in finite if part]
    low, high = min(middle, default=0.0), max(middle, default=0.0)
    height = (len(_BARS) - 1) / ((high - low) or 1.0)
    bars = (_BARS[round((value - low) * height)] for value in middle)
    return "".join(next(bars) if part else "!" for part in finite)


def _progress(series: Series) -> str:
    step, epoch = series.step[-1], series.epoch[-1]
    if not math.isfinite(epoch):
        return f"step {step}"
    return f"epoch {math.floor(epoch)}" + (f"  step {step}" if step != epoch else "")


def _epoch(text: str) -> str:
    """What a line of status says of the epoch; empty where the log has none."""
    first = text.partition("  ")[0]
    return first if first.startswith("epoch") else ""


def _state(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file."""
    found = {}
    for root, _, names in os.walk(folder):
        for name in names:
            path = Path(root, name)
            try:
                facts = path.stat()
            except OSError:  # gone between the two questions
                continue
            found[str(path)] = (facts.st_size, facts.st_mtime_ns)
    return found
