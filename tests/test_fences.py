"""The fences of conftest.py hold."""

import os
import socket
from pathlib import Path

import pytest

from tests.conftest import REAL_ENVIRON, absent


def test_the_network_is_closed() -> None:
    with socket.socket() as near, pytest.raises(pytest.fail.Exception, match="mark it `network`"):
        near.connect(("192.0.2.1", 80))


def test_loopback_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass


def test_docker_is_out_of_reach() -> None:
    with socket.socket(socket.AF_UNIX) as engine, pytest.raises(pytest.fail.Exception, match="mark it `docker`"):
        engine.connect("/var/run/docker.sock")
    assert "no-docker-in-tests" in os.environ["DOCKER_HOST"]


def test_home_is_not_the_real_one() -> None:
    assert str(Path.home()) != REAL_ENVIRON.get("HOME")
    assert not list(Path.home().iterdir())


def test_what_is_missing_is_skipped_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CVL_REQUIRE", raising=False)
    with pytest.raises(pytest.skip.Exception, match="docker is missing: no engine"):
        absent("docker", "no engine")


def test_what_is_missing_fails_where_it_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CVL_REQUIRE", "docker,chromium")
    with pytest.raises(pytest.fail.Exception, match="chromium is missing"):
        absent("chromium", "not in PATH")
