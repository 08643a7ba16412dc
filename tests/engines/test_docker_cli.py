"""`cvl run … --engine docker` as a process, to its exit code and record."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from cvl.engines import docker_gpus

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

Containers = Callable[[], list[dict[str, Any]]]


class Cvl:
    """The command line of a repository's own copy of the package."""

    def __init__(self, repository: Path, environ: Mapping[str, str]) -> None:
        self.repository = repository
        self.environ = {**os.environ, "PYTHONPATH": str(repository), **environ}

    def start(self, *words: str, **environ: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "cvl", *words],
            cwd=self.repository,
            env={**self.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    def run(self, *words: str, **environ: str) -> tuple[int, str, str]:
        with self.start(*words, **environ) as process:
            out, err = process.communicate()
        return process.returncode, out, err


@pytest.fixture
def cvl(repository: Path, base_image: str, containers: Containers) -> Iterator[Cvl]:
    yield Cvl(repository, {"BASE_IMAGE": base_image})


def record(tiny: Path) -> dict[str, Any]:
    return dict(json.loads((tiny / "outputs" / "latest" / "run.json").read_text()))


def test_a_run_is_judged_and_recorded(cvl: Cvl, tiny: Path) -> None:
    code, out, err = cvl.run("run", "tiny", "train", "--engine", "docker", TINY_SECRET="hunter2")
    assert code == 0, out + err
    kept = record(tiny)
    assert kept["status"] == "done"
    assert kept["engine"] == "docker"
    assert kept["environment"]["image"].startswith("cvl/tiny:")
    assert kept["environment"]["image_id"].startswith("sha256:")
    assert kept["command"].startswith("docker run --rm --init")
    assert "hunter2" not in json.dumps(kept)
    assert '"uid"' in (tiny / "outputs" / "latest" / "logs" / "train.log").read_text()


def test_the_jobs_exit_code_is_kept(cvl: Cvl, tiny: Path) -> None:
    code, out, err = cvl.run("run", "tiny", "train", "--engine", "docker", "-e", "MODE=bytes", "-e", "CODE=9")
    assert code == 1, out + err
    assert record(tiny)["exit_code"] == 9
    assert (tiny / "outputs" / "latest" / "logs" / "train.log").read_bytes() == b"10%\r\xff\xfe100%\r\n"


def test_dry_run_prints_the_command_and_starts_nothing(cvl: Cvl, tiny: Path, containers: Containers) -> None:
    code, out, err = cvl.run("run", "tiny", "train", "--engine", "docker", "--dry-run", NUM_EPOCHS="5")
    assert code == 0, err
    assert out.startswith("docker run --rm --init \\\n")
    assert "--env NUM_EPOCHS=5 " in out
    assert containers() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_no_container(cvl: Cvl, tiny: Path, containers: Containers, number: int) -> None:
    with cvl.start("run", "tiny", "train", "--engine", "docker", "-e", "MODE=sleep") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        out, err = process.communicate()
    assert process.returncode == 130, out + err
    assert containers() == []
    assert record(tiny)["status"] == "interrupted"


def test_the_second_signal_kills(cvl: Cvl, tiny: Path, containers: Containers) -> None:
    with cvl.start("run", "tiny", "train", "--engine", "docker", "-e", "MODE=stubborn") as process:
        assert process.stdout is not None
        for said in ("ready\n", "no\n"):
            assert process.stdout.readline() == said
            process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 130, out + err
    assert containers() == []
    assert record(tiny)["exit_code"] == 137


def test_without_an_engine_docker_is_refused(cvl: Cvl, tmp_path: Path) -> None:
    nowhere = f"unix://{tmp_path}/nowhere"
    code, _, err = cvl.run("run", "tiny", "train", "--engine", "docker", DOCKER_HOST=nowhere)
    assert code == 4
    assert "nowhere is missing" in err
    assert "Traceback" not in err


def test_a_base_image_that_is_not_to_be_had_is_refused(cvl: Cvl) -> None:
    code, _, err = cvl.run("run", "tiny", "train", "--engine", "docker", BASE_IMAGE="localhost:9/no/such:image")
    assert code == 4
    assert "the base image localhost:9/no/such:image is neither here nor to be had" in err


def test_a_gpu_that_is_not_there_is_refused(cvl: Cvl) -> None:
    if not docker_gpus.support({}, local=True)[1].startswith("driver"):
        pytest.skip("this machine has the NVIDIA driver")
    code, _, err = cvl.run("run", "tiny", "train", "--engine", "docker", "--gpus", "1")
    assert code == 4
    assert "missing: driver" in err


def test_a_home_that_cannot_be_written_to(cvl: Cvl) -> None:
    code, _, err = cvl.run("run", "tiny", "train", "--engine", "docker", HOME="/proc/nowhere")
    assert code in (2, 4)
    assert "/proc/nowhere" in err
    assert "Traceback" not in err
