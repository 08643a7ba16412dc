"""`cvl calibrate`: runs measured, bounds written, and what those bounds then say of other runs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cvl import runs
from cvl.cli import group
from cvl.errors import CvlError
from tests import seeded_example

RUNS = ("one", "two", "three")
FROM = [word for run in RUNS for word in ("--from", run)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """An example with the three runs that calibrate made, and how it ended."""
    folder = seeded_example.make(tmp_path_factory.mktemp("measured"))
    words = ("calibrate", "seeded", "train", "--runs", "3", "--engine", "local", "--dry-run")
    return folder, seeded_example.cvl(folder, *words)


@pytest.fixture(scope="module")
def measured(trained: tuple[Path, subprocess.CompletedProcess[str]]) -> Path:
    """The example, its runs called one, two and three."""
    outputs = trained[0] / "outputs"
    (outputs / "latest").unlink()
    for path in outputs.glob("train-*"):
        seed = json.loads((path / "run.json").read_text())["parameters"]["SEED"]["value"]
        rewrite(path.rename(outputs / RUNS[seed]), lambda record, name=RUNS[seed]: record.update(run=name))  # type: ignore[misc]
    return trained[0]


@pytest.fixture
def folder(measured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `measured` below the current folder."""
    shutil.copytree(measured.parents[1], tmp_path, dirs_exist_ok=True, symlinks=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "examples" / "seeded"


def calibrate(*words: str) -> Result:
    return CliRunner().invoke(group, ["calibrate", "seeded", *words], standalone_mode=False)


def refusal(*words: str) -> str:
    """The message of the error that the command ends with."""
    error = calibrate(*words).exception
    assert isinstance(error, CvlError), error
    return error.message


def rewrite(run: Path, change: Callable[[dict[str, object]], object]) -> None:
    """Changes the record of a run."""
    record = json.loads((run / "run.json").read_text())
    change(record)
    (run / "run.json").write_text(json.dumps(record))


def test_bounds_with_their_provenance_are_written_and_the_rest_of_the_file_stays(folder: Path) -> None:
    before = (folder / "example.yaml").read_text(encoding="utf-8")
    done = calibrate("train", *FROM)
    assert done.exception is None, done.output
    after = (folder / "example.yaml").read_text(encoding="utf-8")
    new = [line for line in after.splitlines() if line not in before.splitlines()]
    assert [line.partition(", hardware")[0] for line in new] == [
        "      - trend: {metric: train_loss, ratio_max: 0.126}   # a guess",
        f"        calibrated: {{date: '{runs.now()[:10]}', runs: 3, seeds: [0, 1, 2], lowest: 0.0639757, "
        "highest: 0.0699125, mean: 0.0662132, sd: 0.00322702, device: cpu",
        "      - range: {metric: map50, at: best, min: 0.499}  # é",
        new[3].partition(", hardware")[0],
    ]
    restored = after.replace("0.126}", "0.8}").replace("0.499}", "0.2}")
    assert "".join(line for line in restored.splitlines(True) if "calibrated:" not in line) == before
    assert calibrate("train", *FROM).exception is None  # a second time the same bounds come out
    assert (folder / "example.yaml").read_text(encoding="utf-8") == after


def test_what_was_measured_and_proposed_is_printed(folder: Path) -> None:
    before = (folder / "example.yaml").read_bytes()
    lines = calibrate("train", *FROM, "--dry-run").stdout.splitlines()
    assert lines[0] == "runs   one, two, three"
    assert lines[1] == "seeds  0, 1, 2"
    assert lines[2].startswith("on     cpu (")
    assert lines[3] == "bound  mean ∓ 13.3 sd of logarithms (99 % of runs, 95 % confidence; sd ≥ 1 %)"
    assert [line.split() for line in lines[5:]] == [
        ["RULE", "METRIC", "AT", "LOWEST", "HIGHEST", "MEAN", "SD", "PRESENT", "PROPOSED"],
        ["trend", "train_loss", "0.06398", "0.06991", "0.06621", "0.003227", "ratio_max", "0.8", "ratio_max", "0.126"],
        ["range", "map50", "best", "0.5688", "0.5717", "0.5706", "0.001593", "min", "0.2", "min", "0.499"],
    ]
    assert (folder / "example.yaml").read_bytes() == before


def test_new_seeds_go_through_cvl_run(trained: tuple[Path, subprocess.CompletedProcess[str]], folder: Path) -> None:
    done = trained[1]
    assert done.returncode == 0, done.stdout + done.stderr
    assert "min 0.499" in done.stdout and "verdict: PASS" not in done.stdout
    assert done.stderr.count("verdict: PASS (3 of 3 rules)") == 3
    said = [line.partition(":")[0] for line in done.stderr.splitlines() if line.startswith("run ")]
    assert said == ["run 1", "run 2", "run 3"]
    assert len(list(folder.glob("outputs/*/run.json"))) == 3


MORE = """\
      - expect: {metric: map50, at: best, value: 0, tol: 0, seeds: 3}
      - each: {metric: map50, min: 0}
      - throughput: {hardware: Abacus, min: 900}
      - wall_clock_s: {hardware: abacus, max: 1}
      - vram_gb: {hardware: H100, max: 1}
    smoke:
"""


def test_means_classes_and_costs_are_measured_too(folder: Path) -> None:
    manifest = folder / "example.yaml"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("    smoke:\n", MORE), encoding="utf-8")
    for i, run in enumerate(RUNS):
        rewrite(folder / "outputs" / run, lambda r, i=i: r.update(hardware={"cpu": "Abacus 9"}, seconds=50.0 + i))  # type: ignore[misc]
        with (folder / "outputs" / run / "metrics.jsonl").open("a") as log:
            log.write(f'{{"step": 31, "val/map50/link": 0.{30 + i}, "perf/images_per_s": {60 + i}}}\n')
    done = calibrate("train", *FROM)
    assert done.exception is None, done.output
    expect, each, throughput, seconds = (line.split() for line in done.stdout.splitlines()[-5:-1])
    assert expect[:3] == ["expect", "map50", "best"] and expect[-4:] == ["value", "0.5706,", "tol", "0.0604"]
    assert each[:2] == ["each", "map50"] and each[-2:] == ["min", "0.201"]
    assert throughput[0] == "throughput" and throughput[-2:] == ["min", "31.3"]
    assert seconds[0] == "wall_clock_s" and seconds[-2:] == ["max", "99.4"]
    assert done.stdout.splitlines()[-1] == "vram_gb stays as it is: for H100, this run had Abacus 9"
    assert "expect  mean ± 10.6 sd (99 % of means of 3, 95 % confidence; sd ≥ 1 %)" in done.stdout.splitlines()
    written = manifest.read_text(encoding="utf-8")
    assert (
        "      - expect: {metric: map50, at: best, value: 0.5706, tol: 0.0604, seeds: 3}\n        calibrated:"
        in written
    )
    again = CliRunner().invoke(group, ["check", "one"], standalone_mode=False)
    assert again.return_value == 0 and "PASS" in again.stdout, again.stdout


