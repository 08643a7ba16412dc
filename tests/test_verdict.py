"""What is gathered for a verdict beside the run itself: other seeds, named runs, hardware, time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cvl import manifest, runs, verdict
from cvl.rules import Status, Verdict
from tests.examples_factory import MANIFEST, make_example

RULES = """\
      - expect: {metric: train_loss, value: 1.0, tol: 0.1, seeds: 2}
      - above: {metric: train_loss, run: old}
      - wall_clock_s: {max: 60, hardware: Xeon}
"""
SEED = "  SEED: {type: integer, default: 0, description: Seed, affects_result: false}\n"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    text = MANIFEST.format(name="toy-a").replace("verification:\n", f"{SEED}verification:\n") + RULES
    return make_example(tmp_path / "examples", "toy-a", {"example.yaml": text})


def write(example: Path, name: str, loss: float, *, job: str = "", **changes: Any) -> Path:
    """A finished run of `smoke` that ended with `loss`; `changes` to its record, `job` is its config.yaml."""
    folder = example / "outputs" / name
    folder.mkdir(parents=True)
    parameters = {"SEED": 0, "LR": 0.1, "OUTPUT_DIR": str(folder)} | changes.pop("parameters", {})
    (folder / "metrics.jsonl").write_text(json.dumps({"step": 1, "epoch": 1, "train/loss": loss}))
    if job:
        (folder / "config.yaml").write_text(job)
    record = runs.Record(name, "toy-a", "smoke", status="done", content_hash="same", seconds=50.0)
    record.parameters = {key: {"value": value, "source": "-e"} for key, value in parameters.items()}
    record.hardware = {"cpu": "Intel Xeon 8480", "gpus": []}
    for key, value in changes.items():
        setattr(record, key, value)
    runs.save(folder, record)
    return folder


def judged(folder: Path) -> dict[str, Verdict]:
    example = manifest.load(folder.parents[1] / "example.yaml")
    found = verdict.of_run(example, example.presets["smoke"], runs.load(folder), folder)
    return {one.rule: one for one in found.verdicts}


def test_other_seeds_are_found_each_once_and_the_newest_counts(example: Path) -> None:
    write(example, "a", 9.0, parameters={"SEED": 1})
    write(example, "b", 1.1, parameters={"SEED": 1})
    write(example, "c", 5.0, parameters={"SEED": 0})
    found = judged(write(example, "d", 0.9))["expect"]
    assert (found.status, found.found) == (Status.PASS, "1 over 2 (0.9 … 1.1)")


@pytest.mark.parametrize(
    "changes",
    [
        {"parameters": {"SEED": 1, "LR": 0.2}},
        {"content_hash": "other"},
        {"preset": "train"},
        {"status": "failed"},
        {"parameters": {"SEED": 1, "DATA_DIR": "/elsewhere"}},
        {"job": "LR: 0.05\nx-job: {device: cpu}\n"},
        {"job": "x-job: {device: cuda}\n"},
    ],
)
def test_a_run_that_differs_in_more_than_its_seed_is_no_sibling(example: Path, changes: dict[str, Any]) -> None:
    write(example, "a", 1.0, **{"parameters": {"SEED": 1}, **changes})
    found = judged(write(example, "b", 1.0))["expect"]
    assert (found.status, found.found) == (Status.NOT_RUN, "1 over 1 (1 … 1)")


def test_what_does_not_affect_the_result_may_differ_and_a_broken_record_is_passed_over(example: Path) -> None:
    (write(example, "broken", 1.0) / "run.json").write_text("{")
    write(example, "a", 1.0, parameters={"SEED": 1, "OUTPUT_DIR": "/elsewhere"})
    assert judged(write(example, "b", 1.0))["expect"].status is Status.PASS


def test_a_named_run_hardware_and_time_come_from_the_records(example: Path) -> None:
    write(example, "old", 2.0, parameters={"LR": 7})
    found = judged(write(example, "new", 1.0))
    assert (found["above"].status, found["above"].found) == (Status.PASS, "1, baseline 2")
    assert (found["wall_clock_s"].status, found["wall_clock_s"].found) == (Status.PASS, "50 s")
    found = judged(write(example, "slow", 1.0, seconds=61.0, hardware={"cpu": "Xeon", "gpus": ["L4, 24 GB"]}))
    assert found["wall_clock_s"].status is Status.FAIL


def test_what_a_rule_newer_than_the_run_wants_was_never_asked_of_it(example: Path) -> None:
    text = (example / "example.yaml").read_text(encoding="utf-8")
    new = "      - range: {metric: train_loss, max: 9}\n"
    (example / "example.yaml").write_text(text + new, encoding="utf-8")
    old = [{"rule": "finite", "metric": "train_loss"}]
    folder = write(example, "a", 1.0, verdicts=old)
    (folder / "metrics.jsonl").write_text('{"step": 1, "epoch": 1, "val/loss": 1}', encoding="utf-8")
    found = judged(folder)
    assert found["range"].status is Status.FAIL and found["range"].hint.startswith("train again: ")
    assert found["range"].reason == "this rule is newer than the run, and needs train/loss in the log"
    assert found["finite"].hint.startswith("the job stopped before it logged this")
    again = judged(write(example, "b", 1.0, verdicts=[*old, {"rule": "range", "metric": "train_loss"}]))
    assert again["range"].status is Status.PASS
    record_less = write(example, "c", 1.0)
    (record_less / "metrics.jsonl").write_text('{"step": 1, "epoch": 1, "val/loss": 1}', encoding="utf-8")
    assert judged(record_less)["range"].hint.startswith("the job stopped")
