"""The docker engine against a real one: what the job gets, what it leaves behind, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cvl import contract, manifest, plan
from cvl.engines import docker as module
from cvl.engines.base import Outcome, supervise
from cvl.engines.docker import DockerEngine
from cvl.engines.docker_connection import endpoint
from cvl.errors import EngineError
from cvl.params import Setting

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

Containers = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def make_plan(tiny: Path, tmp_path: Path, base_image: str) -> Callable[..., plan.Plan]:
    """A plan of `tiny`, its folders made as `cvl run` makes them."""

    def make(*, uid: int = os.getuid(), environ: dict[str, str] | None = None, gpus: str = "", **settings: str) -> Any:
        example = manifest.load(tiny / "example.yaml")
        environ = {"BASE_IMAGE": base_image, **(environ or {})}
        host = plan.Host(uid=uid, gid=uid, home=tmp_path / "home", environ=environ, repository=tiny.parents[1])
        values = {name: Setting(value, "environment") for name, value in settings.items()}
        request = plan.Request(run="a-run", output=tiny / "outputs", settings=values, gpus=gpus)
        made = plan.make(example, example.presets["train"], request, host)
        for mount in made.mounts:
            mount.source.mkdir(parents=True, exist_ok=True)
            if os.getuid() == 0 and not mount.read_only:
                os.chown(mount.source, uid, uid)
        return made

    return make


def run(made: plan.Plan, *, on_ready: Callable[[], None] | None = None, **options: Any) -> tuple[Outcome, bytes]:
    """Runs a plan to its end; `on_ready` is called when the job says so."""
    engine = DockerEngine()
    engine.prepare(made, print)
    chunks: list[bytes] = []

    def sink(chunk: bytes) -> None:
        chunks.append(chunk)
        if on_ready and b"ready" in chunk:
            on_ready()

    outcome = supervise(lambda: engine.start(made), sink, timeout=options.pop("timeout", None), **options)
    return outcome, b"".join(chunks)


def signals(*numbers: int, pause: float = 0.5) -> Callable[[], None]:
    """Sends signals to this process, as a person with Ctrl-C does."""

    def send() -> None:
        for number in numbers:
            os.kill(os.getpid(), number)
            time.sleep(pause)

    return lambda: threading.Thread(target=send).start()


class Relay:
    """Stands between the client and the engine, and can be cut."""

    def __init__(self, engine: str) -> None:
        self.engine = engine
        self.folder = tempfile.TemporaryDirectory()  # the path of a socket may have a hundred characters only
        self.path = f"{self.folder.name}/engine"
        self.sockets: list[socket.socket] = []
        self.server = self._socket()
        self.server.settimeout(0.1)
        self.over = False
        self.threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Relay:
        self.server.bind(self.path)
        self.server.listen()
        self.threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over = True
        self.threads[0].join()
        self.cut()
        for thread in self.threads:
            thread.join()
        for one in self.sockets:
            one.close()
        self.folder.cleanup()

    def cut(self) -> None:
        for one in self.sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self.over:
            with suppress(TimeoutError):
                near, far = self.server.accept()[0], self._socket()
                self.sockets.append(near)
                far.connect(self.engine)
                self.threads += [threading.Thread(target=self._pass_on, args=p) for p in ((near, far), (far, near))]
                for thread in self.threads[-2:]:
                    thread.start()

    def _socket(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        self.sockets.append(made)
        return made

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(65536):
                target.sendall(chunk)
            target.shutdown(socket.SHUT_WR)


def test_the_image_is_built_on_the_base_from_the_environment(make_plan: Any, base_image: str) -> None:
    made = make_plan(environ={"NOTE": f"{time.time()}"})
    engine, said = DockerEngine(), []
    assert engine.refusal(made) == ""
    facts = engine.prepare(made, said.append)
    assert any("building it" in line for line in said)
    assert made.image.args["BASE_IMAGE"] == base_image
    assert facts["image"] == made.image.tag
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", facts["image_id"])
    assert facts["docker"]
    said.clear()
    assert engine.prepare(made, said.append) == facts
    assert not any("building it" in line for line in said)
    subprocess.run(["docker", "rmi", made.image.tag], check=True, capture_output=True)


def test_the_job_is_the_caller_and_writes_where_it_may(make_plan: Any, tiny: Path, containers: Containers) -> None:
    uid = 1234 if os.getuid() == 0 else os.getuid()
    outcome, output = run(make_plan(uid=uid, environ={"TINY_SECRET": "hunter2"}))
    assert outcome == Outcome(0), output
    found = json.loads(output)
    assert found["uid"] == uid
    assert found["cwd"] == "/workspace"
    assert found["secret"] == "hunter2"
    assert found["writes"] == {
        "workspace": True,
        "repository": "Read-only file system",
        "cache": True,
        "root_cache": True,
        "home": True,
    }
    written = tiny / "outputs" / "a-run" / "metrics.jsonl"
    assert written.stat().st_uid == uid


def test_exit_code_and_bytes_arrive_as_they_are(make_plan: Any, containers: Containers) -> None:
    outcome, output = run(make_plan(MODE="bytes", CODE="7"))
    assert outcome == Outcome(7, oom_killed=False)
    assert output == b"10%\r\xff\xfe100%\r\n"


def test_a_short_job_loses_neither_output_nor_exit_code(make_plan: Any, containers: Containers) -> None:
    made = make_plan(MODE="bytes", CODE="3")
    found = [run(made) for _ in range(10)]
    assert found == [(Outcome(3, oom_killed=False), b"10%\r\xff\xfe100%\r\n")] * 10


def test_a_silent_job_outlasts_the_timeout_of_the_engine(
    make_plan: Any, containers: Containers, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = module.connect
    monkeypatch.setattr(module, "connect", lambda: connect(timeout=2))
    outcome, output = run(make_plan(MODE="silent"))
    assert (outcome, output) == (Outcome(0), b"ready\ndone\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_job(make_plan: Any, containers: Containers, number: int) -> None:
    outcome, output = run(make_plan(MODE="sleep"), on_ready=signals(number))
    assert outcome == Outcome(143, interrupted=True)
    assert output == b"ready\nstopping\n"
    assert containers() == []


def test_the_second_signal_kills_a_job_that_ignores_the_first(make_plan: Any, containers: Containers) -> None:
    outcome, output = run(make_plan(MODE="stubborn"), on_ready=signals(signal.SIGINT, signal.SIGINT))
    assert outcome == Outcome(137, interrupted=True)
    assert output == b"ready\nno\n"
    assert containers() == []


def test_a_job_that_ignores_the_request_is_killed_after_the_grace(make_plan: Any, containers: Containers) -> None:
    outcome, _ = run(make_plan(MODE="stubborn"), on_ready=signals(signal.SIGTERM), grace=1.0)
    assert outcome == Outcome(137, interrupted=True)


def test_the_timeout_stops_the_job(make_plan: Any, containers: Containers) -> None:
    outcome, _ = run(make_plan(MODE="sleep"), timeout=3)
    assert outcome == Outcome(143, timed_out=True)


def test_a_job_that_is_out_of_memory_is_told_from_one_that_was_killed(
    make_plan: Any, containers: Containers, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = module._options
    limits = {"mem_limit": "96m", "memswap_limit": "96m"}
    monkeypatch.setattr(module, "_options", lambda *words: {**options(*words), **limits})
    assert run(make_plan(MODE="eat"))[0] == Outcome(137, oom_killed=True)

    def kill() -> None:
        subprocess.run(["docker", "kill", containers()[0]["Id"]], check=True, capture_output=True)

    assert run(make_plan(MODE="sleep"), on_ready=kill)[0] == Outcome(137, oom_killed=False)
    assert run(make_plan(MODE="bytes", CODE="7"))[0] == Outcome(7, oom_killed=False)


def test_a_signal_during_the_start_stops_the_job(
    make_plan: Any, containers: Containers, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = module._started

    def interrupted(made: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return started(made)

    monkeypatch.setattr(module, "_started", interrupted)
    begun = time.monotonic()
    outcome, _ = run(make_plan(MODE="sleep"))
    assert outcome.interrupted
    assert outcome.exit_code in (130, 143)
    assert time.monotonic() - begun < 30
    assert containers() == []


@pytest.mark.parametrize("place", ["_answer", "DockerJob"])
def test_a_start_that_fails_leaves_no_container(
    make_plan: Any, containers: Containers, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    made = make_plan(MODE="sleep")
    engine = DockerEngine()
    engine.prepare(made, print)
    monkeypatch.setattr(module, place, fails)
    with pytest.raises(KeyboardInterrupt):
        engine.start(made)
    assert containers() == []


def test_an_engine_that_goes_away_is_said(make_plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_plan(MODE="silent")
    with Relay(endpoint(os.environ).host.removeprefix("unix://")) as relay:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{relay.path}")
        with pytest.raises(EngineError, match="went away"):
            run(made, on_ready=relay.cut)


def test_a_program_that_is_not_in_the_image_is_said_by_the_job(make_plan: Any, containers: Containers) -> None:
    outcome, output = run(replace(make_plan(), command=("no-such-program",)))
    assert outcome == Outcome(127, oom_killed=False)
    assert b"no-such-program" in output


def test_a_build_that_fails_shows_the_end_of_its_output(make_plan: Any, tiny: Path) -> None:
    with (tiny / "Dockerfile").open("a") as file:
        file.write("RUN echo the cause && exit 3\n")
    with pytest.raises(EngineError, match="the cause"):
        DockerEngine().prepare(make_plan(), print)


def test_an_interrupted_build_ends(make_plan: Any, tiny: Path) -> None:
    step = f"sleep 1{os.getpid()}"
    with (tiny / "Dockerfile").open("a") as file:
        file.write(f"RUN echo now && {step}\n")
    seen: list[str] = []

    def interrupt(line: str) -> None:
        if re.search(r"(^|\d )now$", line):
            seen.append(processes())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        DockerEngine().prepare(make_plan(), interrupt)
    assert step in seen[0]
    deadline = time.monotonic() + 20
    while step in processes() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert step not in processes()


def test_secrets_are_neither_in_the_command_nor_in_the_processes(make_plan: Any, containers: Containers) -> None:
    made = make_plan(MODE="sleep", environ={"TINY_SECRET": "hunter2", "http_proxy": "http://me:word@proxy:1"})
    text = DockerEngine().command(made)
    assert "hunter2" not in text
    assert "me:word" not in text
    assert "--env TINY_SECRET \\\n" in text
    seen: list[str] = []

    def look() -> None:
        seen.append(processes())
        signals(signal.SIGTERM)()

    run(made, on_ready=look)
    assert seen
    assert "train.py" in seen[0]
    assert "hunter2" not in seen[0]


def test_a_folder_that_cannot_be_written_to_is_named(make_plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_plan()
    cache = next(mount.source for mount in made.mounts if mount.target == contract.HF_CACHE)
    real = os.access
    # Root may write anywhere, so the answer is made up.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != cache and real(path, mode))
    with pytest.raises(EngineError, match=f"{cache}, which the job sees as {contract.HF_CACHE}, is not writable"):
        DockerEngine().prepare(made, print)


def test_a_gpu_that_is_asked_for_and_not_there_is_refused_by_layer(
    make_plan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.container, "DRIVER_SIGNS", ("/nowhere",))  # on a machine with a GPU there is none either
    wanted = make_plan(gpus="1")
    assert "missing: driver" in DockerEngine().refusal(wanted)
    with pytest.raises(EngineError, match="missing: driver") as error:
        DockerEngine().prepare(wanted, print)
    assert error.value.exit_code == 4
    said: list[str] = []
    DockerEngine().prepare(make_plan(), said.append)
    assert "training on the CPU" in said[-1]


def test_the_engine_itself_names_the_layer_that_a_preflight_overlooks(
    make_plan: Any, containers: Containers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The preflight is told that all is well: the engine of a machine without the toolkit then refuses."""
    monkeypatch.setattr(module.gpus, "support", lambda info, local: (module.gpus.NVIDIA, ""))
    info = subprocess.run(["docker", "info", "--format", "{{json .Runtimes}}"], capture_output=True, text=True).stdout
    if "nvidia" in info:
        pytest.skip("this engine hands on GPUs")
    with pytest.raises(EngineError) as error:
        run(make_plan(gpus="1"))
    assert "engine configuration" in error.value.hint


