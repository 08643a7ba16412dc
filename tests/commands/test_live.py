"""`cvl run --abort-on-fail`, `cvl check --follow`, and what is said of a job that failed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

from cvl import launch, live
from cvl.cli import group
from cvl.engines.local import LocalEngine
from cvl.errors import EngineError

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "run.schema.json").read_text(encoding="utf-8"))
MANIFEST = """
name: tiny
capability: perception/object_detection
stability: stable
tasks: [object_detection]
frameworks: [none]
description: A job that does what a test asks for.
presets:
  train: {command: [python, train.py], description: Train}
parameters:
  OUTPUT_DIR: {type: path, description: Run folder}
  RESUME: {type: path, description: Run to go on with}
verification:
  metrics:
    train_loss: {key: "train/*_loss", reader: ultralytics, kind: loss}
  presets:
    train:
      - finite: [train_loss]
      - trend: {metric: train_loss, ratio_max: 0.8}
      - artifact: checkpoints/best_model.pt
"""
# Logs as Ultralytics does, an epoch in a tenth of a second, for a minute.
TRAIN = """
import os, signal, sys, time
from pathlib import Path

signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopping"))
native = Path(os.environ["OUTPUT_DIR"]) / "native"
native.mkdir(parents=True, exist_ok=True)
with (native / "results.csv").open("a", buffering=1) as log:
    first = log.tell() == 0
    log.write("epoch,train/box_loss,train/cls_loss\\n" if first else "")
    for epoch in range(1, 600):
        log.write(f"{epoch},{1 / epoch},{'nan' if epoch == 4 and first else 1 / epoch}\\n")
        time.sleep(0.1 if first else 0)
