"""bin/cvl makes its own environment: at first call, at once in four shells, after a kill, on a Python without pip."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SYSTEM_PATH = "/usr/bin:/bin"
installs = [pytest.mark.network, pytest.mark.slow]

# Stands in for cvl.cli: says how it was called, with a dependency loaded.
CLI = """
import json, os, sys, time

def main():
    import click
    told = {"argv": sys.argv, "pid": os.getpid(), "pythonpath": os.environ.get("PYTHONPATH"), "python": sys.executable}
    print(json.dumps(told), flush=True)
    if "sleep" in sys.argv:
        time.sleep(30)
    sys.exit(7 if "seven" in sys.argv else 0)
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that other users may enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="cvl home ") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def repository(home: Path) -> Path:
    root = home / "a repository"
    shutil.copytree(REPOSITORY / "bin", root / "bin", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "pyproject.toml").write_text('dependencies = [\n    "click>=8.1.7,<9",\n]\n')
    (root / "cvl").mkdir()
    (root / "cvl/__init__.py").touch()
    (root / "cvl/cli.py").write_text(CLI)
    return root


def start(program: Path, home: Path, *arguments: str, path: str | None = None, **env: str) -> subprocess.Popen[str]:
    environ = {**os.environ, "HOME": str(home), "PATH": path or os.environ["PATH"], **env}
    return subprocess.Popen(
        [program, *arguments], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/"
    )


def call(
    program: Path, home: Path, *arguments: str, path: str | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    process = start(program, home, *arguments, path=path, **env)
    out, err = process.communicate()
    return subprocess.CompletedProcess(program, process.returncode, out, err)


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.02)


