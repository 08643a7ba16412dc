"""Small real trainings, broken on purpose: `cvl check` names a rule for each break and none for healthy seeds.

CI trains a few; `bin/test matrix tests/sabotage` trains all and writes matrix.md.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from cvl import runs
from cvl.cli import group

REPOSITORY = Path(__file__).resolve().parents[2]
TRAIN = Path(__file__).with_name("train.py")
TABLE = Path(__file__).with_name("matrix.md")
SEEDS = 30

BREAKS = (
    "lr-zero", "lr-1000x", "labels-shuffled", "loss-negated", "backbone-frozen", "optimizer-without-head",
    "normalisation", "nan-at-step", "constant-prediction", "all-foreground", "train-is-val", "validation-empty",
    "percent-as-fraction", "rows-twice", "best-overwritten", "zero-after-nan",
)  # fmt: skip
TASKS = {"classification": "classification", "segmentation": "segmentation", "detection": "object_detection"}

# As an example of the catalogue would write it: bounds from 30 healthy seeds.
MANIFEST = """\
name: {name}
capability: perception/{task}
modalities: [vision]
datasets: [drawn-shapes]
stability: experimental
resources: {{gpu: 0}}
presets: {{train: {{command: [python, train.py]}}}}
tags: [sabotage]
tasks: [{task}]
frameworks: [pytorch]
description: Small trainings on drawn shapes
verification:
  metrics:
    train_loss: {{key: {train}, kind: loss}}
    val_loss: {{key: {val}loss, kind: loss}}
    score: {{key: {val}{score}, better: higher}}
    shared: {{key: data/shared}}
    {positive}
  presets:
    train:
      - finite: [train_loss, val_loss, score]
      - count: {{metric: train_loss, min: {points}, gaps: false}}
      - trend: {{metric: train_loss, ratio_max: 0.5}}
      - range: {{metric: score, at: best, min: {least}, max: 1}}
      - range: {{metric: shared, max: 0}}
      - params: {{group: backbone, changed: true}}
      - params: {{group: head, changed: true}}
