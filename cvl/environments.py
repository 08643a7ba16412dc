"""Python environments for the local engine: found where one satisfies the example, else made once."""

from __future__ import annotations

import fcntl
import hashlib
import json
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cvl import pins
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


def text_of(folder: Path, file: str) -> str:
    """The text of a file that the environment is made of; empty where the example names none."""
    try:
        return (folder / file).read_text(encoding="utf-8") if file else ""
    except OSError as error:
        raise EngineError(f"{folder / file}: {error.strerror}, and the environment needs it") from None


def probe(python: str, requirements: str) -> Environment:
    """Asks `python` for its packages and compares them with the text of a requirements file."""
    try:
        done = subprocess.run([python, "-c", _PROBE], capture_output=True, text=True, timeout=60, check=True)
        version, packages = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise EngineError(f"{python} is no Python interpreter that runs ({error})") from None
    return Environment(python, version, packages, tuple(_differences(requirements, packages, version)))


def provide(folder: Path, requirements: str, setup: str, *, cache: Path, say: Callable[[str], None]) -> Environment:
    """An interpreter that satisfies `requirements` (a file in `folder`): this one, one made before, or a new one."""
    text = text_of(folder, requirements)
    if not setup and all(wanted for _, _, wanted in pins.read(text)):  # what cannot be checked is installed anew
        here = probe(sys.executable, text)
        if not here.differs:
            return here
    home = _home(folder, text, setup, cache)
    with _locked(home.with_suffix(".lock"), say):
        if not (home / STAMP).is_file():
            _make(home, folder / requirements if requirements else None, folder / setup if setup else None, say)
        found = probe(_python(home), text)
    if found.differs:
        raise EngineError(
            f"the environment {home} does not hold what it should: {', '.join(found.differs)}",
            hint=f"remove it and run again: rm -r {home}",
        )
    return found


def existing(folder: Path, requirements: str, setup: str, *, cache: Path) -> str:
    """The interpreter that `provide` made before for this folder; empty where there is none."""
    home = _home(folder, text_of(folder, requirements), setup, cache)
    return _python(home) if (home / STAMP).is_file() else ""


def _home(folder: Path, requirements: str, setup: str, cache: Path) -> Path:
    """Where the environment lies, named by what goes into it."""
    content = requirements + text_of(folder, setup)
    digest = hashlib.sha256(f"{content}\n{platform.python_version()}\n{sys.platform}-{platform.machine()}".encode())
    return cache / "envs" / f"{folder.name}-{digest.hexdigest()[:12]}"


def _python(home: Path) -> str:
    return str(home / "bin" / "python")


def _make(home: Path, requirements: Path | None, setup: Path | None, say: Callable[[str], None]) -> None:
    """Makes the environment in place; the stamp is written last, so that half an environment is made anew."""
    started = time.monotonic()
    say(f"making the environment {home.name} (once; the packages are downloaded)")
    wanted = ["-r", str(requirements)] if requirements else []
    uv = shutil.which("uv")
    try:
        _install(home, wanted, uv)
    except EngineError:
        if not uv:
            raise
        say("uv failed, trying pip")  # uv reads neither pip's configuration nor its certificates
        _install(home, wanted, None)
    if setup:
        _call(["bash", str(setup), _python(home)])
    (home / STAMP).touch()
    say(f"environment ready after {time.monotonic() - started:.0f} s")


def _install(home: Path, wanted: list[str], uv: str | None) -> None:
    """A new environment in `home` with the packages `wanted`, by uv or by pip."""
    shutil.rmtree(home, ignore_errors=True)
    if uv:
        _call([uv, "venv", "--quiet", "--python", sys.executable, "--no-python-downloads", str(home)])
        install = [uv, "pip", "install", "--quiet", "--python", _python(home)]
    else:
        _call([sys.executable, "-m", "venv", "--without-pip", str(home)])
        install = [sys.executable, "-m", "pip", "--python", _python(home), "install", "--quiet"]
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


def _differences(requirements: str, packages: dict[str, str], python: str) -> Iterator[str]:
    """What of the requirements `packages` do not satisfy; a local version (2.14.1+cu130) satisfies its public one."""
    from packaging.utils import canonicalize_name

    installed = {canonicalize_name(name): version for name, version in packages.items() if name}
    markers = {"python_version": ".".join(python.split(".")[:2]), "python_full_version": python}
    for _, _, wanted in pins.read(requirements):
        if wanted is None or (wanted.marker and not wanted.marker.evaluate(markers)):
            continue
        version = installed.get(canonicalize_name(wanted.name))
        if version is None:
            yield f"{wanted.name} is missing"
        elif not wanted.specifier.contains(version, prereleases=True):
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
        yield
