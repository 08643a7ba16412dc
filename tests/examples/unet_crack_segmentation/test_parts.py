"""The example's own parts, checked in its environment: every `check_…` of inside/check_*.py is a test."""

from __future__ import annotations

import ast
import json
import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
EXAMPLE = REPOSITORY / "examples" / "unet-crack-segmentation"
INSIDE = Path(__file__).parent / "inside"


def checks() -> list[tuple[str, str]]:
    """File and function of every check."""
    found = []
    for file in sorted(INSIDE.glob("check_*.py")):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("check_"):
                found.append((file.name, node.name))
    return found


@cache
def outcomes(python: Path, file: str) -> dict[str, str]:
    """What each check of a file ended with: nothing, or its traceback. One process a file: torch is loaded once."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{REPOSITORY}:{EXAMPLE}",
        "OMP_NUM_THREADS": "1",
        "HF_ENDPOINT": "http://127.0.0.1:9",
    }
    command = [python, REPOSITORY / "tests" / "run_checks.py", INSIDE / file]
    done = subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_there_are_checks() -> None:
    assert len(checks()) >= 40


@pytest.mark.training("unet-crack-segmentation")
@pytest.mark.parametrize(("file", "check"), checks())
def test_check(ml_python: Path, file: str, check: str) -> None:
    if trace := outcomes(ml_python, file)[check]:
        pytest.fail(trace, pytrace=False)
