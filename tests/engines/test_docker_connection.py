"""Where the engine is looked for, and what is said where it is not."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cvl.engines import docker_connection as connection
from cvl.engines.docker_connection import DEFAULT_HOST, Endpoint, endpoint
from cvl.errors import EngineError


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A Docker configuration whose current context is `far`, with certificates."""
    key = hashlib.sha256(b"far").hexdigest()
    meta = tmp_path / "contexts" / "meta" / key
    meta.mkdir(parents=True)
    (tmp_path / "contexts" / "tls" / key / "docker").mkdir(parents=True)
    (tmp_path / "config.json").write_text('{"currentContext": "far"}')
    (meta / "meta.json").write_text(json.dumps({"Name": "far", "Endpoints": {"docker": {"Host": "tcp://far:2376"}}}))
    return tmp_path


@pytest.fixture
def short_path(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place for a socket, whose path may have a hundred characters only; DOCKER_HOST names it."""
    folder = Path(f"/tmp/cvl-{tmp_path_factory.getbasetemp().name}-{time.monotonic_ns()}")
    folder.mkdir()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{folder}/engine")
    yield folder / "engine"
    shutil.rmtree(folder)


def test_the_usual_socket_without_any_configuration(tmp_path: Path) -> None:
    assert endpoint({"DOCKER_CONFIG": str(tmp_path)}) == Endpoint(DEFAULT_HOST)


def test_the_current_context_and_its_certificates(config: Path) -> None:
    found = endpoint({"DOCKER_CONFIG": str(config)})
    assert found.host == "tcp://far:2376"
    assert found.certificates is not None
    assert found.certificates.name == "docker"


def test_the_environment_wins(config: Path) -> None:
    where = {"DOCKER_CONFIG": str(config)}
    assert endpoint({**where, "DOCKER_CONTEXT": "default"}) == Endpoint(DEFAULT_HOST)
    assert endpoint({**where, "DOCKER_HOST": "ssh://x", "DOCKER_CONTEXT": "far"}) == Endpoint("ssh://x")
    secure = {**where, "DOCKER_HOST": "tcp://x:1", "DOCKER_TLS_VERIFY": "1"}
    assert endpoint(secure) == Endpoint("tcp://x:1", config)


def test_a_context_that_does_not_exist(config: Path) -> None:
    with pytest.raises(EngineError, match="no Docker context 'near'"):
        endpoint({"DOCKER_CONFIG": str(config), "DOCKER_CONTEXT": "near"})


def test_a_broken_configuration_is_named(config: Path) -> None:
    (config / "config.json").write_text("{")
    with pytest.raises(EngineError, match=r"config\.json: not readable"):
        endpoint({"DOCKER_CONFIG": str(config)})


def test_a_missing_socket_and_a_missing_command(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(short_path.parent))
    with pytest.raises(EngineError, match=f"the socket {short_path} is missing, and no `docker` command either"):
        connection.connect()


def test_without_an_engine_the_answer_is_quick_and_the_sdk_is_not_loaded() -> None:
    code = (
        "import sys, time; from cvl.engines.docker_connection import connect; from cvl.errors import EngineError\n"
        "begun = time.monotonic()\n"
        "try: connect(timeout=2)\n"
        "except EngineError: print(time.monotonic() - begun < 0.5, 'docker' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


def test_nobody_listens(short_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(short_path))
        with pytest.raises(EngineError, match="the Docker daemon is not running"):
            connection.connect()


def test_an_engine_that_does_not_answer(short_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(short_path))
        server.listen()
        begun = time.monotonic()
        with pytest.raises(EngineError, match="does not answer within 1 s"):
            connection.connect(timeout=1)
        assert time.monotonic() - begun < 5


def test_permission_denied(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(socket.socket, "connect", refuse)  # root may open every socket
    with pytest.raises(EngineError, match=f"permission denied on {short_path}"):
        connection.connect()


def test_what_the_engine_says_is_passed_on_with_a_hint() -> None:
    from docker.errors import APIError

    with pytest.raises(EngineError) as raised, connection.plainly("it failed"):
        raise APIError("500", explanation="could not select device driver with capabilities")
    assert raised.value.message == "it failed: could not select device driver with capabilities"
    assert raised.value.hint.endswith("--gpus none trains on the CPU")
