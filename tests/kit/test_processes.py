"""Two real processes on a CPU train as one; who starts them, who talks, and how they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cvl.kit import run

REPOSITORY = Path(__file__).resolve().parents[2]

SCRIPT = """
import json, os, sys, time
from pathlib import Path
import torch
from cvl.errors import MetricsError
from cvl.kit import processes, run
from cvl.kit.runlog import RunLog

def job():
    run.say("said once")
    mode, devices, precision = sys.argv[1:]
    fabric = processes.fabric(precision, devices=int(devices))
    folder = processes.folder(fabric, __file__, os.environ.get("OUTPUT_DIR"))
    log = processes.in_first(fabric, lambda: RunLog(folder))
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 1)
    model, optimizer = fabric.setup(model, torch.optim.SGD(model.parameters(), lr=0.001))
    pictures = torch.arange(12.0).reshape(4, 3)[fabric.global_rank :: fabric.world_size]
    for step in range(3 if mode != "endless" else 100_000):
        fabric.backward(model(pictures).square().mean())
        optimizer.step()
        optimizer.zero_grad()
        log.scalars({"train/loss": 1.0}, step=step + 1, epoch=1)
        if mode == "endless":
            (folder / f"{os.getpid()}.pid").touch()
            time.sleep(0.02)
        if mode == "fails":
            raise MetricsError("the loss is nan", hint="a lower LR")
    log.close()
    name = f"{fabric.global_rank}-of-{fabric.world_size}.json"
    (folder / name).write_text(json.dumps([w.flatten().tolist() for w in model.state_dict().values()]))

run.main(job)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    file = tmp_path / "train.py"
    file.write_text(SCRIPT)
    return file


def environment(tmp_path: Path, **values: str) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LD_LIBRARY_PATH") if name in os.environ}
    ours = {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "CVL_RUN": "test", "CUDA_VISIBLE_DEVICES": ""}
    return {**inherited, **ours, "OUTPUT_DIR": str(tmp_path / "run"), **values}


def ended(command: list[str | Path], tmp_path: Path, **values: str) -> subprocess.CompletedProcess[str]:
    env = environment(tmp_path, **values)
    return subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True)


def weights(folder: Path, name: str) -> list[list[float]]:
    found: list[list[float]] = json.loads((folder / name).read_text())
    return found


@pytest.mark.slow
@pytest.mark.training("unet-crack-segmentation")
def test_two_processes_train_as_one_in_one_folder(ml_python: Path, script: Path, tmp_path: Path) -> None:
    alone = ended([ml_python, script, "trains", "0", "fp16"], tmp_path, OUTPUT_DIR=str(tmp_path / "alone"))
    assert alone.returncode == 0, alone.stderr
    assert "PRECISION=fp16 needs a GPU: training in fp32" in alone.stderr
    expected = weights(tmp_path / "alone", "0-of-1.json")

    both = ended([ml_python, script, "trains", "2", "auto"], tmp_path)
    assert both.returncode == 0, both.stderr
    for name in ("0-of-2.json", "1-of-2.json"):
        for found, wanted in zip(weights(tmp_path / "run", name), expected, strict=True):
            assert found == pytest.approx(wanted, rel=1e-5)
    lines = both.stderr.splitlines()
    assert (lines.count("said once"), lines.count("2 processes"), both.stderr.count("run folder: ")) == (1, 1, 1)
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 3


@pytest.mark.slow
@pytest.mark.training("unet-crack-segmentation")
def test_processes_that_torchrun_started_are_taken_and_must_fit(ml_python: Path, script: Path, tmp_path: Path) -> None:
    torchrun: list[str | Path] = [ml_python, "-m", "torch.distributed.run", "--nproc-per-node", "2", script]
    both = ended([*torchrun, "trains", "0", "auto"], tmp_path)
    assert both.returncode == 0, both.stderr
    assert weights(tmp_path / "run", "0-of-2.json") == weights(tmp_path / "run", "1-of-2.json")
    started = {"TORCHELASTIC_RUN_ID": "none", "LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "4", "RANK": "3"}
    wrong = ended([ml_python, script, "trains", "3", "auto"], tmp_path, **started)
    assert wrong.returncode == 2
    assert wrong.stderr == "error in process 3: DEVICES=3, but 2 processes were started on this machine\n"


@pytest.mark.slow
@pytest.mark.training("unet-crack-segmentation")
def test_a_failure_of_all_is_the_exit_code_and_has_no_traceback(ml_python: Path, script: Path, tmp_path: Path) -> None:
    done = ended([ml_python, script, "fails", "2", "auto"], tmp_path)
    assert done.returncode == 3, done.stderr
    assert "error: the loss is nan" in done.stderr and "hint: a lower LR" in done.stderr  # of two processes at a time
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.training("unet-crack-segmentation")
@pytest.mark.parametrize(("how", "code"), [(signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_all_end_with_the_first(ml_python: Path, script: Path, tmp_path: Path, how: signal.Signals, code: int) -> None:
    command = [ml_python, script, "endless", "2", "auto"]
    first = subprocess.Popen(command, env=environment(tmp_path), cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        pids = wait_for(lambda: [int(file.stem) for file in (tmp_path / "run").glob("*.pid")], 2)
        first.send_signal(how)
        assert first.wait(30) == code
        wait_for(lambda: [pid for pid in pids if not Path(f"/proc/{pid}").exists()], 2)
    finally:
        first.kill()


def wait_for(find: Callable[[], list[int]], count: int) -> list[int]:
    deadline = time.monotonic() + 120
    while len(found := find()) < count:
        assert time.monotonic() < deadline, f"only {found}"
        time.sleep(0.1)
    return found


@pytest.mark.parametrize(
    ("variables", "rank"),
    [
        ({}, 0),
        ({"RANK": "3", "LOCAL_RANK": "1"}, 3),
        ({"LOCAL_RANK": "1"}, 1),
        ({"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "2", "SLURM_LOCALID": "0"}, 2),
        ({"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}, 0),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, 0),
    ],
)
def test_of_processes_only_the_first_talks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variables: dict[str, str], rank: int
) -> None:
    for name in ("RANK", "LOCAL_RANK", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert run.rank() == rank
    run.say("hello")
    assert capsys.readouterr().err == ("" if rank else "hello\n")
