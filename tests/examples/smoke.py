"""`smoke` of an example through `cvl run`, as it is and sabotaged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.sabotage import breaking

REPOSITORY = Path(__file__).resolve().parents[2]
# Of every run that trains, whatever the example.
LEFT_BEHIND = (
    *("config.yaml", "metrics.jsonl", "metrics.json", "evaluation/metrics.json", "visualizations/curves.png"),
    *("logs/epoch_metrics.csv", "logs/batch_metrics.csv"),
    *("checkpoints/best_model.pt", "checkpoints/latest_model.pt"),
)
SABOTAGE = REPOSITORY / "tests" / "sabotage"


@dataclass(frozen=True)
class Ended:
    """A run of `cvl run`, and its record."""

    code: int
    text: str
    record: dict[str, Any]

    @property
    def failed(self) -> set[str]:
        return {verdict["rule"] for verdict in self.record["verdicts"] if verdict["status"] == "fail"}

    def row(self, name: str, rules: Iterable[str]) -> str:
        """A row of the matrix, with what `rules` (such as `trend train_loss`) found."""
        found = {f"{v['rule']} {v['metric']}".strip(): v["found"] for v in self.record["verdicts"]}
        cells = [name, str(self.code), ", ".join(sorted(self.failed)) or "–", *(found.get(rule, "–") for rule in rules)]
        return f"| {' | '.join(cells)} |"


def smoke(python: Path, example: Path, output: Path, *words: str) -> Ended:
    command = [sys.executable, "-m", "cvl", "run", str(example), "smoke", "--engine", "local", "--python", str(python)]
    done = subprocess.run(
        [*command, "--accept-versions", "--output", str(output), *words],
        cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True,
    )  # fmt: skip
    record = json.loads((output / "latest" / "run.json").read_text())
    return Ended(done.returncode, done.stdout + done.stderr, record)


def check_healthy(example: Path, python: Path, output: Path) -> Ended:
    """It passes all its rules, and leaves what a run leaves."""
    ended = smoke(python, example, output)
    assert ended.code == 0, ended.text
    assert ended.record["verdict"] == "pass" and not ended.record["health_only"]
    assert ended.record["device"] == "cpu"
    for name in LEFT_BEHIND:
        assert (output / "latest" / name).stat().st_size > 0, name
    return ended


def check_break(example: Path, name: str, caught_by: Collection[str], python: Path, folder: Path) -> Ended:
    """It ends with 3, and one of the rules `caught_by` failed."""
    ended = smoke(python, sabotaged(example, name, folder), folder / "out")
    assert ended.code == 3, ended.text
    assert ended.failed & set(caught_by), ended.text
    return ended


def sabotaged(example: Path, name: str, folder: Path) -> Path:
    """A copy of the example in `folder`, with the break put in front of its train.py."""
    copy = folder / "examples" / example.name
    shutil.copytree(example, copy, ignore=shutil.ignore_patterns("outputs", "__pycache__"))
    breaking.install(SABOTAGE / f"{example.name.replace('-', '_')}.py", name, copy)
    return copy


def write_table(file: Path, about: str, columns: Iterable[str], rows: Iterable[str]) -> None:
    """The committed table of the matrix."""
    names = ("run", "exit code", "failed rules", *columns)
    head = f"| {' | '.join(names)} |\n|{' --- |' * len(names)}\n"
    file.write_text(f"{about}\n\n{head}" + "\n".join(rows) + "\n", encoding="utf-8")
