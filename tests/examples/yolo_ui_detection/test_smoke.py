"""`smoke` through `cvl run`: healthy seeds pass, every sabotaged run ends with 3 and names the rule.

CI runs a few; `bin/test matrix` runs ten seeds and every break, and writes matrix.md.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
EXAMPLE = REPOSITORY / "examples" / "yolo-ui-detection"
TABLE = Path(__file__).with_name("matrix.md")

# break -> the rules of which one must catch it
CAUGHT_BY = {
    "lr-zero": {"params"},
    "labels-shuffled": {"range"},
    "loss-nan": {"finite"},
    "loss-negated": {"finite"},
    "frozen": {"params"},
    "normalisation": {"range", "trend"},
    "validation-empty": {"range", "finite"},
    "best-overwritten": {"artifact"},
}

pytestmark = [pytest.mark.training("yolo-ui-detection"), pytest.mark.timeout(1200)]


@dataclass(frozen=True)
class Ended:
    """A run of `cvl run`, and its record."""

    code: int
    text: str
    record: dict[str, Any]

    @property
    def failed(self) -> set[str]:
        return {verdict["rule"] for verdict in self.record["verdicts"] if verdict["status"] == "fail"}

    def row(self, name: str) -> str:
        found = {f"{v['rule']} {v['metric']}".strip(): v["found"] for v in self.record["verdicts"]}
        wanted = ("trend train_loss", "range map50")
        cells = [name, str(self.code), ", ".join(sorted(self.failed)) or "–", *(found.get(key, "–") for key in wanted)]
        return f"| {' | '.join(cells)} |"


def smoke(python: Path, example: Path, output: Path, *words: str) -> Ended:
    command = [sys.executable, "-m", "cvl", "run", str(example), "smoke", "--engine", "local", "--python", str(python)]
    done = subprocess.run(
        [*command, "--accept-versions", "--output", str(output), *words],
        cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True,
    )  # fmt: skip
    record = json.loads((output / "latest" / "run.json").read_text())
    return Ended(done.returncode, done.stdout + done.stderr, record)


def sabotaged(name: str, folder: Path) -> Path:
    """A copy of the example with the break put in front of its train.py."""
    copy = folder / "examples" / "yolo-ui-detection"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("outputs", "__pycache__"))
    spec = importlib.util.spec_from_file_location("sabotage", REPOSITORY / "tests/sabotage/yolo_ui_detection.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.install(name, copy)
    return copy


def check_break(name: str, python: Path, tmp_path: Path) -> Ended:
    ended = smoke(python, sabotaged(name, tmp_path), tmp_path / "out")
    assert ended.code == 3, ended.text
    assert ended.failed & CAUGHT_BY[name], ended.text
    return ended


def test_a_healthy_smoke_passes(ml_python: Path, tmp_path: Path) -> None:
    ended = smoke(ml_python, EXAMPLE, tmp_path)
    assert ended.code == 0, ended.text
    assert ended.record["verdict"] == "pass" and not ended.record["health_only"]
    assert ended.record["device"] == "cpu" and ended.record["split_sizes"]["train"] > 100
    folder = tmp_path / "latest"
    for name in ("metrics.jsonl", "metrics.json", "config.yaml", "training_results.json", "evaluation/metrics.json",
                 "logs/train.log", "logs/epoch_metrics.csv", "logs/batch_metrics.csv", "visualizations/curves.png",
                 "checkpoints/best_model.pt", "checkpoints/latest_model.pt"):  # fmt: skip
        assert (folder / name).stat().st_size > 0, name


@pytest.mark.parametrize("name", ["lr-zero", "labels-shuffled", "loss-nan"])
def test_a_broken_smoke_ends_with_3(name: str, ml_python: Path, tmp_path: Path) -> None:
    check_break(name, ml_python, tmp_path)


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    """Rows of the committed table."""
    rows: list[str] = []
    yield rows
    head = "| run | exit code | failed rules | last / first loss | best mAP50 |\n| --- | --- | --- | --- | --- |\n"
    about = "`smoke` on a CPU, made by `bin/test matrix tests/examples/yolo_ui_detection/test_smoke.py`.\n\n"
    TABLE.write_text(f"{about}{head}" + "\n".join(rows) + "\n", encoding="utf-8")


@pytest.mark.matrix
@pytest.mark.parametrize("seed", range(10))
def test_ten_healthy_seeds(seed: int, ml_python: Path, tmp_path: Path, table: list[str]) -> None:
    ended = smoke(ml_python, EXAMPLE, tmp_path, "-e", f"SEED={seed}")
    table.append(ended.row(f"healthy, seed {seed}"))
    assert ended.code == 0, ended.text


@pytest.mark.matrix
@pytest.mark.parametrize("name", CAUGHT_BY)
def test_every_break(name: str, ml_python: Path, tmp_path: Path, table: list[str]) -> None:
    ended = smoke(ml_python, sabotaged(name, tmp_path), tmp_path / "out")
    table.append(ended.row(name))
    assert ended.code == 3, ended.text
    assert ended.failed & CAUGHT_BY[name], ended.text
