"""Export the trained model, and prove on real screens that the exported one finds the same.

    cvl run detectron2-ui-detection export                                   ONNX of the model trained last
    EXPORT_FORMAT=torchscript CHECKPOINT=best_model.pt cvl run detectron2-ui-detection export

The same pictures go through both; beyond the tolerance the preset fails. The whole detector is exported, NMS and
CONFIDENCE, IOU and MAX_DETECTIONS included. Input: one picture, 3xHxW, 0–255, BGR or RGB (export.json says which), of
any size: best with the longer side IMAGE_SIZE. Outputs: boxes (Nx4, pixels of the input), classes, scores and, of Mask
R-CNN, masks (Nx1x28x28, probabilities within each box).

Both formats are traced, on the CPU: tracing writes the device into the graph. The ONNX exporter that torch prefers
(dynamo=True) is not offered, because it refuses graphs that depend on what was found, as every R-CNN's does.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import agreement
import screens
import torch
from checkpoint import Detector
from dataset import SAMPLE
from find import judging
from library import TracingAdapter, quiet
from session import begin

from cvl import params as parameters
from cvl.errors import JobError
from cvl.kit import run, sources
from cvl.kit.runlog import write_json

OPSET = 17
SUFFIX = {"onnx": ".onnx", "torchscript": ".torchscript"}
PACKAGES = {"onnx": ("onnx", "onnxruntime"), "torchscript": ()}


def main() -> None:
    params = parameters.load(__file__)
    quiet(params.LOG_LEVEL, verbose=params.VERBOSE)
    form = params.EXPORT_FORMAT
    run.require(PACKAGES[form], form)
    pictures = sources.of_split(params.DATA_DIR, SAMPLE, params.SPLIT, params.NUM_SAMPLES)
    session = begin(__file__, params)
    detector, size = session.detector, session.image_size
    cfg = detector.cfg

    inputs = [screens.as_input(picture.path, cfg, size)["image"].float() for picture in pictures]
    target = session.folder / "exports" / f"best_model{SUFFIX[form]}"
    with judging(detector.model, params.CONFIDENCE):
        network = adapted(detector, inputs[0])
        write(network, inputs[0], target, form)
        run.say(f"{target}: {target.stat().st_size / 1e6:.1f} MB")
        limit = agreement.Limit(params.CONFIDENCE, params.MAX_DETECTIONS)
        found = agreement.measure(network, agreement.RUNTIMES[form](target), inputs, limit)
    report = {
        "file": target.name,
        "format": form,
        "opset": OPSET if form == "onnx" else None,
        "input": {"name": "image", "shape": [3, "height", "width"], "range": [0, 255], "channels": cfg.INPUT.FORMAT},
        "longer_side": size,
        "outputs": list(agreement.outputs(cfg.MODEL.MASK_ON)),
        "classes": list(detector.classes),
        "model": session.model,
        "checkpoint": str(session.file),
        "confidence": params.CONFIDENCE,
        "iou": params.IOU,
        "max_detections": params.MAX_DETECTIONS,
        "tolerance": asdict(agreement.TOLERANCE),
        "found": asdict(found),
    }
    write_json(session.folder / "exports" / "export.json", report)
    print(agreement.sentence(found))
    problems = agreement.beyond(found, agreement.TOLERANCE)
    if problems:
        raise JobError(f"the exported model differs from the trained one: {'; '.join(problems)}", hint=f"see {target}")
    print(f"{target}: within tolerance")


def adapted(detector: Detector, image: torch.Tensor) -> Any:
    """The model with tensors in and out: a picture (3,H,W) gives what `agreement.outputs` names."""
    names = ("pred_boxes", "pred_classes", "scores", *(["pred_masks"] if detector.cfg.MODEL.MASK_ON else []))

    def detect(model: Any, inputs: list[dict[str, torch.Tensor]]) -> list[torch.Tensor]:
        # R-CNN would else paste masks into the picture, which no graph can hold; RetinaNet has no such step.
        rcnn = hasattr(model, "roi_heads")
        (found,) = model.inference(inputs, do_postprocess=False) if rcnn else [model(inputs)[0]["instances"]]
        fields = [found.get(name) for name in names]
        return [getattr(field, "tensor", field) for field in fields]

    return TracingAdapter(detector.model, [{"image": image}], detect).eval()


def write(network: Any, image: torch.Tensor, target: Path, form: str) -> None:
    """Under a temporary name, then moved."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}")
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # tracing warns of every branch; what it got wrong the comparison shows
            WRITERS[form](network, image, temporary)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def write_onnx(network: Any, image: torch.Tensor, file: Path) -> None:
    found = agreement.outputs(len(network(image)) > 3)
    torch.onnx.export(
        network,
        (image,),
        str(file),
        dynamo=False,
        opset_version=OPSET,
        input_names=["image"],
        output_names=list(found),
        dynamic_axes={"image": {1: "height", 2: "width"}, **{name: {0: "found"} for name in found}},
    )


def write_torchscript(network: Any, image: torch.Tensor, file: Path) -> None:
    torch.jit.trace(network, (image,), check_trace=False).save(str(file))


WRITERS: dict[str, Callable[[Any, torch.Tensor, Path], None]] = {
    "onnx": write_onnx,
    "torchscript": write_torchscript,
}


if __name__ == "__main__":
    run.main(main)
