"""What a preset begins with: the trained model, how large pictures are for it, and the run folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import checkpoint
from checkpoint import Detector

from cvl.contract import METRICS
from cvl.kit import run
from cvl.kit.run import say
from cvl.kit.runlog import write_config
from cvl.params import Setting, Value, Values


@dataclass(frozen=True)
class Session:
    """`file` is the checkpoint of `detector`, `folder` the run folder of the preset."""

    file: Path
    detector: Detector
    image_size: int
    folder: Path

    @property
    def model(self) -> str:
        return str(self.detector.config["MODEL"])


def begin(script: str, params: Values) -> Session:
    """CHECKPOINT under this preset's limits, and its run folder with config.yaml."""
    file, detector, size = trained(params)
    folder = run.folder(script, params.OUTPUT_DIR)
    session = Session(file, detector, size, folder)
    keep_config(folder, params, CHECKPOINT=str(file), IMAGE_SIZE=size, MODEL=session.model)
    return session


def trained(params: Values) -> tuple[Path, Detector, int]:
    """CHECKPOINT, the detector in it, and its image size."""
    file = checkpoint.find(params)
    detector = checkpoint.load(file)
    limit(detector.model, iou=params.IOU, max_detections=params.MAX_DETECTIONS)
    return file, detector, image_size(detector, params.settings["IMAGE_SIZE"])


def keep_config(folder: Path, params: Values, **effective: Value) -> None:
    """config.yaml, unless OUTPUT_DIR is the run that trained the model."""
    if not (folder / METRICS).exists():
        write_config(folder, params.settings, effective=effective)


def image_size(detector: Detector, setting: Setting) -> int:
    """IMAGE_SIZE where somebody chose it, else the size that the model was trained with."""
    if setting.source in ("default", "device"):
        return detector.image_size
    if setting.value != detector.image_size:
        say(f"IMAGE_SIZE={setting.value}, the model was trained with {detector.image_size}")
    return int(str(setting.value))


def limit(model: Any, *, iou: float, max_detections: int) -> None:
    """Which boxes are left: R-CNN keeps these numbers in its box predictors, RetinaNet in itself."""
    for part in model.modules():
        if hasattr(part, "test_nms_thresh"):
            part.test_nms_thresh = iou
            name = "test_topk_per_image" if hasattr(part, "test_topk_per_image") else "max_detections_per_image"
            setattr(part, name, max_detections)
