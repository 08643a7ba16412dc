"""The docker engine: a job in a container of its example's image."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cvl import container, contract
from cvl.engines import docker_gpus as gpus
from cvl.engines import docker_image as image
from cvl.engines.base import Say
from cvl.engines.docker_connection import ANSWER_S, connect, endpoint, plainly
from cvl.errors import EngineError
from cvl.plan import Plan, holds_password

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container
    from requests import Response


@dataclass(frozen=True)
class Connected:
    """An engine that answers, and what it says of itself."""

    client: DockerClient
    info: Mapping[str, Any] = field(default_factory=dict)

    def user(self, plan: Plan) -> str:
        """Root in a rootless engine is the caller already."""
        rootless = any("name=rootless" in option for option in self.info.get("SecurityOptions") or ())
        return "" if rootless else plan.user

    def gpus(self, plan: Plan) -> tuple[str, str]:
        """How the job gets GPUs, and what a job that wants some is missing."""
        if plan.gpus in ("", "none", "0"):
            return gpus.NONE, ""
        how, missing = gpus.support(self.info, local=endpoint(os.environ).local)
        return how, container.no_gpu(missing) if missing else ""


class DockerEngine:
    NAME = "docker"

    def __init__(self) -> None:
        self._connected: Connected | None = None

    def refusal(self, plan: Plan) -> str:
        try:
            with plainly("the Docker engine failed"), closing(connect(timeout=ANSWER_S)) as client:
                reason = "" if image.find(client, plan.image.tag) else image.unbuildable(client, plan)
                return reason or (Connected(client, client.info()).gpus(plan)[1] if plan.needs_gpu else "")
        except EngineError as error:
            return error.message

    def command(self, plan: Plan) -> str:
        """The `docker run` that `start` amounts to, to be pasted into a shell; secrets cross by name."""
        engine = self._engine()
        pairs = container.options(shm_gb=plan.shm_gb, labels=plan.labels)
        pairs += [("--user", user)] if (user := engine.user(plan)) else []
        pairs += gpus.words(plan.gpus, engine.gpus(plan)[0])
        pairs += [("--mount", container.mount_option(mount)) for mount in plan.mounts]
        pairs += [("--env", _shown(name, value)) for name, value in _environment(plan).items()]
        pairs += [("--env", name) for name in plan.secrets]
        lines = [f"{flag} {shlex.quote(value)}" for flag, value in pairs]
        last = shlex.join([plan.image.tag, *plan.command])
        return " \\\n  ".join([" ".join(["docker", "run", *container.FLAGS]), *lines, last])

    def prepare(self, plan: Plan, say: Say) -> Mapping[str, Any]:
        engine = self._engine()
        _check_writable(plan)
        no_gpu = engine.gpus(plan)[1]
        if no_gpu and plan.needs_gpu:
            raise EngineError(no_gpu, hint="--gpus none trains on the CPU, where the example can")
        tag = plan.image.tag
        if not image.find(engine.client, tag):
            image.build(plan, say)
        if no_gpu:
            say(f"{no_gpu}: training on the CPU")
        image_id = image.find(engine.client, tag)
        return {"image": tag, "image_id": image_id, "docker": engine.info.get("ServerVersion", "")}

    def start(self, plan: Plan) -> DockerJob:
        engine = self._engine()
        with plainly("Docker cannot start the container"):
            made = engine.client.containers.create(plan.image.tag, list(plan.command), **_options(plan, engine))
            return _started(made)

    @plainly("the Docker engine failed")
    def _engine(self) -> Connected:
        if self._connected is None:
            client = connect()
            self._connected = Connected(client, client.info())
        return self._connected


class DockerJob:
    """A container, removed by its engine as soon as it has ended."""

    def __init__(self, made: Container, attached: Response, ended: Response) -> None:
        self.container = made
        self.attached = attached
        self.ended = ended

    def output(self) -> Iterator[bytes]:
        """Each chunk comes after eight bytes: which stream (all the same here), and its length in the last four."""
        from urllib3.exceptions import HTTPError

        with self.attached, suppress(OSError, HTTPError):  # the engine went away: `wait` says so
            while header := self.attached.raw.read(8):
                yield self.attached.raw.read(int.from_bytes(header[4:], "big"))

    def stop(self) -> None:
        self._signal("SIGTERM")

    def kill(self) -> None:
        self._signal("SIGKILL")

    def wait(self) -> int:
        try:
            with self.ended:
                return int(self.ended.json()["StatusCode"])
        except (OSError, ValueError, KeyError):
            raise EngineError(
                "the Docker engine went away during the job",
                hint=f"once it is back, `docker ps` shows whether the container {self.container.short_id} still runs",
            ) from None

    def oom_killed(self, exit_code: int) -> bool | None:
        """From the engine's memory of events: the container itself, with its state, is removed by now."""
        if not exit_code or self.container.client is None:
            return None
        wanted = {"container": self.container.id, "event": ["oom", "destroy"]}
        with suppress(OSError), closing(self.container.client.events(since=0, filters=wanted, decode=True)) as events:
            for event in events:  # the first is the answer: a container is destroyed after all else
                return bool(event["Action"] == "oom")
        return None

    def _signal(self, name: str) -> None:
        """A container that has ended, or an engine that went away, needs no signal: `wait` tells which."""
        with suppress(OSError):
            self.container.kill(signal=name)


