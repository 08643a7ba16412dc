"""setup.sh: what DETECTRON2 names takes the place of the package. A small wheel stands in for the upstream one."""

from __future__ import annotations

import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.examples.detectron2_ui_detection.conftest import EXAMPLE

METADATA = "Metadata-Version: 2.1\nName: detectron2\nVersion: 0.6+here\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def make_wheel(folder: Path) -> Path:
    file = folder / "detectron2-0.6+here-py3-none-any.whl"
    members = {
        "detectron2/__init__.py": "__version__ = '0.6+here'\n",
        "detectron2/_C.py": "",
        "detectron2-0.6+here.dist-info/METADATA": METADATA,
        "detectron2-0.6+here.dist-info/WHEEL": WHEEL,
    }
    with zipfile.ZipFile(file, "w") as wheel:
        for name, text in members.items():
            wheel.writestr(name, text)
        record = "detectron2-0.6+here.dist-info/RECORD"
        wheel.writestr(record, "".join(f"{name},,\n" for name in (*members, record)))
    return file


@pytest.mark.training("detectron2-ui-detection")
def test_the_package_can_be_another(ml_python: Path, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    subprocess.run([ml_python, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    environment = {**os.environ, "DETECTRON2": str(wheel)}
    done = subprocess.run(["bash", EXAMPLE / "setup.sh", python], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"installing Detectron2 from {wheel}" in done.stderr
    look = "import detectron2, detectron2._C; print(detectron2.__version__)"
    found = subprocess.run([python, "-c", look], capture_output=True, text=True, check=True)
    assert found.stdout == "0.6+here\n"
    assert not list((tmp_path / "venv").rglob("sal_detectron2*"))