@pytest.fixture
def bootstrap() -> ModuleType:
    spec = importlib.util.spec_from_file_location("cvl_environment", REPOSITORY / "bin/_environment.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TestFirstCall:
    pytestmark = installs

    def test_four_at_once_set_up_once(self, repository: Path, home: Path) -> None:
        processes = [start(repository / "bin/cvl", home, "hello") for _ in range(4)]
        told = "".join(process.communicate()[1] for process in processes)
        assert [process.returncode for process in processes] == [0, 0, 0, 0], told
        assert told.count("first call") == 1
        assert told.count("ready after") == 1

    def test_a_killed_set_up_is_repaired(self, repository: Path, home: Path) -> None:
        begun = home / "begun"
        script(home / "slow/uv", f'[ "$1" = pip ] || exit 0\ntouch "{begun}"\nexec sleep 2')
        killed = start(repository / "bin/cvl", home, path=f"{home}/slow:{os.environ['PATH']}")
        wait_for(begun)
        killed.kill()
        killed.communicate()
        done = call(repository / "bin/cvl", home)
        assert done.returncode == 0, done.stderr
        assert "waiting" in done.stderr, "the installer that outlived its parent still wrote there"
        assert "ready after" in done.stderr

    def test_a_stopped_set_up_takes_its_installer_along(self, repository: Path, home: Path) -> None:
        begun = home / "begun"
        text = f'[ "$1" = pip ] || exit 0\necho $$ > "{begun}.part"\nmv "{begun}.part" "{begun}"\nexec sleep 30'
        script(home / "slow/uv", text)
        stopped = start(repository / "bin/cvl", home, path=f"{home}/slow:{os.environ['PATH']}")
        wait_for(begun)
        stopped.terminate()
        stopped.communicate()
        assert stopped.returncode == 128 + signal.SIGTERM
        assert not Path("/proc", begun.read_text().strip()).exists()

    def test_an_environment_whose_python_is_gone_is_made_anew(self, repository: Path, home: Path) -> None:
        python = Path(json.loads(call(repository / "bin/cvl", home).stdout)["python"])
        python.unlink()
        python.symlink_to("/removed/python3")
        done = call(repository / "bin/cvl", home)
        assert done.returncode == 0, done.stderr

    @pytest.mark.skipif(not shutil.which("apt-get"), reason="not a Debian")
    def test_a_python_without_pip_and_ensurepip(self, repository: Path, home: Path) -> None:
        python = bare_python(home / "bare")
        assert subprocess.run([python, "-m", "ensurepip"], capture_output=True).returncode != 0
        assert subprocess.run([python, "-m", "pip"], capture_output=True).returncode != 0
        done = call(repository / "bin/cvl", home, path=f"{python.parent}:{SYSTEM_PATH}")
        assert done.returncode == 0, done.stderr

    def test_the_checkout_itself_runs_on_a_fresh_machine(self, home: Path) -> None:
        done = call(REPOSITORY / "bin/cvl", home, "--help")
        assert done.returncode == 0, done.stderr
        assert "Usage: cvl" in done.stdout


def bare_python(folder: Path) -> Path:
    """This interpreter with its library, but neither site-packages nor ensurepip: what Debian calls python3."""
    library = Path(os.__file__).parent
    copied = folder / "lib" / library.name
    copied.mkdir(parents=True)
    for entry in library.iterdir():
        if entry.name not in {"site-packages", "dist-packages", "ensurepip"}:
            (copied / entry.name).symlink_to(entry)
    for shared in library.parent.glob("libpython*.so*"):
        (folder / "lib" / shared.name).symlink_to(shared)
    (folder / "bin").mkdir()
    shutil.copy(Path(sys.executable).resolve(), folder / "bin/python3")
    return folder / "bin/python3"


class TestEveryCall:
    pytestmark = installs

    def test_arguments_and_exit_code_pass_through(self, repository: Path, home: Path) -> None:
        done = call(repository / "bin/cvl", home, "seven", "a b", "*", "", PYTHONPATH="/theirs")
        told = json.loads(done.stdout)
        assert done.returncode == 7
        assert told["argv"] == [str(repository / "bin/cvl"), "seven", "a b", "*", ""]
        assert told["pythonpath"] == "/theirs"

    def test_a_signal_reaches_the_tool(self, repository: Path, home: Path) -> None:
        process = start(repository / "bin/cvl", home, "sleep")
        assert process.stdout
        told = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        process.communicate()
        assert told["pid"] == process.pid
        assert process.returncode == -signal.SIGTERM

    def test_through_a_symlink(self, repository: Path, home: Path) -> None:
        link = home / "elsewhere/my cvl"
        link.parent.mkdir()
        link.symlink_to(repository / "bin/cvl")
        assert call(link, home).returncode == 0

    def test_a_read_only_repository_as_an_ordinary_user(self, repository: Path, home: Path) -> None:
        for folder, _, files in os.walk(repository):
            for path in [Path(folder), *(Path(folder, name) for name in files)]:
                path.chmod(path.stat().st_mode & 0o555 | 0o444)
        own_home = home / "user"
        own_home.mkdir()
        user = []
        if os.geteuid() == 0:
            os.chown(own_home, 65534, 65534)
            user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        environ = {**os.environ, "HOME": str(own_home), "PATH": SYSTEM_PATH}
        done = subprocess.run([*user, repository / "bin/cvl"], env=environ, capture_output=True, text=True, cwd="/")
        assert done.returncode == 0, done.stderr
        assert list(own_home.glob(".cache/cvl/pycache/**/cli.*.pyc"))


class TestRefusals:
    def test_a_cache_that_cannot_be_written_to(self, repository: Path) -> None:
        done = call(repository / "bin/cvl", Path("/proc"))
        assert done.returncode == 4
        assert "hint: XDG_CACHE_HOME" in done.stderr
        assert "Traceback" not in done.stderr

    def test_a_python_that_is_too_old(self, repository: Path, home: Path) -> None:
        old = script(home / "old/python3", '[ "$1" = --version ] && echo Python 3.8.1; exit 1')
        done = call(repository / "bin/cvl", home, CVL_PYTHON=str(old))
        assert done.returncode == 4
        assert "Python 3.8.1" in done.stderr
        assert "hint:" in done.stderr

    def test_a_python_that_is_not_there(self, repository: Path, home: Path) -> None:
        done = call(repository / "bin/cvl", home, CVL_PYTHON="/removed/python3")
        assert done.returncode == 4
        assert "/removed/python3" in done.stderr

    @pytest.mark.slow
    def test_an_installer_that_fails(self, repository: Path, home: Path) -> None:
        done = call(repository / "bin/cvl", home, PIP_NO_INDEX="1", UV_OFFLINE="1", UV_CACHE_DIR=str(home / "uv"))
        assert done.returncode == 4
        assert "click" in done.stderr
        assert "hint:" in done.stderr

    def test_no_pip_anywhere(self, bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bootstrap, "WHEELS", "nowhere")
        monkeypatch.setattr(bootstrap, "module_folder", lambda *_: tmp_path / "nowhere")
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(bootstrap.SetUpError, match="hint: install one of them"):
            bootstrap.find_pip(tmp_path)


def test_an_installed_pip_serves(bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site/pip").mkdir(parents=True)
    (tmp_path / "site/pip/__main__.py").write_text("print(__file__)")
    monkeypatch.setattr(bootstrap, "WHEELS", "nowhere")
    monkeypatch.setattr(bootstrap, "module_folder", lambda name, *parts: Path(tmp_path, "site", name, *parts))
    done = subprocess.run([sys.executable, bootstrap.find_pip(tmp_path)], capture_output=True, text=True)
    assert done.stdout.strip() == str(tmp_path / "pip/__main__.py")


def test_the_dependency_lists_are_read_without_a_toml_reader(bootstrap: ModuleType) -> None:
    found = bootstrap.requirements((REPOSITORY / "pyproject.toml").read_text(), ["dev"])
    assert {"click", "pytest"} <= {name.split(">")[0] for name in found}
