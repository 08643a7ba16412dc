"""Pretrained weights: fetched once into the cache; a network that does not answer is said, never waited for."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from cvl.kit.run import say

CONNECT_SECONDS = 5.0
_CHUNK = 1 << 18


def cache() -> Path:
    """The folder that downloads share (CVL_CACHE, else ~/.cache/cvl)."""
    return Path(os.environ.get("CVL_CACHE") or Path.home() / ".cache" / "cvl")


def fetch(url: str, name: str, *, sha256: str = "", folder: str = "weights") -> Path | None:
    """The cached file `<folder>/<name>`, downloaded from `url` if need be; None where that fails, and why is said."""
    file = cache() / folder / name
    if file.is_file():
        return file
    for attempt in (1, 2):
        try:
            _download(url, file, sha256)
            return file
        except OSError as error:
            reason = str(error) or type(error).__name__
            if attempt == 2 or isinstance(error, (TimeoutError, urllib.error.HTTPError)):
                break
            time.sleep(0.5)
    say(f"{name} could not be fetched from {url}: {reason}")
    return None


def answers(url: str) -> bool:
    """Whether a server answers at `url` within the time limit, whatever it says."""
    try:
        _open(url).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def _download(url: str, file: Path, sha256: str) -> None:
    """Into a temporary file beside `file`, then moved; OSError where it fails."""
    response = _open(url)
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with response, temporary.open("wb") as out:
            digest = _copy(response, out, file.name)
        if sha256 and digest != sha256:
            raise OSError(f"its SHA-256 is {digest}, expected {sha256}")
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)


def _open(url: str) -> Any:
    """urlopen under a time limit that also holds for the look-up of the name."""
    result: list[Any] = []

    def connect() -> None:
        try:
            result.append(urllib.request.urlopen(url, timeout=CONNECT_SECONDS))
        except Exception as error:
            result.append(error)

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS + 1)
    if not result:
        raise TimeoutError(f"no answer within {CONNECT_SECONDS:.0f} s")
    if isinstance(result[0], urllib.error.HTTPError):
        result[0].close()
    if isinstance(result[0], OSError):
        raise result[0]
    if isinstance(result[0], Exception):
        raise OSError(str(result[0]))
    return result[0]


def _copy(response: Any, out: Any, name: str) -> str:
    """Copies the body with progress; the SHA-256 of what came. A body that breaks off is an OSError."""
    total = int(response.headers.get("Content-Length") or 0)
    digest = hashlib.sha256()
    done = 0
    while chunk := response.read(_CHUNK):
        out.write(chunk)
        digest.update(chunk)
        done += len(chunk)
        if sys.stderr.isatty():
            print(f"\r{name}: {done / 1e6:.1f} MB", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    if total and done != total:
        raise OSError(f"broke off after {done} of {total} bytes")
    say(f"fetched {name} ({done / 1e6:.1f} MB)")
    return digest.hexdigest()
