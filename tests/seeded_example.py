"""A made-up example whose result depends on SEED a little: what calibrate, compare and evidence are tested on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]

MANIFEST = """\
name: seeded
capability: perception/object_detection
stability: stable
tasks: [object_detection]
frameworks: [none]
description: A job that writes a made-up log.
presets:
  train: {command: [python, train.py], description: Train}
  smoke: {command: [python, train.py], env: {NUM_EPOCHS: 12}, description: Short}
  bare: {command: [python, train.py], description: Without a rule that is measured}
parameters:
  NUM_EPOCHS: {type: integer, default: 30, minimum: 1, description: Epochs}
  BATCH_SIZE: {type: integer, default: 4, minimum: 1, description: Batch}
  LR: {type: number, default: 0.1, minimum: 0, description: Learning rate}
  NUM_WORKERS: {type: integer, default: 0, description: Loaders, affects_result: false}
  SEED: {type: integer, default: 0, description: Seed, affects_result: false}
  WEIGHTS: {type: path, default: auto, words: [auto, none], description: Start}
  MODE: {type: string, default: healthy, description: How the job behaves}
  OUTPUT_DIR: {type: path, description: Run folder}
verification:  # how a run is judged
  metrics:
    train_loss: {key: train/loss, kind: loss}
    map50: {key: val/map50, better: higher}   # the headline
  presets:
    train:
      - finite: [train_loss]
      - trend: {metric: train_loss, ratio_max: 0.8}   # a guess

      # The bound, also a guess.
      - range: {metric: map50, at: best, min: 0.2}  # é
        when: {device: cpu}
    smoke:
      - finite: [train_loss]
    bare:
      - finite: [train_loss]
"""

TRAIN = """\
import json, math, random
from pathlib import Path
from cvl import params as parameters
from helper import row

params = parameters.load(__file__)
folder = Path(params.OUTPUT_DIR)
weights = "none" if params.MODE == "offline" else params.WEIGHTS
(folder / "config.yaml").write_text(f"x-job: {{device: cpu, splits: {{train: 8}}}}\\nWEIGHTS: {weights}\\n")
rate = params.LR * (1 + 0.02 * random.Random(params.SEED).uniform(-1, 1))
if params.MODE == "better":
    rate *= 1.5
with (folder / "metrics.jsonl").open("a") as log:
    for epoch in range(1, params.NUM_EPOCHS + 1):
        loss = math.nan if params.MODE == "nan" else math.exp(-rate * epoch)
        log.write(json.dumps(row(epoch, loss, 0.6 * (1 - math.exp(-rate * epoch)))) + "\\n")
"""

HELPER = """\
from cvl.kit import meters


def row(epoch, loss, gain):
    return {"step": epoch, "epoch": epoch, "time": 0.0, "train/loss": loss, "val/map50": gain}
"""


def make(root: Path, name: str = "seeded") -> Path:
    """The folder of the example in the catalogue `root`/examples."""
    folder = root / "examples" / name
    folder.mkdir(parents=True)
    (folder / "example.yaml").write_text(MANIFEST.replace("name: seeded", f"name: {name}"), encoding="utf-8")
    (folder / "train.py").write_text(TRAIN, encoding="utf-8")
    (folder / "helper.py").write_text(HELPER, encoding="utf-8")
    return folder


def cvl(folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, from the catalogue's root."""
    root = folder.parents[1]
    path = {"PATH": os.environ["PATH"], "HOME": str(root), "PYTHONPATH": str(REPOSITORY), "COLUMNS": "200", **environ}
    command = [sys.executable, "-m", "cvl", *words]
    return subprocess.run(command, cwd=root, env=path, capture_output=True, timeout=120, text=True, errors="replace")


def train(folder: Path, run: str, *settings: str, preset: str = "train") -> Path:
    """The folder of a new run."""
    words = [word for setting in settings for word in ("-e", setting)]
    done = cvl(folder, "run", folder.name, preset, "--engine", "local", "--name", run, *words)
    assert (folder / "outputs" / run / "run.json").is_file(), done.stdout + done.stderr
    return folder / "outputs" / run