def test_command_train_script_and_engine_give_the_same_container(
    make_plan: Any, tiny: Path, tmp_path: Path, containers: Containers, base_image: str
) -> None:
    weights = tmp_path / "with, comma" / "w.pt"
    weights.mkdir(parents=True)  # a folder does as well as a file
    settings = {"MODE": "sleep", "NUM_EPOCHS": "5", "WEIGHTS": str(weights), "DATA_DIR": str(tmp_path)}
    environ = {"TINY_SECRET": "hunter2", "NCCL_DEBUG": "INFO", "WANDB_MODE": "offline"}
    made = make_plan(environ=environ, **settings, LR="0.001")
    outside = {**os.environ, **environ, **settings, "HOME": str(tmp_path / "home"), "BASE_IMAGE": base_image}
    inspected = []

    def look() -> None:
        inspected.append(containers()[0])
        signals(signal.SIGTERM)()

    run(made, on_ready=look)
    for command in (["bash", "-c", f"exec {DockerEngine().command(made)}"], ["bash", str(tiny / "train.sh")]):
        with subprocess.Popen(command, env=outside, stdout=subprocess.PIPE, cwd=tmp_path) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            inspected.append(containers()[0])
            process.terminate()
            assert process.stdout.read() == b"stopping\n"
        assert process.returncode == 143
        assert containers() == []
    engine, printed, script = (essence(one) for one in inspected)
    assert engine == printed
    del engine["labels"][contract.LABEL_RUN]
    for name in (contract.RUN, contract.OUTPUT_DIR):
        del engine["env"][name]
    assert engine == script


