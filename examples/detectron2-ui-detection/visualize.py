"""Look before and after training: a batch exactly as the model sees it, and predictions beside the truth.

    cvl run detectron2-ui-detection visualize                      the sample; predictions of the model trained last
    AUGMENT=strong cvl run detectron2-ui-detection visualize --data my-screens

batch.png shows what the trainer gets: augmented and scaled, its boxes (Mask R-CNN: outlines too) moved along. Look
whether they still fit. Without a checkpoint there is only the batch.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import find
import masks
import session as sessions
from checkpoint import Detector
from configuration import base
from dataset import View, prepare
from library import BitMasks, quiet
from PIL import Image
from screens import Screens, augmentations

from cvl import params as parameters
from cvl.errors import UsageError
from cvl.formats.boxes import Box
from cvl.kit import drawing, run, sheets
from cvl.params import Values


def main() -> None:
    device = run.device()
    params = parameters.load(__file__, device=device)
    quiet(params.LOG_LEVEL, verbose=params.VERBOSE)
    file, detector, size = trained(params)
    folder = run.folder(__file__, params.OUTPUT_DIR)
    shown = folder / "visualizations"
    sessions.keep_config(folder, params, CHECKPOINT=file and str(file), IMAGE_SIZE=size)
    view = prepare(params.DATA_DIR, needs=("train", params.SPLIT), max_bad=params.MAX_BAD)

    run.seed_everything(params.SEED, deterministic=False)
    cfg = detector.cfg if detector else base(params.MODEL)
    augment = augmentations(params.AUGMENT, size)
    cells = batch(Screens(view.records("train"), cfg, augment, seed=params.SEED), params.BATCH_SIZE, cfg)
    title = f"a batch of train as the model sees it: {size} px, AUGMENT={params.AUGMENT}"
    sheets.write(cells, view.data.classes, title, shown / "batch.png")
    print(f"{shown / 'batch.png'}: {len(cells)} pictures, {sum(len(one.boxes) for one in cells)} boxes")
    if detector:
        beside_truth(detector, view, params, shown, device=device, image_size=size)


def trained(params: Values) -> tuple[Path | None, Detector | None, int]:
    """The model, its file and its image size; only the last where none was trained yet and none is asked for."""
    try:
        return sessions.trained(params)
    except UsageError as error:
        if params.CHECKPOINT:
            raise
        run.say(f"{error.message}: the batch alone is shown")
        return None, None, params.IMAGE_SIZE


def batch(data: Screens, count: int, cfg: Any) -> list[sheets.Cell]:
    """Pictures of the first epoch, as tensors go into the network."""
    chosen = random.sample(range(len(data)), min(count, len(data)))
    return [cell(data[0, index], cfg) for index in chosen]


def cell(item: dict[str, Any], cfg: Any) -> sheets.Cell:
    """From the tensor (3,H,W) and the library's Instances."""
    pixels = item["image"].permute(1, 2, 0).numpy()
    image = Image.fromarray(pixels[:, :, ::-1] if cfg.INPUT.FORMAT == "BGR" else pixels)
    truth = item["instances"]
    labels = truth.gt_classes.tolist()
    if cfg.MODEL.MASK_ON and labels:
        outlines = BitMasks.from_polygon_masks(truth.gt_masks, image.height, image.width).tensor.numpy()
        image = masks.tint(image, zip(outlines, map(sheets.colour, labels), strict=True))
    found = [Box(label, *corners) for label, corners in zip(labels, truth.gt_boxes.tensor.tolist(), strict=True)]
    return sheets.cell(image, found, Path(item["file_name"]).name)


def beside_truth(detector: Detector, view: View, params: Values, shown: Path, *, device: str, image_size: int) -> None:
    """Some screens of SPLIT, those with the most mistakes first."""
    detector.fit(view.data.classes)
    pictures = view.data.splits[params.SPLIT]
    chosen = random.Random(params.SEED).sample(pictures, min(params.NUM_SAMPLES, len(pictures)))
    files = [picture.path for picture in chosen]
    options = {"device": device, "confidence": params.CONFIDENCE, "image_size": image_size}
    found = find.find(detector, files, **options)
    compared = [drawing.compare(picture.boxes, boxes) for picture, boxes in zip(chosen, found, strict=True)]
    drawing.draw_worst(chosen, compared, view.data.classes, shown, prefix=params.SPLIT, count=len(chosen))
    f1 = sum(one.f1 for one in compared) / len(compared)
    print(f"{shown}/{params.SPLIT}_*.png: {len(chosen)} pictures, worst first, mean F1 {f1:.3f}")


if __name__ == "__main__":
    run.main(main)
