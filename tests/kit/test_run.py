"""How a job ends, where its folder is, and what goes to its log."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from cvl.kit import run
from cvl.params import Setting

REPOSITORY = Path(__file__).resolve().parents[2]


def job(tmp_path: Path, body: str, **environment: str) -> subprocess.Popen[str]:
    """A process with `body` as its job."""
    script = tmp_path / "train.py"
    script.write_text(
        "import sys, time\nfrom cvl.kit import run\nfrom cvl import errors\n\n\ndef job():\n"
        + textwrap.indent(textwrap.dedent(body), "    ")
        + "\n\nrun.main(job)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), **environment}
    return subprocess.Popen([sys.executable, script], env=env, stdout=-1, stderr=-1, text=True)


def outcome(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out + err


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("pass", 0, ""),
        ("raise errors.MetricsError('loss is nan', hint='a lower LR')", 3, "error: loss is nan\nhint: a lower LR\n"),
        ("raise errors.DataError('x.png: broken')", 2, "error: x.png: broken\n"),
        ("raise KeyboardInterrupt", 130, "interrupted\n"),
        ("class OutOfMemoryError(RuntimeError): pass\nraise OutOfMemoryError('CUDA out of memory')", 1, "GRAD_ACCUM"),
    ],
)
def test_expected_ends_have_a_code_and_no_traceback(tmp_path: Path, body: str, code: int, said: str) -> None:
    found, text = outcome(job(tmp_path, body))
    assert found == code, text
    assert said in text
    assert "Traceback" not in text


def test_a_bug_keeps_its_traceback(tmp_path: Path) -> None:
    code, text = outcome(job(tmp_path, "raise ValueError('a bug')"))
    assert code == 1
    assert "Traceback" in text and "a bug" in text


def test_sigterm_ends_like_ctrl_c(tmp_path: Path) -> None:
    body = "try:\n    print('ready', flush=True)\n    time.sleep(60)\nfinally:\n    print('cleaned up', flush=True)"
    process = job(tmp_path, body)
    assert process.stdout and process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    code, text = outcome(process)
    assert (code, time.monotonic() - began < 20) == (130, True), text
    assert "cleaned up" in text and "Traceback" not in text


def test_without_cvl_run_the_job_makes_its_folder_and_keeps_its_log(tmp_path: Path) -> None:
    body = "folder = run.folder('train.py', None)\nprint('to stdout')\nprint('to stderr', file=sys.stderr)"
    script = f"import os; os.chdir({str(tmp_path)!r})\n{body}"
    code, text = outcome(job(tmp_path, script))
    assert code == 0, text
    latest = tmp_path / "outputs/latest"
    assert latest.is_symlink() and latest.resolve().parent == tmp_path / "outputs"
    assert latest.resolve().name.startswith("train-20")
    log = (latest / "logs/train.log").read_text()
    assert "to stdout\n" in log and "to stderr\n" in log
    assert "to stdout\n" in text and "to stderr\n" in text


def test_under_cvl_run_the_log_is_left_to_it(tmp_path: Path) -> None:
    body = f"folder = run.folder('train.py', {str(tmp_path / 'run')!r})"
    code, text = outcome(job(tmp_path, body, CVL_RUN="x"))
    assert code == 0, text
    assert (tmp_path / "run/logs").is_dir()
    assert not (tmp_path / "run/logs/train.log").exists()


def test_a_folder_that_cannot_be_made_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, text = outcome(job(tmp_path, f"run.folder('train.py', {str(tmp_path / 'file' / 'run')!r})"))
    assert code == 2, text
    assert "OUTPUT_DIR" in text and "Traceback" not in text


def test_defaults_that_the_device_chose_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    chosen = {"BATCH_SIZE": Setting(16, "device"), "LR": Setting(0.1, "default"), "IMAGE_SIZE": Setting(960, "device")}
    run.say_device_defaults(chosen, "cuda")
    assert capsys.readouterr().err == "defaults for cuda: BATCH_SIZE=16, IMAGE_SIZE=960\n"
    run.say_device_defaults({"LR": Setting(0.1, "default")}, "cpu")
    assert capsys.readouterr().err == ""
