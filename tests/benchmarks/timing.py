"""Interleaved timings: every round runs each command once, so that a busy minute slows all of them."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Took:
    """Seconds by the clock, and of processor time, which other work on the machine hardly changes."""

    wall: float
    cpu: float


def medians(
    commands: Mapping[str, Sequence[str]], *, rounds: int, cwd: Path, environ: Mapping[str, str]
) -> dict[str, Took]:
    """What each command takes, by name; one round to warm up is not counted."""
    times: dict[str, list[Took]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            took = once(command, cwd, environ)
            if number:
                times[name].append(took)
    return {
        name: Took(statistics.median(t.wall for t in found), statistics.median(t.cpu for t in found))
        for name, found in times.items()
    }


def once(command: Sequence[str], cwd: Path, environ: Mapping[str, str]) -> Took:
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **environ}, capture_output=True)
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr.decode(errors='replace')}")
    return Took(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def table(found: Mapping[str, Took], baselines: Sequence[str]) -> str:
    """A line a command: milliseconds, those of processor time, and how many times each baseline by the clock."""
    width = max(map(len, found))
    lines = [f"{'':{width}}  {'ms':>8}  {'cpu ms':>8}" + "".join(f"  × {name}" for name in baselines)]
    for name, took in found.items():
        ratios = "".join(f"  {took.wall / found[base].wall:>{len(base) + 2}.2f}" for base in baselines)
        lines.append(f"{name:{width}}  {1000 * took.wall:>8.0f}  {1000 * took.cpu:>8.0f}{ratios}")
    return "\n".join(lines)
