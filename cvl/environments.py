"""Python environments for the local engine: found where one satisfies the example, else made once."""

from __future__ import annotations

import fcntl
import hashlib
import json
import platform
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

from cvl import pins
from cvl.errors import EngineError

STAMP = ".complete"
EVERY_S = 30.0  # between two lines about an installer that no terminal shows

Say = Callable[[str], None]

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


def provide(folder: Path, requirements: str, setup: str, *, cache: Path, say: Say) -> Environment:
    """An interpreter that satisfies `requirements` (a file in `folder`): this one, one made before, or a new one."""
    text = text_of(folder, requirements)
    if not setup and all(wanted for _, _, wanted in pins.read(text)):  # what cannot be checked is installed anew
        here = probe(sys.executable, text)
        if not here.differs:
            return here
    home = _home(folder, text, setup, cache)
    with _locked(home.with_suffix(".lock"), say):
        if not (home / STAMP).is_file():
            say(_announcement(home, text))
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


def _announcement(home: Path, requirements: str) -> str:
    """What is made, where, and about how large it gets: 6.2 GB were measured with torch 2.14 and its CUDA 13."""
    names = {wanted.name.lower() for _, _, wanted in pins.read(requirements) if wanted}
    size = ", about 6 GB, most of it torch with CUDA" if "torch" in names and sys.platform == "linux" else ""
    free = shutil.disk_usage(home.parent).free / 1e9
    return (
        f"making the environment {home}, once: {len(names)} packages and what they need{size}; {free:.0f} GB are free"
    )


def _make(home: Path, requirements: Path | None, setup: Path | None, say: Say) -> None:
    """Makes the environment in place; the stamp is written last, so that half an environment is made anew."""
    started = time.monotonic()
    wanted = ["-r", str(requirements)] if requirements else []
    uv = shutil.which("uv")
    try:
        _install(home, wanted, uv, say)
    except EngineError:
        if not uv:
            raise
        say("uv failed, trying pip")  # uv reads neither pip's configuration nor its certificates
        _install(home, wanted, None, say)
    if setup:
        _call(["bash", str(setup), _python(home)], say)
    (home / STAMP).touch()
    say(f"environment ready after {time.monotonic() - started:.0f} s")


def _install(home: Path, wanted: list[str], uv: str | None, say: Say) -> None:
    """A new environment in `home` with the packages `wanted`, by uv or by pip."""
    shutil.rmtree(home, ignore_errors=True)
    if uv:
        _call([uv, "venv", "--quiet", "--python", sys.executable, "--no-python-downloads", str(home)], say)
        install = [uv, "pip", "install", "--python", _python(home)]
    else:
        _call([sys.executable, "-m", "venv", "--without-pip", str(home)], say)
        install = [sys.executable, "-m", "pip", "--python", _python(home), "install"]
    if wanted:
        _call([*install, *wanted], say)


def _call(command: list[str], say: Say) -> None:
    """On a terminal the command shows its own progress there."""
    if sys.stderr.isatty():
        code, tail = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr).returncode, " (see above)"
    else:
        code, tail = _followed(command, say)
    if code:
        raise EngineError(
            f"`{' '.join(command)}` failed{tail}",
            hint="is a package index reachable? --python PATH takes an interpreter you prepared",
        )


def _followed(command: list[str], say: Say) -> tuple[int, str]:
    """Exit code and last lines of `command`; what it said last is passed on every EVERY_S seconds."""
    tail: deque[str] = deque(maxlen=15)
    started = time.monotonic()
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        reader = threading.Thread(target=tail.extend, args=(process.stdout,), daemon=True)
        reader.start()
        try:
            while process.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(EVERY_S)
                    break
                last = shorten(tail[-1], 80, placeholder=" …") if tail else "still at it"
                say(f"  {time.monotonic() - started:.0f} s: {last}")
        except BaseException:
            process.kill()
            raise
        reader.join()
    return process.returncode, ":\n" + "".join(tail).strip()


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
def _locked(path: Path, say: Say) -> Iterator[None]:
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
