"""The image of an example: found, or built with the `docker build` command."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cvl import dockerfile
from cvl.engines.base import Say
from cvl.engines.docker_connection import plainly
from cvl.errors import EngineError
from cvl.plan import DOCKERFILE, Image, Plan

if TYPE_CHECKING:
    from docker import DockerClient

REGISTRY_S = 5
_TAIL = 20
_CANCEL_S = 10


@plainly("the Docker engine failed")
def find(client: DockerClient, tag: str) -> str:
    """The id of the image `tag`; empty where it is not there."""
    from docker.errors import ImageNotFound

    try:
        return str(client.images.get(tag).id)
    except ImageNotFound:
        return ""


def unbuildable(client: DockerClient, plan: Plan) -> str:
    """Why the image, which is not there, cannot be built; empty where it can be tried."""
    if not shutil.which("docker"):
        return f"the image {plan.image.tag} must be built, and there is no `docker` command"
    file = plan.folder / DOCKERFILE
    found = dockerfile.instructions(file.read_text(errors="replace") if file.is_file() else "")
    bases = [name for _, name in dockerfile.base_images(found, plan.image.args) if name]
    return next(filter(None, (_unreachable(client, name) for name in bases if not find(client, name))), "")


def build(plan: Plan, say: Say) -> None:
    """Builds the image from exactly the files that its tag follows from; EngineError carries the end of the output."""
    say(f"the image {plan.image.tag} is not there: building it (once, some minutes)")
    started = time.monotonic()
    with _context(plan) as context, _process(_command(plan.image, context)) as process:
        assert process.stdout is not None
        tail: deque[str] = deque(maxlen=_TAIL)
        for line in process.stdout:
            text = line.decode(errors="replace").rstrip()
            tail.append(text)
            say(text)
        code = process.wait()
    if code:
        raise EngineError(
            f"the image of {plan.example} could not be built (`docker build` ended with {code}):\n" + "\n".join(tail),
            hint="BASE_IMAGE=… takes another base image, --engine local needs none",
        )
    say(f"image built in {time.monotonic() - started:.0f} s")


def _unreachable(client: DockerClient, name: str) -> str:
    """Why the base image `name` cannot be had; the engine asks the registry, with its own mirrors and proxies."""
    from docker.errors import APIError

    before, client.api.timeout = client.api.timeout, REGISTRY_S
    try:
        client.images.get_registry_data(name)
    except APIError as error:
        return f"the base image {name} is neither here nor to be had: {error.explanation}"
    except OSError:
        return f"the base image {name} is not here, and its registry does not answer within {REGISTRY_S} s"
    finally:
        client.api.timeout = before
    return ""


def _command(image: Image, context: str) -> list[str]:
    args = [word for name, value in image.args.items() for word in ("--build-arg", f"{name}={value}")]
    return ["docker", "build", "--force-rm", "--tag", image.tag, *args, context]


def _environment() -> dict[str, str]:
    """BuildKit where its client is there: newer ones use it anyway, those without buildx would refuse."""
    present = subprocess.run(["docker", "buildx", "version"], capture_output=True).returncode == 0
    return {**os.environ, "DOCKER_BUILDKIT": "1"} if present else dict(os.environ)


@contextmanager
def _context(plan: Plan) -> Iterator[str]:
    """A folder with the files of the image alone. (Docker 20.10 with BuildKit cannot cancel a build from stdin.)"""
    with tempfile.TemporaryDirectory(prefix="cvl-build-") as folder:
        for name in plan.image.files:
            target = Path(folder, name)
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(plan.folder / name, target)
            except OSError as error:
                raise EngineError(f"{plan.folder / name}: {error.strerror}, and the image needs it") from None
        yield folder


@contextmanager
def _process(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that does not outlive the block, whatever ends it."""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=_environment()
    ) as process:
        try:
            yield process
        except BaseException:
            _end(process)
            raise


def _end(process: subprocess.Popen[bytes]) -> None:
    """Its last output is read: a client that cannot write any more dies before it has cancelled the build."""
    process.terminate()
    try:
        process.communicate(timeout=_CANCEL_S)
    except subprocess.TimeoutExpired:
        process.kill()