"""
POSITIVE = "positive: {{key: {val}positive}}"
NOT_CONSTANT = "      - not_constant: {metric: positive, min: 0.02, max: 0.9}\n"
RELOAD = "      - artifact: {path: best_model.pt, reload: score, tol: 0.001}\n"


@dataclass(frozen=True)
class Setup:
    """A framework and a task: what its log calls things, and what healthy seeds reach."""

    framework: str
    task: str
    train: str
    val: str
    score: str
    least: float
    points: int

    @property
    def name(self) -> str:
        return f"{self.framework}-{self.task}"

    @property
    def breaks(self) -> list[str]:
        """Those that it has a place for: masks, a resume or a best checkpoint of its own."""
        absent = set() if self.task == "segmentation" else {"all-foreground"}
        absent |= set() if self.framework == "plain" else {"rows-twice", "best-overwritten"}
        return [name for name in BREAKS if name not in absent]

    def manifest(self) -> str:
        masks = self.task == "segmentation"
        text = MANIFEST.format(
            name=self.name, task=TASKS[self.task], train=self.train, val=self.val, score=self.score, least=self.least,
            points=self.points, positive=POSITIVE.format(val=self.val) if masks else "",
        )  # fmt: skip
        return text + NOT_CONSTANT * masks + RELOAD * (self.framework == "plain")


SETUPS = (
    Setup("plain", "classification", "train/loss", "val/", "accuracy", 0.7, 96),
    Setup("plain", "segmentation", "train/loss", "val/", "iou", 0.93, 96),
    Setup("plain", "detection", "train/loss", "val/", "map", 0.1, 96),
    Setup("lightning", "segmentation", "train_loss_step", "val_", "iou", 0.93, 48),
    Setup("transformers", "classification", "loss", "eval_", "accuracy", 0.7, 48),
)


@dataclass(frozen=True)
class Judged:
    """The rules that failed, by themselves and by those of the example."""

    run: str
    default: frozenset[str]
    example: frozenset[str]

    @property
    def failed(self) -> bool:
        return bool(self.default | self.example)

    def row(self, setup: Setup) -> str:
        cells = (
            setup.framework,
            setup.task,
            self.run,
            *(", ".join(sorted(x)) or "–" for x in (self.default, self.example)),
        )
        return f"| {' | '.join(cells)} |"


def needs(python: Path, framework: str) -> None:
    """Skips where the environment has no such framework."""
    if framework != "plain" and subprocess.run([python, "-c", f"import {framework}"], capture_output=True).returncode:
        pytest.skip(f"{framework} is missing in {python}")


def train(python: Path, out: Path, setup: Setup, names: list[str]) -> None:
    """Trains `break-seed` each, one after the other in one process."""
    jobs = [f"{setup.framework}/{setup.task}/{name.rpartition('-')[0]}/{name.rpartition('-')[2]}" for name in names]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([python, TRAIN, out, *jobs], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def judge(out: Path, setup: Setup, name: str) -> Judged:
    """First as a folder that nothing is known of, then as a run of an example."""
    example = out / setup.name
    folder = example / "outputs" / name
    default = failed(folder, "--task", TASKS[setup.task])
    (example / "example.yaml").write_text(setup.manifest(), encoding="utf-8")
    runs.save(folder, runs.Record(name, setup.name, "train", status="done"))
    return Judged(name, default, failed(folder))


def failed(folder: Path, *words: str) -> frozenset[str]:
    done = CliRunner().invoke(group, ["check", str(folder), "--format", "json", *words], standalone_mode=False)
    assert done.exception is None, done.output
    found = json.loads(done.output)
    rules = {f"{v['rule']} {v['metric']}".strip() for v in found["verdicts"] if v["status"] == "fail"}
    assert done.return_value == (3 if rules else 0), done.output
    return frozenset(rules)


@pytest.mark.training("yolo-ui-detection")
@pytest.mark.parametrize("setup", SETUPS[:2], ids=lambda setup: setup.name)
def test_a_few_breaks_and_healthy_seeds(setup: Setup, ml_python: Path, tmp_path: Path) -> None:
    broken = ["lr-zero-0", "labels-shuffled-0", "nan-at-step-0", "optimizer-without-head-0", "best-overwritten-0"]
    train(ml_python, tmp_path, setup, names := [*broken, "healthy-0", "healthy-1"])
    judged = [judge(tmp_path, setup, name) for name in names]
    assert [one.run for one in judged if one.failed] == broken, judged


@pytest.fixture(scope="module")
def table() -> Iterator[list[tuple[Setup, list[Judged]]]]:
    """What each setup came to; the committed table is written where all could run."""
    found: list[tuple[Setup, list[Judged]]] = []
    yield found
    if len(found) == len(SETUPS):
        TABLE.write_text(as_markdown(found), encoding="utf-8")


def as_markdown(found: list[tuple[Setup, list[Judged]]]) -> str:
    """Totals of each setup, then a line a break, with the rules that failed."""
    totals, rows = [], []
    for setup, judged in found:
        broken = [one for one in judged if not one.run.startswith("healthy")]
        healthy = [one for one in judged if one.run.startswith("healthy")]
        caught = [sum(map(bool, kind)) for kind in zip(*((b.default, b.failed) for b in broken), strict=True)]
        alarms = [sum(map(bool, kind)) for kind in zip(*((h.default, h.failed) for h in healthy), strict=True)]
        totals.append(
            f"| {setup.framework} | {setup.task} | {caught[0]} / {len(broken)} | {caught[1]} / {len(broken)} "
            f"| {alarms[0]} / {len(healthy)} | {alarms[1]} / {len(healthy)} |"
        )
        rows += [one.row(setup) for one in judged if one in broken or one.failed]
    head = (
        "framework",
        "task",
        "caught by the default rules",
        "by these or the example's",
        "false alarms, default",
        "or example's",
    )
    detail = ("framework", "task", "run", "default rules that failed", "the example's rules that failed")
    lines = ["Made by `bin/test matrix tests/sabotage/test_default_rules.py`.", ""]
    for titles, body in ((head, totals), (detail, rows)):
        lines += [f"| {' | '.join(titles)} |", f"|{' --- |' * len(titles)}", *body, ""]
    return "\n".join(lines)


@pytest.mark.matrix
@pytest.mark.training("yolo-ui-detection")
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("setup", SETUPS, ids=lambda setup: setup.name)
def test_every_break_and_thirty_healthy_seeds(
    setup: Setup, ml_python: Path, tmp_path: Path, table: list[tuple[Setup, list[Judged]]]
) -> None:
    needs(ml_python, setup.framework)
    names = [*(f"{name}-0" for name in setup.breaks), *(f"healthy-{seed}" for seed in range(SEEDS))]
    train(ml_python, tmp_path, setup, names)
    judged = [judge(tmp_path, setup, name) for name in names]
    table.append((setup, judged))
    assert [one.run for one in judged if one.failed == one.run.startswith("healthy")] == []
