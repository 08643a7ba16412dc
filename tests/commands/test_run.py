"""`cvl run` as a process, on an example small enough to run without any framework."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cvl import runs

REPOSITORY = Path(__file__).parents[2]

MANIFEST = """
name: tiny
capability: perception/object_detection
stability: stable
tasks: [object_detection]
frameworks: [none]
description: A job that writes a made-up log.
presets:
  train: {command: [python, train.py], description: Train}
  smoke: {command: [python, train.py], env: {NUM_EPOCHS: 12}, description: Short}
  silent: {command: [python, -c, "print('nothing to judge')"], description: No metrics}
  script: {script: host.sh, description: On the host}
parameters:
  NUM_EPOCHS: {type: integer, default: 30, minimum: 1, description: Epochs, aliases: [EPOCHS, training.epochs]}
  BATCH_SIZE: {type: integer, default: 4, minimum: 1, description: Batch}
  LR: {type: number, default: 0.1, minimum: 0, description: Learning rate}
  WARMUP: {type: integer, default: 0, description: Warm-up, presets: [train, smoke], aliases: [WARM]}
  SEED: {type: integer, default: 0, description: Seed, affects_result: false}
  MODE: {type: string, default: healthy, description: How the job behaves}
  WEIGHTS: {type: path, default: none, words: [none], description: Start}
  DATA_DIR: {type: path, description: Data}
  OUTPUT_DIR: {type: path, description: Run folder}
  RESUME: {type: path, description: Run to go on with}
secrets: [SECRET_TOKEN]
verification:
  metrics:
    train_loss: {key: train/loss, kind: loss}
    map50: {key: val/map50, better: higher}
  presets:
    train: &rules
      - finite: [train_loss]
      - trend: {metric: train_loss, ratio_max: 0.8}
      - range: {metric: map50, at: best, min: 0.7, max: 1.0}
    smoke: *rules
"""

TRAIN = """
import json, math, os, sys, time
from pathlib import Path
from cvl import params as parameters

params = parameters.load(__file__)
folder = Path(params.OUTPUT_DIR)
folder.mkdir(parents=True, exist_ok=True)
print(f"batch {params.BATCH_SIZE}", file=sys.stderr)
if params.MODE == "hang":
    print("ready", flush=True)
    time.sleep(600)
if params.MODE == "fail":
    sys.exit(7)
if params.MODE == "refuse":
    sys.exit(2)
first = len((folder / "metrics.jsonl").read_text().splitlines()) if params.RESUME else 0
with (folder / "metrics.jsonl").open("a") as log:
    for epoch in range(first + 1, params.NUM_EPOCHS + 1):
        loss = math.exp(-params.LR * epoch) if params.MODE != "nan" or epoch < 5 else math.nan
        gain = 1 - math.exp(-params.LR * epoch)
        row = {"step": epoch, "epoch": epoch, "time": 0.0, "train/loss": loss, "val/map50": gain}
        log.write(json.dumps(row) + "\\n")
        if params.MODE == "bad-picture":
            log.close()
            sys.exit(2)
        if math.isnan(loss):
            log.close()
            sys.exit(3)
sys.stdout.buffer.write(b"caf\\xe9 50%\\r100%\\n")
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    folder = tmp_path / "examples" / "tiny"
    folder.mkdir(parents=True)
    (folder / "example.yaml").write_text(MANIFEST)
    (folder / "train.py").write_text(TRAIN)
    (folder / "host.sh").write_text('echo "on the host: $*"\n')
    return folder


def cvl(folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words), cwd=folder.parents[1], env=environment(folder, **environ), capture_output=True, timeout=120,
        text=True, errors="replace",
    )  # fmt: skip


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "cvl", *words]


def environment(folder: Path, **environ: str) -> dict[str, str]:
    home = folder.parents[1] / "home"
    home.mkdir(exist_ok=True)
    return {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(REPOSITORY), **environ}


def record(folder: Path) -> dict[str, object]:
    loaded: dict[str, object] = json.loads((folder / "outputs" / "latest" / "run.json").read_text())
    return loaded


