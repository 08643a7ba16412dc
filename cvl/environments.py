"""Python environments for the local engine: found where one satisfies the example, else made once."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cvl.errors import EngineError

STAMP = ".complete"

# Runs in the interpreter that is asked; prints {distribution: version} and its own version.
_PROBE = (
    "import json,platform,importlib.metadata as m;"
    "print(json.dumps([platform.python_version(),{d.metadata['Name']:d.version for d in m.distributions()}]))"
)


@dataclass(frozen=True)
class Environment:
    """An interpreter and what is installed for it; `differs` lists what does not satisfy the pins."""

    python: str
    python_version: str
    packages: dict[str, str]
    differs: tuple[str, ...] = ()


def probe(python: str, requirements: str) -> Environment:
    """Asks `python` for its packages and compares them with the text of a requirements file."""
    try:
        done = subprocess.run([python, "-c", _PROBE], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise EngineError(f"--python {python}: not a Python interpreter that runs ({error})") from None
    version, packages = json.loads(done.stdout)
    return Environment(python, version, packages, tuple(_differences(requirements, packages, version)))


def provide(folder: Path, requirements: str, setup: str, *, cache: Path, say: Callable[[str], None]) -> Environment:
    """An interpreter that satisfies `requirements` (a file in `folder`): this one, one made before, or a new one."""
    text = (folder / requirements).read_text(encoding="utf-8") if requirements else ""
    if not setup:
        here = probe(sys.executable, text)
        if not here.differs:
            return here
    home = cache / "envs" / _key(folder, text, setup)
    python = home / "bin" / "python"
    with _locked(home.with_suffix(".lock"), say):
        if not (home / STAMP).is_file():
            _make(home, folder / requirements if requirements else None, folder / setup if setup else None, say)
        found = probe(str(python), text)
    if found.differs:
        raise EngineError(
            f"the environment {home} does not hold what it should: {', '.join(found.differs)}",
            hint=f"remove it and run again: rm -r {home}",
        )
    return found


def existing(folder: Path, requirements: str, setup: str, *, cache: Path) -> str:
    """The interpreter that `provide` made before for this folder; empty where there is none."""
    text = (folder / requirements).read_text(encoding="utf-8") if requirements else ""
    home = cache / "envs" / _key(folder, text, setup)
    return str(home / "bin" / "python") if (home / STAMP).is_file() else ""


def _make(home: Path, requirements: Path | None, setup: Path | None, say: Callable[[str], None]) -> None:
    """Makes the environment in place; the stamp is written last, so that half an environment is made anew."""
    started = time.monotonic()
    say(f"making the environment {home.name} (once; the packages are downloaded)")
    home.parent.mkdir(parents=True, exist_ok=True)
    python = str(home / "bin" / "python")
    wanted = ["-r", str(requirements)] if requirements else []
    try:
        _install(home, wanted, shutil.which("uv"))
    except EngineError:  # uv reads neither pip's configuration nor its certificates
        if not shutil.which("uv"):
            raise
        say("uv failed, trying pip")
        _install(home, wanted, None)
    if setup:
        _call(["bash", str(setup), python])
    (home / STAMP).write_text(platform.python_version())
    say(f"environment ready after {time.monotonic() - started:.0f} s")


def _install(home: Path, wanted: list[str], uv: str | None) -> None:
    """A new environment in `home` with the packages `wanted`, by uv or by pip."""
    shutil.rmtree(home, ignore_errors=True)
    python = str(home / "bin" / "python")
    if uv:
        _call([uv, "venv", "--quiet", "--python", sys.executable, "--no-python-downloads", str(home)])
        install = [uv, "pip", "install", "--quiet", "--python", python]
    else:
        _call([sys.executable, "-m", "venv", "--without-pip", str(home)])
        install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    if wanted:
        _call([*install, *wanted])


def _call(command: list[str]) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        tail = "\n".join(done.stdout.decode(errors="replace").strip().splitlines()[-15:])
        raise EngineError(
            f"`{' '.join(command)}` failed:\n{tail}",
            hint="is a package index reachable? --python PATH takes an interpreter you prepared",
        )


def _key(folder: Path, requirements: str, setup: str) -> str:
    """Names an environment by what goes into it."""
    content = requirements + ((folder / setup).read_text(encoding="utf-8") if setup else "")
    digest = hashlib.sha256(f"{content}\n{platform.python_version()}\n{sys.platform}-{platform.machine()}".encode())
    return f"{folder.name}-{digest.hexdigest()[:12]}"


def _differences(requirements: str, packages: dict[str, str], python: str) -> Iterator[str]:
    """What of the requirements `packages` do not satisfy; a local version (2.14.1+cu130) satisfies its public one."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    installed = {canonicalize_name(name): version for name, version in packages.items() if name}
    markers = {"python_version": ".".join(python.split(".")[:2]), "python_full_version": python}
    for line in requirements.splitlines():
        line = line.partition(" #")[0].strip()
        if not line or line.startswith(("#", "-")):
            continue
        wanted = Requirement(line)
        if wanted.marker and not wanted.marker.evaluate(markers):
            continue
        version = installed.get(canonicalize_name(wanted.name))
        if version is None:
            yield f"{wanted.name} is missing"
        elif not wanted.specifier.contains(version.partition("+")[0], prereleases=True):
            yield f"{wanted.name} is {version}, not {wanted.specifier}"


@contextmanager
def _locked(path: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Only one process makes an environment; the lock goes with the process that holds it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    except OSError as error:
        raise EngineError(f"cannot write {path.parent}: {error.strerror}", hint="HOME must be writable") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process is making this environment; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.write(str(os.getpid()))
        yield