def _environment(plan: Plan) -> dict[str, str]:
    return {**plan.env, **contract.CONTAINER_ENV}


def _shown(name: str, value: str) -> str:
    """`NAME=value`; the name alone where a URL holds a password."""
    return name if holds_password(value) else f"{name}={value}"


def _options(plan: Plan, engine: Connected) -> dict[str, Any]:
    """The same as `DockerEngine.command`, as the SDK takes it; secrets go through the engine's socket."""
    from docker.types import Mount

    return {
        "working_dir": contract.WORKSPACE,
        "environment": {**_environment(plan), **plan.secrets},
        "mounts": [Mount(m.target, str(m.source), type="bind", read_only=m.read_only) for m in plan.mounts],
        "labels": dict(plan.labels),
        "shm_size": container.shm_size(plan.shm_gb),
        "security_opt": [container.SECURITY],
        "user": engine.user(plan) or None,
        "device_requests": gpus.requests(plan.gpus, engine.gpus(plan)[0]),
        "auto_remove": True,
        "init": True,
    }


def _started(made: Container) -> DockerJob:
    """Attached and waited for before the start, so that neither output nor exit code of a short job is lost."""
    with ExitStack() as undo:
        undo.callback(_remove, made)
        attached = undo.enter_context(_answer(made, "attach", stream="1", stdout="1", stderr="1"))
        ended = undo.enter_context(_answer(made, "wait", condition="removed"))
        made.start()
        job = DockerJob(made, attached, ended)
        undo.pop_all()
    return job


def _answer(made: Container, verb: str, **params: str) -> Response:
    """An answer whose body is read later, for as long as it takes; the SDK's own `wait` would read it right here."""
    assert made.client is not None
    api = made.client.api
    url = f"{api.base_url}/v{api.api_version}/containers/{made.id}/{verb}"
    answer = api.post(url, params=params, stream=True, timeout=(api.timeout, None))
    answer.raise_for_status()
    return answer


def _remove(made: Container) -> None:
    with suppress(OSError):  # gone already
        made.remove(force=True)


def _check_writable(plan: Plan) -> None:
    """The job writes as the caller; the example's own folder may belong to somebody else."""
    for mount in plan.mounts:
        if mount.read_only or mount.target == contract.WORKSPACE or os.access(mount.source, os.W_OK | os.X_OK):
            continue
        state = "is not writable" if mount.source.exists() else "does not exist"
        raise EngineError(
            f"{mount.source}, which the job sees as {mount.target}, {state}",
            hint=f"where a container made it as root: sudo chown -R $(id -u) {shlex.quote(str(mount.source))}",
        )


ENGINE = DockerEngine()