"""


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "examples" / "tiny"
    folder.mkdir(parents=True)
    (folder / "example.yaml").write_text(MANIFEST, encoding="utf-8")
    (folder / "train.py").write_text(TRAIN, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(live, "_PAUSE_S", 0.05)
    return folder


def cvl(*words: str) -> Result:
    return CliRunner().invoke(group, words, standalone_mode=False, catch_exceptions=False)


def run(*words: str) -> Result:
    return cvl("run", "tiny", "train", "--engine", "local", *words)


def record(tiny: Path) -> dict[str, Any]:
    kept = json.loads((tiny / "outputs" / "latest" / "run.json").read_text(encoding="utf-8"))
    jsonschema.validate(kept, SCHEMA)
    return dict(kept)


def test_a_job_is_stopped_for_a_record_in_the_log_of_any_framework(tiny: Path) -> None:
    done = run("--abort-on-fail", "--name", "bad")
    assert done.return_value == 3, done.output
    reason = "finite train_loss: nan in native/results.csv epoch 4"
    assert f"stopping the job: {reason}\n" in done.stderr
    assert f"stopped (--abort-on-fail): {reason}\n" in done.stderr
    kept = record(tiny)
    assert (kept["status"], kept["verdict"], kept["reason"], kept["exit_code"]) == ("stopped", "fail", reason, 1)
    assert [v["status"] for v in kept["verdicts"]] == ["fail", "not_run", "not_run"]
    assert "✗  finite" in done.stdout and "judged at the end of a run" in done.stdout
    shown = cvl("runs", "show", "bad")
    assert f"stopped for  {reason}\n" in shown.output
    again = cvl("check", "bad")
    assert again.return_value == 3
    title, _, judged = again.output.partition("\n")
    assert title == "bad (tiny train)" and judged in done.stdout


def test_a_run_that_is_gone_on_with_is_not_stopped_for_what_it_overwrites(tiny: Path) -> None:
    run("--abort-on-fail", "--name", "bad")
    done = run("--abort-on-fail", "--resume", "bad")
    assert done.return_value == 3  # the trend holds, the checkpoint is missing
    kept = record(tiny)
    assert (kept["status"], kept["reason"]) == ("done", "")
    assert [v["status"] for v in kept["verdicts"]] == ["pass", "pass", "fail"]


@pytest.mark.parametrize(
    ("code", "cause", "said"),
    [
        ("import no_such_package", "missing_module", "  ModuleNotFoundError: No module named 'no_such_package'\nfix: "),
        ("raise SystemExit('what now?')", "unknown", "cause: unknown\n  what now?\nfix: "),
        ("import os; os.kill(os.getpid(), 9)", "host_memory", "cause: killed (137), nearly always by the kernel"),
    ],
)
def test_a_job_that_failed_is_explained(tiny: Path, code: str, cause: str, said: str) -> None:
    (tiny / "train.py").write_text(code, encoding="utf-8")
    done = run("--name", "failed")
    assert done.return_value == 1
    assert said in done.stderr
    assert record(tiny)["post_mortem"]["cause"] == cause
    assert said in cvl("runs", "show", "failed").output
    assert said in cvl("check", "failed").output
    assert "cause:" not in cvl("check", "failed", "--format", "json").output


def test_a_run_that_ended_well_after_a_failure_has_no_cause(tiny: Path) -> None:
    (tiny / "train.py").write_text("raise SystemExit(5)", encoding="utf-8")
    run("--name", "one")
    assert record(tiny)["post_mortem"]
    (tiny / "train.py").write_text("", encoding="utf-8")
    run("--resume", "one")
    assert record(tiny)["post_mortem"] == {}


@pytest.fixture
def sleeps(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """What happens while `--follow` pauses."""

    def set_up(step: Callable[[], None]) -> None:
        monkeypatch.setattr(live.time, "sleep", lambda _: step())

    return set_up


def rows(folder: Path, *losses: float) -> None:
    with (folder / "metrics.jsonl").open("a", encoding="utf-8") as log:
        for loss in losses:
            step = log.tell() + 1
            log.write(json.dumps({"step": step, "epoch": step, "train/loss": loss}) + "\n")


def test_following_a_foreign_folder_ends_at_the_first_failure(tmp_path: Path, sleeps: Any) -> None:
    rows(tmp_path, 3, 3, 3, 3, 3, 3)  # no trend yet, and that may still come
    sleeps(lambda: rows(tmp_path, float("nan")))
    done = cvl("check", str(tmp_path), "--follow")
    assert done.return_value == 3
    assert "train/loss 3 ▁▁▁▁▁▁\n" in done.stderr
    assert "FAIL (1 of 2 rules, 1 not run)" in done.stdout


def test_following_a_folder_without_a_log_waits_for_one_and_says_so_once(tmp_path: Path, sleeps: Any) -> None:
    looks = iter(range(3))
    sleeps(lambda: rows(tmp_path, float("nan")) if next(looks) == 2 else None)
    done = cvl("check", str(tmp_path), "--follow")
    assert done.return_value == 3
    assert done.stderr.count(f"waiting for a log in {tmp_path}\n") == 1


def test_a_log_without_epochs_has_a_line_for_five_seconds_of_change(
    tmp_path: Path, sleeps: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 10_000, 2))
    monkeypatch.setattr(live.time, "monotonic", lambda: next(clock))

    def log(step: int, loss: float) -> None:
        with (tmp_path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "train/loss": loss}) + "\n")

    losses = iter([(2, 2.0), (3, 1.0), (4, float("nan"))])
    log(1, 3.0)
    sleeps(lambda: log(*next(losses)))
    done = cvl("check", str(tmp_path), "--follow")
    assert [line.split()[:2] for line in done.stderr.splitlines()] == [["step", str(i)] for i in (1, 2, 3, 4)]


def test_ctrl_c_ends_following_with_the_verdict(tmp_path: Path, sleeps: Any) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    rows(tmp_path, 3, 2.5, 2, 1.5, 1, 0.5)
    sleeps(interrupt)
    done = cvl("check", str(tmp_path), "--follow")
    assert (done.return_value, "PASS (2 of 2 rules)" in done.stdout) == (0, True), done.output


def test_following_a_run_of_the_catalogue_ends_with_it(tiny: Path, sleeps: Any) -> None:
    (tiny / "train.py").write_text("raise SystemExit(5)", encoding="utf-8")
    run("--name", "mine")
    path = tiny / "outputs" / "mine" / "run.json"
    kept = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**kept, "status": "running", "post_mortem": {}}), encoding="utf-8")
    sleeps(lambda: path.write_text(json.dumps(kept), encoding="utf-8") and None)
    done = cvl("check", "mine", "--follow")
    assert done.return_value == 3  # nothing was logged
    assert "train_loss" in done.stdout and "cause: unknown" in done.stdout


def test_what_kept_the_engine_from_starting_is_explained_too(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise EngineError(
            "pip failed:\nCould not install packages due to an OSError: [Errno 28] No space left on device"
        )

    monkeypatch.setattr(LocalEngine, "prepare", full)
    with pytest.raises(EngineError):
        run()
    assert record(tiny)["post_mortem"]["cause"] == "disk_full"


def test_what_an_engine_prepares_is_not_the_jobs_time(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that an hour's work of `prepare` has put forward."""
    prepare, monotonic, passed = LocalEngine.prepare, time.monotonic, [0.0]

    def slow(engine: LocalEngine, *arguments: Any) -> Mapping[str, Any]:
        passed[0] = 3600
        return prepare(engine, *arguments)

    (tiny / "train.py").write_text("")
    monkeypatch.setattr(LocalEngine, "prepare", slow)
    monkeypatch.setattr(launch, "time", SimpleNamespace(monotonic=lambda: monotonic() + passed[0]))
    run()
    assert passed[0] and 0 <= record(tiny)["seconds"] < 3600