@pytest.fixture
def train_script(make_plan: Any, tiny: Path, tmp_path: Path, base_image: str) -> Callable[..., subprocess.Popen[bytes]]:
    """Starts train.sh with MODE=sleep, its image built."""
    DockerEngine().prepare(make_plan(), print)

    def start(**options: Any) -> subprocess.Popen[bytes]:
        environ = {**os.environ, "MODE": "sleep", "HOME": str(tmp_path / "home"), "BASE_IMAGE": base_image}
        return subprocess.Popen(["bash", str(tiny / "train.sh")], env=environ, start_new_session=True, **options)

    return start


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_train_script_and_container(
    train_script: Any, containers: Containers, number: int, code: int
) -> None:
    with train_script(stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        assert containers()[0]["Config"]["Tty"] is False
        process.send_signal(number)
        process.stdout.read()
    assert process.returncode == code


def test_ctrl_c_in_a_terminal_ends_train_script_and_container(train_script: Any, containers: Containers) -> None:
    ours, theirs = os.openpty()
    process = train_script(stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = b""
    while b"ready" not in seen:
        seen += os.read(ours, 1000)
    assert containers()[0]["Config"]["Tty"] is True
    os.write(ours, b"\x03")
    assert process.wait() == 130
    os.close(ours)


def essence(inspected: dict[str, Any]) -> dict[str, Any]:
    """What a job notices of its container."""
    config, host = inspected["Config"], inspected["HostConfig"]
    keys = ("ShmSize", "Init", "AutoRemove", "SecurityOpt", "DeviceRequests", "NetworkMode", "Privileged", "IpcMode")
    labels = {name: value for name, value in config["Labels"].items() if name.startswith("cvl.")}
    return {
        "image": config["Image"],
        "command": config["Cmd"],
        "folder": config["WorkingDir"],
        "user": config["User"],
        "env": dict(line.split("=", 1) for line in config["Env"]),
        "labels": labels,
        "mounts": sorted((m["Source"], m["Destination"], m["RW"], m["Type"]) for m in inspected["Mounts"]),
        **{key: host[key] or None for key in keys},
    }


def processes() -> str:
    """The command lines of everything that runs on this machine."""
    return subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True).stdout
