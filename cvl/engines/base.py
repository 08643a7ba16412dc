"""What an engine is, and the supervision of a job that all engines share."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

from cvl.plan import Plan

_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE_S = 30.0  # from the request to stop until the kill: a checkpoint of a large model takes its time

Say = Callable[[str], None]
Beside = Callable[[Callable[[], None]], AbstractContextManager[object]]


@dataclass(frozen=True)
class Outcome:
    """How a job ended; `exit_code` is its own, or 128 + the signal that ended it."""

    exit_code: int
    interrupted: bool = False
    timed_out: bool = False
    aborted: bool = False  # by what watches beside it
    oom_killed: bool | None = None  # whether the kernel ended it for want of memory; None: nobody knows


class Job(Protocol):
    """A job that has started."""

    def output(self) -> Iterator[bytes]:
        """Chunks of its output, stdout and stderr together, until it has ended."""

    def stop(self) -> None:
        """Asks it to end (SIGTERM)."""

    def kill(self) -> None:
        """Ends it at once, with everything it started."""

    def wait(self) -> int:
        """Its exit code, once the output has ended."""

    def oom_killed(self, exit_code: int) -> bool | None:
        """Whether the kernel ended it for want of memory; None where the engine cannot know."""


class Engine(Protocol):
    """Runs plans."""

    NAME: str

    def refusal(self, plan: Plan) -> str:
        """Why this engine cannot serve the plan; empty when it can."""

    def command(self, plan: Plan) -> str:
        """The exact shell command that `start` amounts to."""

    def prepare(self, plan: Plan, say: Say) -> Mapping[str, Any]:
        """Builds what is missing (image, environment), said aloud; returns what the run record keeps of it."""

    def start(self, plan: Plan) -> Job:
        """Starts the job."""


def unwatched(_stop: Callable[[], None]) -> AbstractContextManager[object]:
    """Nothing beside the job."""
    return nullcontext()


def supervise(
    start: Callable[[], Job],
    sink: Callable[[bytes], None],
    *,
    timeout: float | None,
    grace: float = GRACE_S,
    beside: Beside = unwatched,
) -> Outcome:
    """Starts a job and passes its output to `sink` until it ends.

    SIGINT, SIGTERM and SIGHUP stop the job: first asked, killed after `grace` seconds or at the second signal; one that
    comes during the start stops the job as soon as there is one. `timeout` in seconds does the same, and so does the
    function that `beside`, entered while the job runs, is given.
    """
    stopper = _Stopper(grace)
    with _signals(stopper.interrupt), _timer(timeout, stopper.time_out), beside(stopper.abort):
        job = start()
        stopper.watch(job)
        reader = threading.Thread(target=_drain, args=(job, sink), daemon=True)
        reader.start()
        reader.join()
        exit_code = job.wait()
    stopper.done()
    oom_killed = None if stopper.requests else job.oom_killed(exit_code)
    return Outcome(exit_code, stopper.interrupted, stopper.timed_out, stopper.aborted, oom_killed)


class _Stopper:
    def __init__(self, grace: float) -> None:
        self.job: Job | None = None
        self.interrupted = False
        self.timed_out = False
        self.aborted = False
        self.requests = 0
        self.killer = threading.Timer(grace, self._kill)
        self.killer.daemon = True

    def watch(self, job: Job) -> None:
        self.job = job
        if self.requests:
            self._ask()

    def interrupt(self, _signal: int, _frame: object) -> None:
        self.interrupted = True
        self._stop()

    def time_out(self) -> None:
        self.timed_out = True
        self._stop()

    def abort(self) -> None:
        if not self.requests:  # a second request would kill
            self.aborted = True
            self._stop()

    def _stop(self) -> None:
        self.requests += 1
        if self.requests > 1:
            self._kill()
        else:
            self._ask()

    def _ask(self) -> None:
        if self.job and not self.killer.is_alive():
            self.killer.start()
            self.job.stop()

    def _kill(self) -> None:
        if self.job:
            self.job.kill()

    def done(self) -> None:
        self.killer.cancel()


def _drain(job: Job, sink: Callable[[bytes], None]) -> None:
    for chunk in job.output():
        sink(chunk)


@contextmanager
def _signals(handler: Callable[[int, object], None]) -> Iterator[None]:
    heard = [number for number in _STOPS if signal.getsignal(number) is not signal.SIG_IGN]  # nohup stays in force
    before = {number: signal.signal(number, handler) for number in heard}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


@contextmanager
def _timer(seconds: float | None, action: Callable[[], None]) -> Iterator[None]:
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, action)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
