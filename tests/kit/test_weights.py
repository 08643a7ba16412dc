"""Fetching: once, whole or not at all, and never waiting for a network that does not answer."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from cvl.kit import weights

BODY = b"weights" * 1000


@contextmanager
def server(length: int = len(BODY), status: int = 200) -> Iterator[tuple[str, list[str]]]:
    """Serves BODY and says that it is `length` long; the paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(BODY)

        def log_message(self, *_: object) -> None:
            pass

    served = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{served.server_port}/w.pt", asked
    finally:
        served.shutdown()
        thread.join()
        served.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CVL_CACHE", str(tmp_path))
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def left(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "weights").glob("*"))


def test_fetched_once(cache: Path) -> None:
    with server() as (url, asked):
        assert weights.fetch(url, "w.pt", sha256=hashlib.sha256(BODY).hexdigest()) == cache / "weights/w.pt"
        assert weights.fetch(url, "w.pt") == cache / "weights/w.pt"
    assert (cache / "weights/w.pt").read_bytes() == BODY
    assert asked == ["/w.pt"]


@pytest.mark.parametrize(
    ("served", "sha256", "reason"),
    [({"length": len(BODY) + 5}, "", "broke off"), ({}, "0" * 64, "SHA-256"), ({"status": 404}, "", "404")],
)
@pytest.mark.slow
def test_what_is_not_whole_is_not_kept(
    cache: Path, capsys: pytest.CaptureFixture[str], served: dict[str, int], sha256: str, reason: str
) -> None:
    with server(**served) as (url, asked):
        assert weights.fetch(url, "w.pt", sha256=sha256) is None
    assert left(cache) == []
    assert len(asked) == (1 if reason == "404" else 2)
    assert reason in capsys.readouterr().err


def test_no_one_there(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/w.pt"
    assert weights.fetch(url, "w.pt") is None
    assert "could not be fetched" in capsys.readouterr().err


def test_one_who_takes_the_call_and_says_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "CONNECT_SECONDS", 0.3)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        began = time.monotonic()
        assert weights.fetch(f"http://127.0.0.1:{mute.getsockname()[1]}/w.pt", "w.pt") is None
    assert time.monotonic() - began < 5
    assert "could not be fetched" in capsys.readouterr().err


@pytest.mark.parametrize("status", [200, 404])
def test_a_server_answers_whatever_it_says(status: int) -> None:
    with server(status=status) as (url, asked):
        assert weights.answers(url)
    assert asked == ["/w.pt"]
    assert not weights.answers(url)
