"""Export the trained model, and prove on real screens that the exported one finds the same.

    cvl run yolo-ui-detection export                                   ONNX of the model trained last
    EXPORT_FORMAT=torchscript CHECKPOINT=best_model.pt cvl run yolo-ui-detection export

The same pictures go through both: raw outputs are compared, then the boxes that are left after NMS. Beyond the
tolerance the preset fails. Input: 1x3xSIZExSIZE, RGB in 0–1, scaled and padded with grey; output: 1x(4+classes)xN,
centre and size in pixels of the input, then a score for each class. NMS is yours to do, or Ultralytics':
YOLO("best_model.onnx").predict(...) knows the rest from the file's metadata.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

import agreement
import checkpoint
from dataset import SAMPLE
from library import YOLO, quiet

from cvl import params as parameters
from cvl.errors import JobError
from cvl.kit import run, sources
from cvl.kit.runlog import write_json

SUFFIX = {"onnx": ".onnx", "torchscript": ".torchscript"}
PACKAGES = {"onnx": ("onnx", "onnxruntime", "onnxslim"), "torchscript": ()}


def main() -> None:
    params = parameters.load(__file__)
    quiet(params.LOG_LEVEL, verbose=params.VERBOSE)
    form = params.EXPORT_FORMAT
    run.require(PACKAGES[form], form)
    screens = sources.of_split(params.DATA_DIR, SAMPLE, params.SPLIT, params.NUM_SAMPLES)
    file, model, size, folder = checkpoint.begin(__file__, params)

    target = folder / "exports" / f"best_model{SUFFIX[form]}"
    convert(file, target, form, size)
    run.say(f"{target}: {target.stat().st_size / 1e6:.1f} MB")

    limits = {"conf_thres": params.CONFIDENCE, "iou_thres": params.IOU, "max_det": params.MAX_DETECTIONS}
    found = agreement.measure(model, agreement.RUNTIMES[form](target), screens, size, limits)
    report = {
        "file": target.name,
        "format": form,
        "opset": agreement.opset(target) if form == "onnx" else None,
        "input": {"name": "images", "shape": [1, 3, size, size], "range": [0, 1], "channels": "RGB", "padding": 114},
        "classes": list(model.names.values()),
        "model": checkpoint.name(model),
        "checkpoint": str(file),
        "confidence": params.CONFIDENCE,
        "tolerance": asdict(agreement.TOLERANCE),
        "found": asdict(found),
    }
    write_json(folder / "exports" / "export.json", report)
    print(agreement.sentence(found))
    problems = agreement.beyond(found, agreement.TOLERANCE)
    if problems:
        raise JobError(f"the exported model differs from the trained one: {'; '.join(problems)}", hint=f"see {target}")
    print(f"{target}: within tolerance")


def convert(file: Path, target: Path, form: str, size: int) -> None:
    """The library writes beside the checkpoint, so it gets a copy; then the result is moved into place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as scratch:
        copy = Path(shutil.copyfile(file, Path(scratch) / "best_model.pt"))
        model = YOLO(copy)
        model.model.args["data"] = ""  # the metadata would carry the path of the training data
        made = model.export(format=form, imgsz=size, device="cpu", verbose=False)
        os.replace(made, target)


if __name__ == "__main__":
    run.main(main)
