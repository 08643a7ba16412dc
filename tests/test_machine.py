"""Facts about this machine."""

from __future__ import annotations

import os
import subprocess
import sys

from cvl import machine


def test_a_process_runs_while_it_does() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert machine.process_runs(os.getpid())
    assert not machine.process_runs(ended.pid)


def test_a_number_that_is_no_process_does_not_run() -> None:
    assert not any(machine.process_runs(pid) for pid in (0, -1, 10**30))
