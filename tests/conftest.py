"""What a test may touch: unmarked ones neither the network nor Docker nor the real home folder."""

from __future__ import annotations

import ipaddress
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
REAL_DOCKER_CONFIG = os.environ.get("DOCKER_CONFIG") or str(Path.home() / ".docker")
REAL_ENVIRON = dict(os.environ)
USES_NETWORK = {"docker", "chromium", "training", "network", "matrix"}
# Every other CVL_… of the caller would change what cvl does.
READ_BY_TESTS = {"CVL_REQUIRE", "CVL_CFD_DIR", "CVL_TEST_ML_PYTHON"}


def pytest_configure() -> None:
    """What the caller ignores (`nohup`, a job in the background) every child would ignore: here signals must arrive."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@cache
def missing_docker() -> str:
    try:
        answer = subprocess.run(["docker", "version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if answer.returncode == 0 else answer.stderr.strip()


@cache
def chromium_path() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next(filter(None, map(shutil.which, names)), None)


def missing_chromium() -> str:
    return "" if chromium_path() else "no chromium or google-chrome in PATH"


PROVIDE = """
import sys
from pathlib import Path
from cvl import environments, manifest
from cvl.errors import EngineError
example = manifest.load(Path(sys.argv[1]))
cache, say = Path.home() / ".cache/cvl", lambda line: print(line, file=sys.stderr)
try:
    print(environments.provide(example.folder, example.requirements, example.setup, cache=cache, say=say).python)
except EngineError as error:
    say(error)
    sys.exit(4)
"""


@cache
def ml_interpreter(example: str) -> tuple[str, str]:
    """The interpreter that the local engine runs the example with, and why there is none."""
    if given := os.environ.get("CVL_TEST_ML_PYTHON"):
        return given, ""
    command = [sys.executable, "-c", PROVIDE, str(REPOSITORY / "examples" / example / "example.yaml")]
    answer = subprocess.run(command, cwd=REPOSITORY, env=REAL_ENVIRON, capture_output=True, text=True)
    if answer.returncode == 4:
        return "", f"the environment of {example}: {answer.stderr.strip()[-500:]}"
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip(), ""


MISSING: dict[str, Callable[[], str]] = {"docker": missing_docker, "chromium": missing_chromium}


def absent(need: str, reason: str) -> None:
    """A skip that names what is missing; a failure where CVL_REQUIRE says that it must be there."""
    message = f"{need} is missing: {reason}"
    if need in os.environ.get("CVL_REQUIRE", "").split(","):
        pytest.fail(f"{message} (CVL_REQUIRE)", pytrace=False)
    pytest.skip(message)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for need, missing in MISSING.items():
        if item.get_closest_marker(need) and (reason := missing()):
            absent(need, reason)


@pytest.fixture
def chromium() -> str:
    """The browser's path; for tests marked `chromium`."""
    return str(chromium_path())


@pytest.fixture
def ml_python(request: pytest.FixtureRequest) -> Path:
    """The interpreter of the environment that `@pytest.mark.training("an-example")` names."""
    marker = request.node.get_closest_marker("training")
    assert marker and marker.args, 'ml_python needs @pytest.mark.training("<example>")'
    python, reason = ml_interpreter(marker.args[0])
    if reason:
        absent("training", reason)
    return Path(python)


@pytest.fixture(autouse=True)
def fences(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A home folder of its own for every test; network and Docker for the marked ones only."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for name in [name for name in os.environ if name.startswith(("XDG_", "CVL_")) and name not in READ_BY_TESTS]:
        monkeypatch.delenv(name)
    marks = {mark.name for mark in request.node.iter_markers()}
    if "docker" in marks:
        monkeypatch.setenv("DOCKER_CONFIG", REAL_DOCKER_CONFIG)
    else:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{home}/no-docker-in-tests.sock")
    if not marks & USES_NETWORK:
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("UV_OFFLINE", "1")
        monkeypatch.setattr(socket.socket, "connect", guarded(socket.socket.connect))
        monkeypatch.setattr(socket.socket, "connect_ex", guarded(socket.socket.connect_ex))


def guarded(connect: Callable[[socket.socket, Any], Any]) -> Callable[[socket.socket, Any], Any]:
    def only_here(self: socket.socket, address: Any) -> Any:
        if self.family != socket.AF_UNIX and not is_loopback(address[0]):
            pytest.fail(f"an unmarked test connects to {address}; mark it `network`")
        if self.family == socket.AF_UNIX and str(address).endswith("docker.sock"):
            pytest.fail(f"an unmarked test connects to {address}; mark it `docker`")
        return connect(self, address)

    return only_here


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
