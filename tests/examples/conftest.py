"""Fixtures that run an example's train.py; its own conftest says which example, on which data, in which environment."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.examples.training import (
    Alone,
    Answer,
    Case,
    Preset,
    Run,
    Train,
    TrainEach,
    Trained,
    each,
    once,
    scripts,
)


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


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For what one test makes and others use: a folder of the session."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def presets_environment(environment: dict[str, str], trained: Trained) -> dict[str, str]:
    """What every preset of a `trained` model gets; without IMAGE_SIZE, which then is that of training."""
    inherited = {name: value for name, value in environment.items() if name != "IMAGE_SIZE"}
    return {**inherited, "DATA_DIR": str(trained.data), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def preset(
    ml_python: Path, example: Path, presets_environment: dict[str, str], trained: Trained, tmp_path: Path
) -> Preset:
    """Runs a script, or `words` in its place, in a folder beside the run that trained, so that its model is found."""

    def run(script: str, *words: str, **values: str) -> Run:
        folder = trained.run.parent / f"{tmp_path.name}-{Path(script).stem}"
        return once([ml_python, *(words or (str(example / script),))], {**presets_environment, **values}, folder)

    return run


@pytest.fixture
def alone(ml_python: Path, example: Path, presets_environment: dict[str, str], tmp_path: Path) -> Alone:
    """Runs scripts of an example that never trained, whatever the checkout has trained, with OUTPUT_DIR alone/run."""

    def answers(cases: Sequence[Case]) -> list[Answer]:
        copy = tmp_path / "examples" / example.name
        shutil.copytree(example, copy, ignore=shutil.ignore_patterns("outputs", "__pycache__"))
        environment = {**presets_environment, "OUTPUT_DIR": str(tmp_path / "alone" / "run")}
        return scripts(ml_python, copy, cases, environment, tmp_path)

    return answers