def test_a_better_run_passes_and_names_the_command_that_renews_the_bound(folder: Path) -> None:
    calibrate("train", *FROM)
    log = folder / "outputs" / "one" / "metrics.jsonl"
    log.write_text(log.read_text().replace('"val/map50": 0.5', '"val/map50": 0.9'))
    done = CliRunner().invoke(group, ["check", "one"], standalone_mode=False)
    assert done.return_value == 0, done.output
    assert "IMPROVED" in done.stdout
    assert "hint: if that is no accident, `cvl calibrate seeded train` renews the bound" in done.stdout


def test_weights_that_could_not_be_fetched_are_not_comparable_with_those_that_were(folder: Path) -> None:
    calibrate("train", *FROM)
    config = folder / "outputs" / "one" / "config.yaml"
    config.write_text(config.read_text().replace("WEIGHTS: auto", "WEIGHTS: none"))
    done = CliRunner().invoke(group, ["check", "one"], standalone_mode=False)
    assert "range map50: WEIGHTS turned out none, as asked when calibrated" in done.stdout
    assert "PASS, health only" in done.stdout and done.return_value == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["bare", "--runs", "3"],
            "bare has no rule with a bound to measure: range, trend, each, expect, throughput, vram_gb, wall_clock_s",
        ),
        (["train", "--runs", "3", "-e", "seed=4"], "-e SEED: calibrate sets it, from 0 on"),
        (["train", "--runs", "3", *FROM], "--runs trains, --from takes what there is: give one of them"),
        (["train", *FROM[:4]], "--from: 2 runs, at least 3 are needed"),
        (["train", *FROM[:4], "--from", "one"], "--from: the run one is given twice"),
        (["train", *FROM[:4], "--from", "nowhere"], "there is no run 'nowhere'"),
    ],
)
def test_wrong_usage_is_said_before_anything_is_trained(folder: Path, words: list[str], said: str) -> None:
    before = (folder / "example.yaml").read_bytes()
    assert refusal(*words) == said
    assert (folder / "example.yaml").read_bytes() == before
    assert len(list(folder.glob("outputs/*/run.json"))) == 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r.update(preset="smoke"), "two is a run of seeded smoke, not of train"),
        (lambda r: r.update(status="failed"), "two is failed: only runs that came to their end can be measured"),
        (lambda r: r["parameters"].pop("SEED"), "two has no SEED in its record"),
        (lambda r: r["parameters"]["LR"].update(value=0.2, source="-e"), "one and two differ in LR: 0.1 and 0.2"),
        (lambda r: r["environment"]["packages"].update(torch="9.9"), "one and two differ in torch: None and 9.9"),
    ],
)
def test_only_finished_runs_of_one_profile_are_measured(
    folder: Path, change: Callable[[dict[str, object]], object], said: str
) -> None:
    rewrite(folder / "outputs" / "two", change)
    assert refusal("train", *FROM) == said


