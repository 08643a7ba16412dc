"""Fixtures that run an example's train.py; its own conftest says which example, on which data, in which environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.examples.training import Run, Train, TrainEach, each, once


@pytest.fixture
def train(ml_python: Path, example: Path, own_data: Path, environment: dict[str, str], tmp_path: Path) -> Train:
    """Runs train.py (or another `script`) to its end."""

    def run(name: str = "run", script: tuple[str, ...] = (), **values: str) -> Run:
        command = [ml_python, *(script or (str(example / "train.py"),))]
        return once(command, {**environment, "DATA_DIR": str(own_data), **values}, tmp_path / name)

    return run


@pytest.fixture
def train_each(
    ml_python: Path, example: Path, own_data: Path, environment: dict[str, str], tmp_path: Path
) -> TrainEach:
    """Runs train.py once for each set of values, all in one process."""

    def runs(*variants: dict[str, str]) -> list[Run]:
        return each(ml_python, example, {**environment, "DATA_DIR": str(own_data)}, tmp_path, variants)

    return runs
