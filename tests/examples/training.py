"""Scripts of an example as processes: run to their end, what they said, what they left in the run folder."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
EACH = Path(__file__).with_name("each.py")
HOSTILE = Path(__file__).with_name("make_hostile.py")


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


@dataclass(frozen=True)
class Trained:
    """A run of train.py and the data set that it was trained on."""

    run: Path
    data: Path

    @property
    def checkpoint(self) -> Path:
        return self.run / "checkpoints" / "best_model.pt"


Train = Callable[..., Run]
TrainEach = Callable[..., list[Run]]
Preset = Callable[..., Run]
Case = tuple[str, Mapping[str, str]]  # a script and its parameters
Answer = tuple[int, str]  # its exit code and what it said
Alone = Callable[[Sequence[Case]], list[Answer]]


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


def scripts(
    python: Path, example: Path, cases: Sequence[Case], environment: Mapping[str, str], cwd: Path
) -> list[Answer]:
    """Scripts of an example one after the other in one process: torch is loaded once."""
    command = [python, EACH, example, json.dumps(cases)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return [(code, said) for code, said in json.loads(done.stdout.splitlines()[-1])]


def each(
    python: Path, example: Path, environment: Mapping[str, str], tmp_path: Path, variants: Sequence[dict[str, str]]
) -> list[Run]:
    """train.py once for each set of values; every run must end well."""
    folders = [tmp_path / f"run{number}" for number in range(len(variants))]
    cases = [
        ("train.py", {"OUTPUT_DIR": str(folder), **values}) for folder, values in zip(folders, variants, strict=True)
    ]
    answers = scripts(python, example, cases, environment, tmp_path)
    runs = [Run(code, text, folder) for folder, (code, text) in zip(folders, answers, strict=True)]
    for run, values in zip(runs, variants, strict=True):
        assert not run.code, (values, run.text)
    return runs


def read(run: Run, name: str) -> Any:
    """A JSON file of a run that ended well."""
    assert run.code == 0, run.text
    return json.loads((run.folder / name).read_text())


def files(folder: Path) -> list[Path]:
    """All below it."""
    return sorted(path for path in folder.rglob("*") if path.is_file())
