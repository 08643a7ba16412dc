"""Environments of the local engine, made with the real pip from a wheel written on the spot."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cvl import environments
from cvl.errors import EngineError

METADATA = "Metadata-Version: 2.1\nName: cvl-tiny-thing\nVersion: {version}\n"


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose requirement only pip finds: in a folder that its configuration names."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    write_wheel(tmp_path / "wheels", "1.0")
    folder = tmp_path / "example"
    folder.mkdir()
    (folder / "requirements.txt").write_text("cvl-tiny-thing==1.0\n")
    return folder


def write_wheel(folder: Path, version: str) -> None:
    folder.mkdir(exist_ok=True)
    info = f"cvl_tiny_thing-{version}.dist-info"
    with zipfile.ZipFile(folder / f"cvl_tiny_thing-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("cvl_tiny_thing.py", "")
        wheel.writestr(f"{info}/METADATA", METADATA.format(version=version))
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


def use_uv(folder: Path, monkeypatch: pytest.MonkeyPatch, *, script: str) -> None:
    """A stand-in for uv in front of PATH."""
    folder.mkdir()
    (folder / "uv").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def provide(example: Path, said: list[str]) -> environments.Environment:
    return environments.provide(example, "requirements.txt", "", cache=example.parent / "cache", say=said.append)


@pytest.mark.parametrize(
    ("requirements", "differences"),
    [
        ("torch==2.6.0", []),
        ("torch==2.6.0+cpu", []),
        ("torch==2.6.0+cu130", ["torch is 2.6.0+cpu, not ==2.6.0+cu130"]),
        ("torch>2.6  # newer", ["torch is 2.6.0+cpu, not >2.6"]),
        ("Some_Package == 1.0 \\\n    --hash=sha256:abc", []),
        ("some.package==1.0 --hash=sha256:abc", []),
        ("gone==1; python_version < '3.9'", []),
        ("gone==1; python_version >= '3.9'", ["gone is missing"]),
        ("--index-url https://example.org/simple\n-r more.txt\n./some.whl", []),
    ],
)
def test_what_differs(requirements: str, differences: list[str]) -> None:
    packages = {"torch": "2.6.0+cpu", "some-package": "1.0"}
    assert list(environments._differences(requirements, packages, "3.11.2")) == differences


def test_an_environment_is_announced_and_what_makes_it_is_heard_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "EVERY_S", 0.2)
    (tmp_path / "setup.sh").write_text("echo fetching torch, $(seq 100); sleep 0.5\n")
    said: list[str] = []
    found = environments.provide(tmp_path, "", "setup.sh", cache=tmp_path / "cache", say=said.append)
    home = Path(found.python).parents[1]
    assert said[0].startswith(f"making the environment {home}, once: 0 packages and what they need; ")
    assert said[0].endswith(" GB are free")
    assert any(re.fullmatch(r"  0 s: fetching torch, 1 2 .* …", line) and len(line) < 100 for line in said[1:-1])
    assert said[-1].startswith("environment ready after ")


def test_the_size_of_torch_is_said_before_it_is_fetched(tmp_path: Path) -> None:
    said = environments._announcement(tmp_path / "env", "torch==2.14.1\nnumpy\n")
    assert ", once: 2 packages and what they need" in said
    assert ("about 6 GB" in said) is (sys.platform == "linux")


def test_on_a_terminal_the_installer_shows_its_own_progress(tmp_path: Path) -> None:
    (tmp_path / "setup.sh").write_text("printf '10 %%\\r90 %%\\r'; test -t 1 && echo on a terminal\n")
    program = "import sys; from pathlib import Path; from cvl import environments as e; p = Path(sys.argv[1]); "
    program += "e.provide(p, '', 'setup.sh', cache=p / 'cache', say=print)"
    ours, theirs = pty.openpty()
    done = subprocess.run([sys.executable, "-c", program, tmp_path], stderr=theirs, stdout=subprocess.PIPE, text=True)
    os.close(theirs)
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    assert done.returncode == 0, shown
    assert shown == "10 %\r90 %\ron a terminal\r\n"
    assert done.stdout.startswith("making the environment ")


@pytest.mark.parametrize("python", ["/nowhere/python", "/bin/true", "/bin/false", "/bin/echo"])
def test_what_is_no_interpreter(python: str) -> None:
    with pytest.raises(EngineError, match=f"^{python} is no Python interpreter that runs"):
        environments.probe(python, "")


def test_a_requirements_file_that_is_missing(example: Path) -> None:
    (example / "requirements.txt").unlink()
    with pytest.raises(EngineError, match=r"example/requirements\.txt: No such file or directory"):
        provide(example, [])


@pytest.mark.slow
def test_what_this_interpreter_cannot_be_checked_for_is_installed(example: Path) -> None:
    (example / "requirements.txt").rename(example / "more.txt")
    (example / "requirements.txt").write_text("-r more.txt\n")
    assert provide(example, []).packages["cvl-tiny-thing"] == "1.0"


@pytest.mark.slow
def test_pip_serves_where_uv_cannot_and_the_next_call_makes_nothing(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_uv(tmp_path / "bin", monkeypatch, script="echo no route to the index; exit 2")
    said: list[str] = []
    found = provide(example, said)
    assert found.packages["cvl-tiny-thing"] == "1.0"
    assert "uv failed, trying pip" in said
    said.clear()
    assert provide(example, said).python == found.python
    assert said == []


@pytest.mark.slow
def test_half_an_environment_is_made_anew(example: Path) -> None:
    said: list[str] = []
    home = Path(provide(example, said).python).parents[1]
    (home / environments.STAMP).unlink()
    (home / "left over").touch()
    provide(example, said)
    assert not (home / "left over").exists() and (home / environments.STAMP).is_file()


@pytest.mark.slow
def test_a_package_that_nobody_has_is_one_clear_error(example: Path) -> None:
    (example / "requirements.txt").write_text("cvl-tiny-thing==2.0\n")
    with pytest.raises(EngineError) as caught:
        provide(example, [])
    assert "cvl-tiny-thing==2.0" in caught.value.message
    assert "is a package index reachable?" in caught.value.hint
    assert not list((example.parent / "cache/envs").glob(f"*/{environments.STAMP}"))
