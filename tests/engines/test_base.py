"""The supervision of a job by what watches beside it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from cvl.engines.base import Outcome, supervise
from cvl.engines.local import LocalJob

# Says that it is ready, and when it is asked to stop goes on until it is asked again.
JOB = """
import os, signal, sys, time
asked = []
signal.signal(signal.SIGTERM, lambda *_: (asked.append(1), os.write(1, b"asked ")))
os.write(1, b"ready ")
while not asked: time.sleep(0.01)
time.sleep(0.3)
sys.exit(9)
"""


def start() -> LocalJob:
    command = [sys.executable, "-c", JOB]
    return LocalJob(subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True))


@pytest.mark.parametrize("times", [1, 2])
def test_what_watches_beside_a_job_may_stop_it_and_never_kills_it(times: int) -> None:
    ready = threading.Event()
    written: list[bytes] = []

    def sink(chunk: bytes) -> None:
        written.append(chunk)
        ready.set()

    @contextmanager
    def beside(stop: Callable[[], None]) -> Iterator[None]:
        def ask() -> None:
            ready.wait(30)
            for _ in range(times):
                stop()

        thread = threading.Thread(target=ask)
        thread.start()
        yield
        thread.join()

    assert supervise(start, sink, timeout=None, beside=beside) == Outcome(9, aborted=True)
    assert b"".join(written) == b"ready asked "
