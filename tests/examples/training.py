"""Scripts of an example as processes: run to their end, what they said, what they left in the run folder."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
# Runs train.py once for each set of environment variables, in one process: torch is loaded once.
_DRIVER = """
import json, os, runpy, sys
example, runs = sys.argv[1:]
sys.argv[1:] = []
sys.path.insert(0, example)
base = dict(os.environ)
for environment in json.loads(runs):
    os.environ.clear()
    os.environ.update({**base, **environment})
    print("== next run", file=sys.stderr, flush=True)
    try:
        runpy.run_path(os.path.join(example, "train.py"), run_name="__main__")
    except SystemExit as end:
        assert not end.code, environment
"""


@dataclass(frozen=True)
class Run:
    """An ended process and its run folder."""

    code: int
    text: str
    folder: Path

    @property
    def rows(self) -> list[dict[str, float]]:
        return [json.loads(line) for line in (self.folder / "metrics.jsonl").read_text().splitlines()]

    def column(self, name: str) -> list[float]:
        return [row[name] for row in self.rows if name in row]


Train = Callable[..., Run]
TrainEach = Callable[..., list[Run]]


def inherited(tmp_path: Path) -> dict[str, str]:
    """What every script gets; caches live in the test's own folder."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LD_LIBRARY_PATH") if name in os.environ}
    cache = tmp_path / "cache"
    mine = {"CVL_CACHE": str(cache), "MPLCONFIGDIR": str(cache / "matplotlib"), "CVL_RUN": "test"}
    return {**kept, "PYTHONPATH": str(REPOSITORY), **mine}


def once(command: Sequence[str | Path], environment: Mapping[str, str], folder: Path) -> Run:
    """The script with OUTPUT_DIR=folder."""
    env = {**environment, "OUTPUT_DIR": str(folder)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, cwd=folder.parent)
    return Run(done.returncode, done.stdout + done.stderr, folder)


def each(
    python: Path, example: Path, environment: Mapping[str, str], tmp_path: Path, variants: Sequence[dict[str, str]]
) -> list[Run]:
    """train.py once for each set of values, all in one process; every run must end well."""
    folders = [tmp_path / f"run{number}" for number in range(len(variants))]
    sets = [{"OUTPUT_DIR": str(folder), **values} for folder, values in zip(folders, variants, strict=True)]
    command = [str(python), "-c", _DRIVER, str(example), json.dumps(sets)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    texts = done.stderr.split("== next run\n")[1:]
    return [Run(0, text, folder) for folder, text in zip(folders, texts, strict=True)]