def test_workers_are_no_part_of_the_profile(folder: Path) -> None:
    rewrite(folder / "outputs" / "two", lambda r: r["parameters"]["NUM_WORKERS"].update(value=8, source="-e"))  # type: ignore[index]
    assert calibrate("train", *FROM, "--dry-run").exception is None


def test_an_ill_run_is_not_measured(folder: Path) -> None:
    with (folder / "outputs" / "two" / "metrics.jsonl").open("a") as log:
        log.write('{"step": 31, "epoch": 31, "train/loss": NaN}\n')
    said = "two is not healthy: finite train_loss wanted finite, not all 0, not negative, found nan"
    assert refusal("train", *FROM) == said


def test_a_bound_that_is_out_of_date_does_not_hinder_its_renewal(folder: Path) -> None:
    manifest = folder / "example.yaml"
    manifest.write_text(
        manifest.read_text().replace("min: 0.2}", "min: 0.9}").replace("ratio_max: 0.8", "ratio_max: 0.01")
    )
    assert calibrate("train", *FROM).exception is None
    assert "min: 0.499}" in manifest.read_text() and "ratio_max: 0.126}" in manifest.read_text()


def test_rules_that_are_aliases_are_left_as_they_are(folder: Path) -> None:
    manifest = folder / "example.yaml"
    text = manifest.read_text().replace("    train:\n      - finite", "    train: &rules\n      - finite")
    manifest.write_text(text.replace("    smoke:\n      - finite: [train_loss]\n", "    smoke: *rules\n"))
    before = manifest.read_bytes()
    assert refusal("train", *FROM).endswith(
        "example.yaml was left as it is: its rules are aliases or merged, so a change of one would change others"
    )
    assert manifest.read_bytes() == before


def test_equal_runs_are_remarked_on(folder: Path) -> None:
    for run in RUNS[1:]:
        shutil.copy(folder / "outputs/one/metrics.jsonl", folder / "outputs" / run)
    lines = calibrate("train", *FROM, "--dry-run").stdout.splitlines()
    assert lines[-1] == "range map50: all runs are equal; does SEED reach the job?"
    assert "min 0.5" in lines[-3]


@pytest.mark.slow
def test_a_failing_seed_ends_it(tmp_path: Path) -> None:
    folder = seeded_example.make(tmp_path)
    done = seeded_example.cvl(folder, "calibrate", "seeded", "train", "--engine", "local", "-e", "MODE=nan")
    assert done.returncode == 3 and "is not healthy: finite train_loss" in done.stderr
    assert len(list(folder.glob("outputs/train-*/run.json"))) == 1


@pytest.mark.slow
def test_interrupted_between_seeds_it_says_what_the_finished_runs_are_good_for(tmp_path: Path) -> None:
    folder = seeded_example.make(tmp_path)
    train = folder / "train.py"
    train.write_text("import time\n" + train.read_text() + "if params.SEED == 1:\n    time.sleep(600)\n")
    words = [sys.executable, "-m", "cvl", "calibrate", "seeded", "train", "--runs", "3", "--engine", "local"]
    home = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(seeded_example.REPOSITORY)}
    with subprocess.Popen(words, cwd=tmp_path, env=home, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while not list(folder.glob("outputs/train-*/metrics.jsonl"))[1:]:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        assert process.wait(60) == 130, said
    first = said.partition("run 1: ")[2].splitlines()[0]
    hint = f"what is finished counts, with more runs: `cvl calibrate seeded train --from {first} …`"
    assert f"error: interrupted\nhint: {hint}" in said
    assert "Traceback" not in said and "calibrated" not in (folder / "example.yaml").read_text()
