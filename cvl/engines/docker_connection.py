"""Finding the Docker engine that the `docker` command would use, and saying exactly why it cannot be reached."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cvl import container
from cvl.errors import EngineError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.tls import TLSConfig

DEFAULT_HOST = "unix:///var/run/docker.sock"
ANSWER_S = 2


@dataclass(frozen=True)
class Endpoint:
    """Where an engine listens; `certificates` is the folder of ca.pem, cert.pem and key.pem."""

    host: str
    certificates: Path | None = None

    @property
    def local(self) -> bool:
        return self.host.startswith("unix://")


def endpoint(environ: Mapping[str, str]) -> Endpoint:
    """DOCKER_HOST, else DOCKER_CONTEXT, else the current context, else the usual socket: the order of `docker`."""
    folder = Path(environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    host = environ.get("DOCKER_HOST")
    if host:
        tls = environ.get("DOCKER_TLS_VERIFY")
        return Endpoint(host, Path(environ.get("DOCKER_CERT_PATH") or folder) if tls else None)
    name = environ.get("DOCKER_CONTEXT") or _json(folder / "config.json").get("currentContext", "default")
    if name == "default":
        return Endpoint(DEFAULT_HOST)
    key = hashlib.sha256(name.encode()).hexdigest()
    found = _json(folder / "contexts" / "meta" / key / "meta.json").get("Endpoints", {}).get("docker", {}).get("Host")
    if not found:
        raise EngineError(f"there is no Docker context {name!r}", hint="`docker context ls` shows those there are")
    certificates = folder / "contexts" / "tls" / key / "docker"
    return Endpoint(found, certificates if certificates.is_dir() else None)


@contextmanager
def plainly(what: str) -> Iterator[None]:
    """The SDK's errors are OSErrors: here they become one of ours, in the engine's own words where it answered."""
    try:
        yield
    except OSError as error:
        reason = str(getattr(error, "explanation", "") or error)
        raise EngineError(f"{what}: {reason}", hint=_hint(reason)) from None


def _hint(reason: str) -> str:
    if "could not select device driver" in reason:
        return f"GPU, missing: {container.NOT_CONFIGURED}; --gpus none trains on the CPU"
    if "bind source path does not exist" in reason:
        return "the engine must see this machine's folders: a remote one does not"
    return ""


def connect(*, timeout: int = 60) -> DockerClient:
    """A client of the engine; EngineError says which layer is missing. Quick where there is none."""
    where = endpoint(os.environ)
    reason = _closed_socket(where.host.removeprefix("unix://")) if where.local else ""
    if reason:
        raise EngineError(reason)
    import docker
    from docker.errors import DockerException

    try:
        client = docker.DockerClient(
            base_url=where.host, timeout=timeout, tls=_tls(where), use_ssh_client=where.host.startswith("ssh://")
        )
        client.ping()
    except (DockerException, OSError) as error:
        reason = f"does not answer within {timeout} s" if "timed out" in str(error) else f"cannot be reached: {error}"
        raise EngineError(f"the Docker engine at {where.host} {reason}") from None
    return client


def _closed_socket(path: str) -> str:
    """Why nobody can be talked to at this socket; empty where somebody listens."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(ANSWER_S)
        try:
            probe.connect(path)
        except FileNotFoundError:
            command = "" if shutil.which("docker") else ", and no `docker` command either"
            return f"no Docker engine: the socket {path} is missing{command}"
        except PermissionError:
            return f"permission denied on {path}: this user is not in the group that may use Docker"
        except ConnectionRefusedError:
            return f"nobody listens at {path}: the Docker daemon is not running"
        except OSError as error:
            return f"the Docker engine at {path} does not answer: {error}"
    return ""


def _tls(where: Endpoint) -> TLSConfig | bool:
    from docker.tls import TLSConfig

    folder = where.certificates
    if folder is None:
        return False
    pair = (str(folder / "cert.pem"), str(folder / "key.pem"))
    return TLSConfig(client_cert=pair, ca_cert=str(folder / "ca.pem"), verify=True)


def _json(path: Path) -> dict[str, Any]:
    """The object in a JSON file of Docker's; empty where there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise EngineError(f"{path}: not readable: {error}") from None
    return found if isinstance(found, dict) else {}
