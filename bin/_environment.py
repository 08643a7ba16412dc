"""Makes the environment of bin/cvl or bin/test, then starts a command: ENVIRONMENT PYPROJECT EXTRAS -- COMMAND…"""

from __future__ import annotations

import ast
import contextlib
import fcntl
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

FAILED = 4
WHEELS = "usr/share/python-wheels"  # of Debian and Fedora


class SetUpError(Exception):
    """The environment could not be made; the text says why and what to do."""


def main() -> None:
    folder, project, extras, _, *command = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    environment = Path(folder)
    try:
        prepare(environment, requirements(Path(project).read_text(encoding="utf-8"), extras.split()))
    except SetUpError as error:
        say(str(error))
        sys.exit(FAILED)
    except OSError as error:
        say(f"cannot make {environment}: {error}")
        say("hint: XDG_CACHE_HOME names another folder for it, one that can be written to")
        sys.exit(FAILED)
    except KeyboardInterrupt:
        sys.exit(130)
    os.execv(command[0], command)


def say(line: str) -> None:
    print(f"cvl: {line}", file=sys.stderr, flush=True)


def requirements(project: str, extras: Sequence[str]) -> list[str]:
    """The dependencies and those of `extras`; Python 3.10 has no TOML reader, but these lists are Python lists too."""
    found: list[str] = []
    for name in ("dependencies", *extras):
        table = re.search(rf"^{name} = (\[.*?^\])", project, re.DOTALL | re.MULTILINE)
        if table is None:
            raise SetUpError(f"pyproject.toml has no list {name}")
        found += ast.literal_eval(table[1])
    return found


def prepare(environment: Path, wanted: Sequence[str]) -> None:
    """A finished environment: whoever comes second waits; what an interrupted call left is made anew."""
    environment.parent.mkdir(parents=True, exist_ok=True)
    with locked(environment.with_name(environment.name + ".lock")) as lock:
        complete = environment / ".complete"
        if complete.exists() and os.access(environment / "bin/python", os.X_OK):
            return
        start = time.monotonic()
        say(f"first call: setting up {environment}")
        shutil.rmtree(environment, ignore_errors=True)
        create(environment)
        install(environment, wanted, lock)
        complete.touch()
        say(f"ready after {time.monotonic() - start:.0f} s")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[int]:
    """Holds a lock that the kernel gives back, whichever way its holder ends."""
    with open(path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another call that is setting up the same environment")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def create(environment: Path) -> None:
    try:
        import venv
    except ImportError as error:
        raise SetUpError(f"{sys.executable} has no module venv; Debian, Ubuntu: apt install python3-venv") from error
    venv.EnvBuilder(symlinks=True).create(environment)


def install(environment: Path, wanted: Sequence[str], lock: int) -> None:
    """With uv, else with any pip there is; a failed uv is no end, for it does not read pip's configuration."""
    python = str(environment / "bin/python")
    if works("uv", "--version"):
        done = run(["uv", "pip", "install", "--quiet", "--python", python, *wanted], lock)
        if done.returncode == 0:
            return
        say("uv failed, trying pip")
    with tempfile.TemporaryDirectory() as scratch:
        pip = find_pip(Path(scratch))
        done = run([python, str(pip), "install", "--quiet", "--no-warn-script-location", *wanted], lock)
    if done.returncode:
        last = "\n".join(done.stdout.splitlines()[-10:])
        raise SetUpError(f"installing its packages failed:\n{last}\nhint: can pip reach a package index?")


def works(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


def run(command: Sequence[str], lock: int) -> subprocess.CompletedProcess[str]:
    """An installer that outlives this process keeps the lock, so nobody builds into the same folder beside it."""
    settings = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    environ = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}
    return subprocess.run(
        command, env=environ | settings, pass_fds=[lock], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def find_pip(scratch: Path) -> Path:
    """What `python PATH install …` runs: a wheel's pip or an installed one; the environment itself needs none."""
    for wheel in (*module_folder("ensurepip", "_bundled").glob("pip-*.whl"), *Path("/", WHEELS).glob("pip-*.whl")):
        return wheel / "pip"
    installed = module_folder("pip")
    if (installed / "__main__.py").exists():
        # Alone in a folder, so that its neighbours do not count as packages of the environment.
        (scratch / "pip").symlink_to(installed)
        return scratch / "pip"
    return debian_pip(scratch)


def module_folder(name: str, *parts: str) -> Path:
    spec = importlib.util.find_spec(name)
    folders = (spec.submodule_search_locations if spec else None) or ["/nowhere"]
    return Path(folders[0], *parts)


def debian_pip(scratch: Path) -> Path:
    """Debian ships Python without ensurepip; its pip is a package that any user may download and unpack."""
    say("this Python has no pip: trying Debian's python3-pip-whl")
    apt = ["apt-get", "-qq", f"-oDir::State::Lists={scratch}/lists", f"-oDir::Cache={scratch}/cache"]
    (scratch / "lists/partial").mkdir(parents=True)
    try:
        for command in ([*apt, "update"], [*apt, "download", "python3-pip-whl"]):
            subprocess.run(command, cwd=scratch, capture_output=True, check=True)
        package = next(scratch.glob("*.deb"))
        subprocess.run(["dpkg", "-x", package, scratch / "package"], capture_output=True, check=True)
        return next((scratch / "package" / WHEELS).glob("pip-*.whl")) / "pip"
    except (OSError, subprocess.CalledProcessError, StopIteration) as error:
        raise SetUpError(
            f"{sys.executable} has neither pip nor ensurepip, and Debian's package with pip could not be had\n"
            "hint: install one of them (Debian, Ubuntu: apt install python3-venv), or uv"
        ) from error


if __name__ == "__main__":
    main()
