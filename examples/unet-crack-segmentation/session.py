"""What every preset that uses a trained model begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trained
from scoring import threshold_asked
from tiles import Tiles
from torch import nn

from cvl.contract import METRICS
from cvl.kit import run
from cvl.kit.run import say
from cvl.kit.runlog import write_config
from cvl.params import Values

UNDECIDED = 0.5


@dataclass(frozen=True)
class Session:
    """A model on the CPU, in evaluation mode, and how it is used; `folder` is the preset's run folder."""

    file: Path
    model: nn.Module
    config: Mapping[str, Any]
    tiles: Tiles
    threshold: float
    folder: Path

    @property
    def name(self) -> str:
        """The architecture and what encodes for it."""
        model = str(self.config["MODEL"])
        return model if model == "swin_unet" else f"{model} on {self.config['ENCODER']}"

    def about(self) -> dict[str, Any]:
        """What the JSON of a preset says of the model."""
        height, width = self.tiles.size
        used = {"threshold": self.threshold, "window": [height, width]}
        return {"model": self.name, "checkpoint": str(self.file), **used}


def begin(script: str, params: Values, file: Path | None = None) -> Session:
    """The model in `file` (None: CHECKPOINT), and a run folder with config.yaml.

    IMAGE_SIZE and THRESHOLD are those of the checkpoint unless they are set.
    """
    file = file or trained.find(params)
    found = trained.load(file)
    tiles, threshold = found.tiles(params), _threshold(found, params)
    folder = run.folder(script, params.OUTPUT_DIR)
    if not (folder / METRICS).exists():  # else OUTPUT_DIR is the run that trained the model
        shape = {name: found.config[name] for name in ("MODEL", "ENCODER", "EMBED_DIM")}
        used = {"CHECKPOINT": str(file), "IMAGE_SIZE": ",".join(map(str, tiles.size)), "THRESHOLD": threshold}
        write_config(folder, params.settings, effective={**shape, **used})
    return Session(file, found.model, found.config, tiles, threshold, folder)


def _threshold(found: trained.Trained, params: Values) -> float:
    chosen = found.config.get("THRESHOLD")
    asked = threshold_asked(params)
    if asked is not None:
        note = "" if chosen is None else f", the checkpoint has {chosen:g}"
        say(f"THRESHOLD={asked:g}{note}")
        return asked
    if chosen is None:
        say(f"the checkpoint has no threshold, its epoch was not validated: {UNDECIDED:g}")
        return UNDECIDED
    return float(chosen)
