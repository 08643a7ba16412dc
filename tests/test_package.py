"""What an installed cvl carries: built as `pip install .` builds it, run from the unpacked wheel."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("cvl-*.whl"))


def test_the_wheel_carries_schemas_samples_and_examples_but_no_runs(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"cvl/schemas/example.schema.json", "cvl/schemas/run.schema.json", "cvl/cli.py"} <= names
    for manifest in REPOSITORY.glob("examples/*/example.yaml"):
        assert f"cvl/{manifest.relative_to(REPOSITORY)}" in names
    assert "cvl/report/style.css" in names
    assert any(name.startswith("cvl/kit/samples/") for name in names)
    assert not [name for name in names if "/outputs/" in name or name.endswith((".pyc", "/.env"))]
    assert {name.split("/")[0].split("-")[0] for name in names} == {"cvl"}


def test_the_wheel_is_small_enough_to_install_anywhere(wheel: Path) -> None:
    assert wheel.stat().st_size < 20e6


def test_an_installed_cvl_finds_its_catalogue(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    monkeypatch.setenv("PYTHONPATH", str(site))
    (tmp_path / "elsewhere").mkdir()
    command = [sys.executable, "-m", "cvl", "list"]
    done = subprocess.run(command, cwd=tmp_path / "elsewhere", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for manifest in REPOSITORY.glob("examples/*/example.yaml"):
        assert manifest.parent.name in done.stdout
