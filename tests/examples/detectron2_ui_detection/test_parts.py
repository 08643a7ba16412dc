"""The example's own parts, checked in its environment: every `check_…` of inside/check_parts.py is a test."""

from __future__ import annotations

import ast
import json
import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.examples.detectron2_ui_detection.conftest import EXAMPLE
from tests.examples.training import REPOSITORY

CHECKS = Path(__file__).parent / "inside" / "check_parts.py"
RUNNER = REPOSITORY / "tests" / "run_checks.py"


def checks() -> list[str]:
    nodes = ast.parse(CHECKS.read_text()).body
    return [node.name for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("check_")]


@cache
def outcomes(python: Path) -> dict[str, str]:
    """What each check ended with: nothing, or its traceback. One process: the library is loaded once."""
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY}:{EXAMPLE}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([python, RUNNER, CHECKS], env=environment, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_there_are_checks() -> None:
    assert len(checks()) >= 17


@pytest.mark.training("detectron2-ui-detection")
@pytest.mark.parametrize("check", checks())
def test_check(ml_python: Path, check: str) -> None:
    if trace := outcomes(ml_python)[check]:
        pytest.fail(trace, pytrace=False)
