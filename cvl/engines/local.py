"""The local engine: a job as a process of this machine, in an environment of its own."""

from __future__ import annotations

import ctypes
import os
import select
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cvl import contract, environments, machine
from cvl.engines.base import Say
from cvl.environments import Environment
from cvl.errors import EngineError
from cvl.plan import Plan, holds_password

_PR_SET_PDEATHSIG = 1


@dataclass
class LocalEngine:
    """`python` and `accept_versions` are the user's --python and --accept-versions."""

    NAME: str = "local"
    python: str = ""
    accept_versions: bool = False
    environment: Environment | None = None

    def refusal(self, plan: Plan) -> str:
        if plan.needs_gpu and not machine.gpus():
            return "nvidia-smi reports no GPU on this machine (missing: driver, or the card)"
        return ""

    def command(self, plan: Plan) -> str:
        python = self._known_python(plan)
        words = [shown(name, value) for name, value in sorted(_job_env(plan).items())]
        line = " ".join(shlex.quote(word) for word in _command(plan, python))
        return f"cd {shlex.quote(str(plan.folder))} && env \\\n  " + " \\\n  ".join([*words, line])

    def prepare(self, plan: Plan, say: Say) -> Mapping[str, Any]:
        self.environment = self._provide(plan, say)
        names = {name.lower(): version for name, version in self.environment.packages.items()}
        return {
            "python": self.environment.python,
            "python_version": self.environment.python_version,
            "packages": dict(sorted(names.items())),
            "accepted_versions": list(self.environment.differs),
        }

    def start(self, plan: Plan) -> LocalJob:
        python = self.environment.python if self.environment else sys.executable
        env = {**os.environ, **_job_env(plan), **plan.secrets}
        words = _command(plan, python)
        try:
            process = subprocess.Popen(
                words,
                cwd=plan.folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        except OSError as error:
            raise EngineError(f"cannot start {words[0]}: {error.strerror}") from None
        return LocalJob(process)

    def _provide(self, plan: Plan, say: Say) -> Environment:
        if not self.python:
            return environments.provide(plan.folder, plan.requirements, plan.setup, cache=_cache(plan), say=say)
        found = environments.probe(self.python, environments.text_of(plan.folder, plan.requirements))
        if found.differs and not self.accept_versions:
            raise EngineError(
                f"{self.python} does not satisfy {plan.example}: {', '.join(found.differs)}",
                hint="--accept-versions runs with them all the same, and the record says so",
            )
        if found.differs:
            say(f"accepted other versions: {', '.join(found.differs)}")
        return found

    def _known_python(self, plan: Plan) -> str:
        made = environments.existing(plan.folder, plan.requirements, plan.setup, cache=_cache(plan))
        return self.python or made or "python"


def shown(name: str, value: str) -> str:
    """`NAME=value` for a shell; a URL with a password stays a reference to the caller's variable."""
    return f'{name}="${name}"' if holds_password(value) else f"{name}={shlex.quote(value)}"


class LocalJob:
    """A process and its group."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def output(self) -> Iterator[bytes]:
        """Ends with the job, even where something it started still holds the pipe."""
        assert self.process.stdout is not None
        pipe = self.process.stdout.fileno()
        while True:
            ready, _, _ = select.select([pipe], [], [], 0.5)
            if ready:
                chunk = os.read(pipe, 1 << 16)
                if not chunk:
                    return
                yield chunk
            elif self.process.poll() is not None:
                return

    def stop(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def wait(self) -> int:
        code = self.process.wait()
        self._signal(signal.SIGKILL)  # what the job left behind in its group
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code if code >= 0 else 128 - code

    def oom_killed(self, exit_code: int) -> bool | None:
        return None

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


def _die_with_parent() -> None:
    """Linux ends the job when cvl dies in a way that leaves no time to clean up (kill -9)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _command(plan: Plan, python: str) -> list[str]:
    program, *words = plan.command
    return [python if program in ("python", "python3") else program, *words]


def _job_env(plan: Plan) -> dict[str, str]:
    env = {name: plan.on_host(value) if name in plan.path_env else value for name, value in plan.env.items()}
    if plan.gpus == "none":
        env["CUDA_VISIBLE_DEVICES"] = ""
    elif plan.gpus not in ("", "all"):
        env["CUDA_VISIBLE_DEVICES"] = _device_ids(plan.gpus)
    return env


def _device_ids(gpus: str) -> str:
    """`2` means two GPUs, `0,1` and `device=1` name them."""
    if gpus.isdigit():
        return ",".join(str(i) for i in range(int(gpus)))
    return gpus.removeprefix("device=")


def _cache(plan: Plan) -> Path:
    return Path(plan.on_host(contract.CVL_CACHE))


ENGINE = LocalEngine()
