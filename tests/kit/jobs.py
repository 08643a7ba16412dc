"""Scripts that need the environment of an example: run there once, their answers compared here."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]


@cache
def answers(python: Path, script: str) -> tuple[dict[str, Any], list[str]]:
    """The JSON that `script` of this folder prints, given an empty folder as its argument, and its lines on stderr."""
    with TemporaryDirectory() as folder:
        done = subprocess.run(
            [python, Path(__file__).with_name(script), folder],
            env={"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found, [line.replace(folder, "FOLDER") for line in done.stderr.splitlines()]