def test_a_healthy_run_passes_and_is_recorded(tiny: Path) -> None:
    done = cvl(tiny, "run", "tiny", "train", "--engine", "local")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASS" in done.stdout and "train_loss" in done.stdout
    kept = record(tiny)
    assert (kept["status"], kept["verdict"], kept["exit_code"], kept["health_only"]) == ("done", "pass", 0, False)
    assert [verdict["status"] for verdict in kept["verdicts"]] == ["pass"] * 3  # type: ignore[index,attr-defined]
    page, text = (tiny / "outputs" / "latest" / name for name in ("report.html", "report.md"))
    assert f"report: {page.resolve()}\nreport: {text.resolve()}\n" in done.stderr and "PASS" in page.read_text(
        encoding="utf-8"
    )
    assert "Verdict: PASS (3 of 3 rules)" in text.read_text(encoding="utf-8")
    assert b"caf\xe9 50%\r100%\n" in (tiny / "outputs" / "latest" / "logs" / "train.log").read_bytes()


def test_the_record_fits_its_schema(tiny: Path) -> None:
    import jsonschema

    cvl(tiny, "run", "tiny", "train", "--engine", "local")
    schema = json.loads((REPOSITORY / "schemas" / "run.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(record(tiny))


@pytest.mark.parametrize(
    ("words", "environ", "source"),
    [
        (["-e", "BATCH_SIZE=2"], {}, "-e"),
        (["--", "--batch-size", "2"], {}, "flag"),
        (["--", "batch_size=2"], {}, "flag"),
        ([], {"BATCH_SIZE": "2"}, "environment"),
    ],
)
def test_four_ways_to_say_the_same(tiny: Path, words: list[str], environ: dict[str, str], source: str) -> None:
    done = cvl(tiny, "run", "tiny", "train", "--engine", "local", *words, **environ)
    assert "batch 2" in done.stdout, done.stderr
    assert record(tiny)["parameters"]["BATCH_SIZE"] == {"value": 2, "source": source}  # type: ignore[index]


@pytest.mark.slow
def test_a_changed_parameter_leaves_health_only_and_strict_minds(tiny: Path) -> None:
    done = cvl(tiny, "run", "tiny", "train", "--engine", "local", "-e", "BATCH_SIZE=2")
    assert done.returncode == 0
    assert "health only" in done.stdout and "BATCH_SIZE is 2, not 4" in done.stdout
    assert cvl(tiny, "run", "tiny", "train", "--engine", "local", "-e", "BATCH_SIZE=2", "--strict").returncode == 3
    assert cvl(tiny, "run", "tiny", "train", "--engine", "local", "-e", "SEED=2", "--strict").returncode == 0


@pytest.mark.parametrize(("setting", "rule"), [("LR=0", "trend"), ("MODE=nan", "finite")])
def test_broken_training_ends_with_3_and_names_the_rule(tiny: Path, setting: str, rule: str) -> None:
    done = cvl(tiny, "run", "tiny", "train", "--engine", "local", "-e", setting)
    assert done.returncode == 3, done.stdout + done.stderr
    failed = [verdict["rule"] for verdict in record(tiny)["verdicts"] if verdict["status"] == "fail"]  # type: ignore[attr-defined]
    assert rule in failed
    assert "FAIL" in done.stdout


def test_the_exit_code_of_a_failed_job_is_in_message_and_record(tiny: Path) -> None:
    (tiny / "outputs" / "broken" / "report.md").mkdir(parents=True)
    done = cvl(tiny, "run", "tiny", "train", "--engine", "local", "-e", "MODE=fail", "--name", "broken")
    assert done.returncode == 1
    assert "FAILED The rules so far: FAIL (3 of 3 rules)" in (tiny / "outputs/broken/report.html").read_text().replace(
        "</strong>", ""
    )
    assert f"cannot write {tiny / 'outputs/broken/report.md'}: Is a directory\n" in done.stderr
    assert "exit code 7" in done.stderr
    assert record(tiny)["exit_code"] == 7 and record(tiny)["status"] == "failed"


def test_a_preset_without_metrics_is_not_judged(tiny: Path) -> None:
    done = cvl(tiny, "run", "tiny", "silent", "--engine", "local")
    assert done.returncode == 0, done.stderr
    assert record(tiny)["verdict"] == "not judged"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nosuch", "train"], "there is no example 'nosuch'"),
        (["tny", "train"], "did you mean tiny"),
        (["tiny", "trian"], "did you mean 'train'"),
        (["tiny", "train", "-e", "BATCHSIZE=2"], "did you mean BATCH_SIZE"),
        (["tiny", "train", "-e", "BATCH_SIZE"], "expected KEY=VALUE"),
        (["tiny", "train", "-e", "BATCH_SIZE=two"], "'two' is not an integer"),
        (["tiny", "train", "-e", "BATCH_SIZE=0"], "less than the minimum 1"),
        (["tiny", "train", "-e", "BATCH_SIZE=-1"], "less than the minimum 1"),
        (["tiny", "train", "-e", "LR=nan"], "'nan' is not a number"),
        (["tiny", "train", "--", "--bach-size", "2"], "did you mean BATCH_SIZE"),
        (["tiny", "train", "--data", "nowhere"], "DATA_DIR: nowhere does not exist"),
        (["tiny", "train", "-e", "WEIGHTS=lost.pt"], "WEIGHTS: lost.pt does not exist"),
        (["tiny", "train", "--config", "nowhere.yaml"], "nowhere.yaml"),
        (["tiny", "train", "--name", "../up"], "a run's name"),
        (["tiny"], "hint: its presets are: train, smoke, silent, script\n"),
        (["tiny", "train", "--batch-size", "8"], "hint: -e BATCH_SIZE=8, or put it after `--`\n"),
        (
            ["tiny", "--epochs=8", "train"],
            "--epochs is a parameter of tiny, not an option of cvl\nhint: -e NUM_EPOCHS=8",
        ),
        (["tiny", "train", "--nonsense"], "error: no such option"),
        (["tiny", "train", "--engin=x"], "did you mean --engine"),
        (["tiny", "silent", "-e", "WARMUP=2"], "silent does not use WARMUP, but train and smoke do\nhint: "),
        (["tiny", "silent", "--timeout", "soon"], "hint: `cvl run --help` shows the usage\n"),
        (["tiny", "train", "--gpus", "foo"], "--gpus: 'foo' is no GPU choice: all, none, a number or ids\n"),
        (["tiny", "train", "--resume"], "there is no run of train to go on with"),
        (["tiny", "train", "--python", "/no/python"], "--python /no/python: there is no such program"),
        (["tiny", "train", "--python", "/no/python", "--dry-run"], "--python /no/python: there is no such program"),
    ],
)
def test_bad_input_is_one_clear_message_and_writes_nothing(tiny: Path, words: list[str], said: str) -> None:
    done = cvl(tiny, "run", *words, "--engine", "local") if "--" not in words else cvl(tiny, "run", *words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr and "Traceback" not in done.stderr
    assert not (tiny / "outputs").exists()


def test_dry_run_prints_the_command_and_writes_nothing(tiny: Path) -> None:
    done = cvl(tiny, "run", "tiny", "train", "--engine", "local", "--dry-run", "-e", "LR=0.2", SECRET_TOKEN="hush")
    assert done.returncode == 0
    assert "LR=0.2" in done.stdout and "train.py" in done.stdout and "hush" not in done.stdout
    assert done.stderr.splitlines()[-4:] == [
        "tiny train",
        "  -e       LR=0.2",
        "  default  NUM_EPOCHS=30, BATCH_SIZE=4, WARMUP=0, SEED=0, MODE=healthy, WEIGHTS=none",
        "  unset    DATA_DIR, RESUME",
    ]
    assert not (tiny / "outputs").exists()


def test_a_variable_for_other_presets_is_said_and_reaches_neither_job_nor_record(tiny: Path) -> None:
    program = "import os; print([os.environ.get(name) for name in ('WARMUP', 'WARM', 'BATCH_SIZE')])"
    manifest = (tiny / "example.yaml").read_text()
    (tiny / "example.yaml").write_text(manifest.replace("print('nothing to judge')", program))
    done = cvl(tiny, "run", "tiny", "silent", "--engine", "local", WARM="3", BATCH_SIZE="2")
    assert done.returncode == 0 and "[None, None, '2']" in done.stdout, done.stdout + done.stderr
    assert done.stderr.startswith("warning: silent does not use WARMUP, but train and smoke do (environment)\n")
    parameters: Any = record(tiny)["parameters"]
    assert parameters["WARMUP"]["value"] == 0 and parameters["BATCH_SIZE"]["value"] == 2


def test_words_for_the_job_stay_as_they_are(tiny: Path) -> None:
    done = cvl(tiny, "run", "tiny", "train", "--engine", "local", "--dry-run", "--", "python", "a b")
    assert done.stdout.splitlines()[-1].endswith("train.py python 'a b'"), done.stderr


def test_secrets_reach_the_job_and_no_file(tiny: Path) -> None:
    (tiny / "train.py").write_text("import os\nprint(len(os.environ['SECRET_TOKEN']))\n")
    done = cvl(tiny, "run", "tiny", "train", "--engine", "local", SECRET_TOKEN="hush-hush")
    assert "9" in done.stdout
    assert not any(b"hush-hush" in p.read_bytes() for p in (tiny / "outputs").rglob("*") if p.is_file())


def test_json_prints_only_the_record(tiny: Path) -> None:
    done = cvl(tiny, "run", "tiny", "train", "--engine", "local", "--json")
    assert json.loads(done.stdout)["verdict"] == "pass"
    assert "batch 4" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_job_and_says_interrupted(tiny: Path, number: signal.Signals) -> None:
    with start_hanging(tiny) as process:
        process.send_signal(number)
        assert process.wait(30) == 130
    assert record(tiny)["status"] == "interrupted"
    assert not alive(tiny)


def test_a_killed_cvl_takes_its_job_along_and_the_run_is_lost(tiny: Path) -> None:
    with start_hanging(tiny) as process:
        process.kill()
    deadline = time.monotonic() + 10
    while alive(tiny) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(tiny)
    listed = cvl(tiny, "runs", "list", "tiny")
    assert "lost" in listed.stdout, listed.stdout + listed.stderr


@pytest.mark.slow
def test_a_timeout_stops_the_job(tiny: Path) -> None:
    done = cvl(tiny, "run", "tiny", "train", "--engine", "local", "--timeout", "1", "-e", "MODE=hang")
    assert done.returncode == 1
    assert record(tiny)["status"] == "timed_out"
    name = record(tiny)["run"]
    said = f"stopped after 1 s (--timeout); --resume {name} begins it anew, since nothing was saved yet\n"
    assert said in done.stderr
    (tiny / "outputs" / str(name) / "checkpoints").mkdir()
    (tiny / "outputs" / str(name) / "checkpoints" / "latest_model.pt").write_bytes(b"weights")
    done = cvl(tiny, "run", "tiny", "train", "--engine", "local", "--timeout", "1", "--resume")
    assert f"--resume {name} goes on with what was saved\n" in done.stderr


@pytest.mark.slow
def test_a_job_that_cannot_go_on_is_not_said_to(tiny: Path) -> None:
    manifest = (tiny / "example.yaml").read_text()
    (tiny / "example.yaml").write_text(
        manifest.replace("description: Run to go on with", "presets: [smoke], description: X")
    )
    words = ("run", "tiny", "train", "--engine", "local", "--timeout", "1", "-e", "MODE=hang")
    done = cvl(tiny, *words, RESUME=str(tiny))
    assert "stopped after 1 s (--timeout)\n" in done.stderr
    assert "warning: train does not use RESUME, but smoke does (environment)\n" in done.stderr


def test_resume_goes_on_in_the_same_folder_with_the_same_settings(tiny: Path) -> None:
    cvl(tiny, "run", "tiny", "train", "--engine", "local", "-e", "EPOCHS=5", "-e", "LR=0.3", "--name", "first")
    done = cvl(tiny, "run", "tiny", "train", "--engine", "local", "--resume", "first", "-e", "EPOCHS=40")
    assert done.returncode == 0, done.stdout + done.stderr
    kept = record(tiny)
    assert kept["run"] == "first" and len(kept["resumes"]) == 1  # type: ignore[arg-type]
    assert kept["parameters"]["LR"] == {"value": 0.3, "source": "earlier run"}  # type: ignore[index]
    rows = (tiny / "outputs" / "first" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["epoch"] for row in rows] == list(range(1, 41))


@pytest.mark.slow
def test_a_checkpoint_of_a_run_brings_what_was_set_there(tiny: Path) -> None:
    cvl(tiny, "run", "tiny", "train", "--engine", "local", "-e", "EPOCHS=5", "-e", "LR=0.3", "--name", "first")
    checkpoint = tiny / "outputs" / "first" / "checkpoints" / "latest.pt"
    checkpoint.parent.mkdir(exist_ok=True)
    checkpoint.write_bytes(b"weights")
    words = ("run", "tiny", "train", "--engine", "local", "--dry-run", "--resume", str(checkpoint))
    shown = cvl(tiny, *words, "-e", "EPOCHS=40").stdout
    assert "LR=0.3" in shown and "EPOCHS=40" in shown
    moved = checkpoint.rename(tiny / "latest.pt")
    assert "LR=0.3" not in cvl(tiny, *words[:-1], str(moved)).stdout


@pytest.mark.slow
def test_resume_without_a_name_goes_on_with_the_latest_run_of_the_preset(tiny: Path) -> None:
    cvl(tiny, "run", "tiny", "train", "--engine", "local", "-e", "EPOCHS=20", "--name", "first")
    cvl(tiny, "run", "tiny", "smoke", "--engine", "local", "--name", "second")
    done = cvl(tiny, "run", "tiny", "train", "--engine", "local", "--dry-run", "--resume")
    assert f"RESUME={tiny / 'outputs' / 'first'} " in done.stdout, done.stderr
    done = cvl(tiny, "run", "tiny", "silent", "--engine", "local", "--resume")
    assert done.returncode == 2
    assert done.stderr == (
        f"error: there is no run of silent to go on with in {tiny / 'outputs'}\n"
        "hint: --resume RUN names one; `cvl runs list` shows the runs there are\n"
    )


@pytest.mark.slow
def test_a_refused_job_leaves_the_run_that_it_should_go_on_with_as_it_was(tiny: Path) -> None:
    cvl(tiny, "run", "tiny", "train", "--engine", "local", "--name", "good")
    outputs = tiny / "outputs"
    before = {path: path.read_bytes() for path in (outputs / "good").glob("*.*")}
    done = cvl(tiny, "run", "tiny", "train", "--engine", "local", "--resume", "-e", "MODE=refuse", "-e", "LR=0.5")
    assert done.returncode == 2 and f"run: {outputs / 'good'}\n" in done.stdout
    assert {path: path.read_bytes() for path in (outputs / "good").glob("*.*")} == before
    # A new run that is refused is neither the latest nor what --resume means.
    done = cvl(tiny, "run", "tiny", "train", "--engine", "local", "--name", "typo", "-e", "MODE=refuse")
    assert done.returncode == 2 and (outputs / "latest").resolve() == outputs / "good"
    assert runs.load(outputs / "typo").status == "failed" and not (outputs / "typo" / "report.md").exists()
    done = cvl(tiny, "run", "tiny", "train", "--engine", "local", "--dry-run", "--resume")
    assert f"RESUME={outputs / 'good'} " in done.stdout, done.stderr


@pytest.mark.slow
def test_a_job_that_ends_with_2_after_it_began_is_a_run(tiny: Path) -> None:
    words = ("run", "tiny", "train", "--engine", "local", "--name", "begun")
    done = cvl(tiny, *words, "-e", "MODE=bad-picture")
    assert done.returncode == 2
    assert (tiny / "outputs" / "latest").resolve().name == "begun" and (tiny / "outputs/begun/report.md").is_file()
    done = cvl(tiny, "run", "tiny", "train", "--engine", "local", "--dry-run", "--resume")
    assert f"RESUME={tiny / 'outputs' / 'begun'} " in done.stdout, done.stderr


@pytest.mark.slow
def test_an_engine_that_fails_leaves_the_run_as_it_was(tiny: Path) -> None:
    cvl(tiny, "run", "tiny", "train", "--engine", "local", "--name", "good")
    before = (tiny / "outputs" / "good" / "run.json").read_bytes()
    (tiny / "setup.sh").write_text("exit 1\n")
    manifest = (tiny / "example.yaml").read_text()
    (tiny / "example.yaml").write_text(manifest + "environment: {setup: setup.sh}\n")
    done = cvl(tiny, "run", "tiny", "train", "--engine", "local", "--resume", PIP_NO_INDEX="1")
    assert done.returncode == 4, done.stderr
    assert (tiny / "outputs" / "good" / "run.json").read_bytes() == before


def test_a_name_is_used_once(tiny: Path) -> None:
    cvl(tiny, "run", "tiny", "train", "--engine", "local", "--name", "one")
    before = (tiny / "outputs" / "one" / "metrics.jsonl").read_text()
    done = cvl(tiny, "run", "tiny", "train", "--engine", "local", "--name", "one")
    assert done.returncode == 2 and "--resume one" in done.stderr
    assert (tiny / "outputs" / "one" / "metrics.jsonl").read_text() == before


def test_output_dir_names_the_run_folder(tiny: Path) -> None:
    done = cvl(tiny, "run", "tiny", "train", "--engine", "local", OUTPUT_DIR="elsewhere/mine")
    assert done.returncode == 0, done.stderr
    assert (tiny.parents[1] / "elsewhere" / "mine" / "run.json").is_file()


def test_an_output_folder_that_cannot_be_made(tiny: Path) -> None:
    (tiny.parents[1] / "file").write_text("")
    for words in ((), ("--dry-run",)):
        done = cvl(tiny, "run", "tiny", "train", "--engine", "local", "--output", "file/below", *words)
        assert done.returncode == 2 and "cannot write" in done.stderr and "file/below" in done.stderr
        assert "file is no folder\n" in done.stderr


def test_gpus_asked_for_where_there_are_none(tiny: Path) -> None:
    """PATH holds no nvidia-smi: a GPU of this machine, if any, is out of sight."""
    done = cvl(tiny, "run", "tiny", "train", "--engine", "local", "--gpus", "1", PATH=str(tiny))
    assert done.returncode == 4 and "no GPU" in done.stderr
    assert not (tiny / "outputs").exists()


def test_a_password_in_a_proxy_is_not_shown(tiny: Path) -> None:
    proxy = "http://user:hush@proxy:3128"
    done = cvl(tiny, "run", "tiny", "train", "--engine", "local", "--dry-run", HTTPS_PROXY=proxy)
    assert done.returncode == 0 and "HTTPS_PROXY" in done.stdout and "hush" not in done.stdout


def test_the_docker_engine_without_an_engine(tiny: Path) -> None:
    words = ("run", "tiny", "train", "--engine", "docker")
    done = cvl(tiny, *words, DOCKER_HOST=f"unix://{tiny}/nothing.sock")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "cannot serve" in done.stderr and "--engine local" in done.stderr


def test_a_script_preset_runs_on_the_host(tiny: Path) -> None:
    done = cvl(tiny, "run", "tiny", "script", "--", "a", "b")
    assert done.returncode == 0 and "on the host: a b" in done.stdout
    assert "on this machine" in done.stderr


def test_a_dry_run_of_a_script_prints_it_and_starts_nothing(tiny: Path) -> None:
    done = cvl(tiny, "run", "tiny", "script", "--dry-run", "--", "a b")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"bash {tiny / 'host.sh'} 'a b'\n", "")


