"""A made-up example that passes `cvl verify`, for tests to change and break."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cvl import manifest, render, tables

MANIFEST = """\
name: {name}
capability: perception/object_detection
modalities: [vision]
datasets: [made-up]
stability: stable
resources: {{gpu: 0, disk_gb: 1, shm_gb: 1}}
presets:
  build: {{script: build.sh, description: Build the Docker image}}
  train: {{command: [python, train.py], description: Train}}
  smoke: {{command: [python, train.py], env: {{NUM_EPOCHS: 20}}, description: A short run}}
tags: [toy]
tasks: [object_detection]
frameworks: [pytorch]
description: A loss that falls
license: Apache-2.0
environment: {{requirements: requirements.txt}}
parameters:
  NUM_EPOCHS: {{type: integer, default: 30, minimum: 1, description: Passes over the data, aliases: [EPOCHS]}}
  BATCH_SIZE: {{type: integer, default: 4, minimum: 1, description: Images per step, aliases: [data.batch_size]}}
  LR: {{type: number, default: 1e-1, minimum: 0, description: Learning rate}}
  OUTPUT_DIR: {{type: path, description: The run folder}}
verification:
  metrics:
    train_loss: {{key: train/loss}}
  presets:
    smoke:
      - finite: [train_loss]
      - trend: {{metric: train_loss, ratio_max: 0.8}}
"""

DOCKERFILE = """\
ARG BASE_IMAGE=python:3.11-slim
FROM ${BASE_IMAGE}
# The same first layers in every example.
RUN pip install --no-cache-dir \\
    torch==2.6.0 torchvision==0.21.0
COPY requirements.txt /tmp/
RUN pip install --no-cache-dir -r /tmp/requirements.txt \\
    && chmod 755 /root && mkdir -p /root/.cache && chmod 1777 /root/.cache
WORKDIR /workspace
"""

TRAIN = '''\
"""A loss that falls with LR."""

import json
import math
from pathlib import Path

from cvl import params as parameters

params = parameters.load(__file__)
folder = Path(params.OUTPUT_DIR or "outputs/alone")
folder.mkdir(parents=True, exist_ok=True)
with (folder / "metrics.jsonl").open("a") as log:
    for epoch in range(1, params.NUM_EPOCHS + 1):
        loss = math.exp(-params.LR * epoch) / params.BATCH_SIZE
        log.write(json.dumps({"step": epoch, "epoch": epoch, "time": float(epoch), "train/loss": loss}) + "\\n")
'''

REQUIREMENTS = "# made up\nnumpy==1.26.4\npillow==10.4.0\n"


def make_example(catalogue: Path, name: str = "toy-detection", files: Mapping[str, str] | None = None) -> Path:
    """The folder of a whole example inside `catalogue`; `files` replaces some of its texts before it is rendered."""
    folder = catalogue / name
    folder.mkdir(parents=True)
    texts = {
        "example.yaml": MANIFEST.format(name=name),
        "Dockerfile": DOCKERFILE,
        "train.py": TRAIN,
        "requirements.txt": REQUIREMENTS,
        **(files or {}),
    }
    for file, text in texts.items():
        (folder / file).write_text(text, encoding="utf-8")
    write_generated(folder)
    return folder


def write_generated(folder: Path) -> None:
    """build.sh, train.sh and README.md as the manifest in `folder` wants them."""
    example = manifest.load(folder / "example.yaml")
    for file, text in render.scripts(example).items():
        (folder / file).write_text(text, encoding="utf-8")
    for path in folder.glob("*.sh"):
        path.chmod(0o755)
    table = tables.parameter_table(example)
    readme = f"# {folder.name}\n\n<!-- cvl:parameters -->\n{table}\n<!-- /cvl:parameters -->\n"
    (folder / "README.md").write_text(readme, encoding="utf-8")