def test_a_script_that_leaves_its_folder_is_not_run(tiny: Path) -> None:
    (tiny / "host.sh").unlink()
    (tiny.parents[1] / "evil.sh").write_text("echo evil\n")
    (tiny / "host.sh").symlink_to(tiny.parents[1] / "evil.sh")
    done = cvl(tiny, "run", "tiny", "script")
    assert done.returncode == 2 and "points outside its folder" in done.stderr
    assert "evil" not in done.stdout


@pytest.mark.slow
def test_check_repeats_the_verdict(tiny: Path) -> None:
    cvl(tiny, "run", "tiny", "train", "--engine", "local", "--name", "good")
    cvl(tiny, "run", "tiny", "train", "--engine", "local", "--name", "bad", "-e", "LR=0")
    assert cvl(tiny, "check", "good").returncode == 0
    done = cvl(tiny, "check", "bad")
    assert done.returncode == 3 and "trend" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_said_and_keeps_what_was_there(tiny: Path) -> None:
    disk = tiny.parents[1] / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=True)
    try:
        (disk / "old").write_text("kept")
        (disk / "fill").write_bytes(b"x" * 48_000)
        done = cvl(tiny, "run", "tiny", "train", "--engine", "local", "--output", str(disk), "-e", "NUM_EPOCHS=5000")
        assert done.returncode in (1, 2) and "Traceback" not in done.stderr, done.stderr
        assert "No space left on device" in done.stderr + done.stdout
        assert (disk / "old").read_text() == "kept"
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def start_hanging(tiny: Path) -> subprocess.Popen[bytes]:
    words = command("run", "tiny", "train", "--engine", "local", "-e", "MODE=hang")
    process = subprocess.Popen(
        words, cwd=tiny.parents[1], env=environment(tiny), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    while b"ready" not in (line := process.stdout.readline()):
        assert line, "the job ended before it was ready"
    return process


def alive(tiny: Path) -> bool:
    """Whether a process of the example's train.py is left."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if (path / "cwd").resolve() == tiny and b"train.py" in (path / "cmdline").read_bytes():
                return True
        except OSError:
            continue
    return False
