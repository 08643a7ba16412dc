"""Look before and after training: a batch exactly as the model sees it, and predictions beside the truth.

    cvl run yolo-ui-detection visualize                      the sample; predictions of the model trained last
    AUGMENT=strong cvl run yolo-ui-detection visualize --data my-screens

batch.png shows what the trainer gets: augmented, scaled, padded with grey, its boxes moved along. Look whether they
still fit. Without a checkpoint there is only the batch.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import checkpoint
import pictures
from dataset import View, prepare
from library import YOLO, build_yolo_dataset, check_det_dataset, get_cfg, quiet
from PIL import Image
from train import AUGMENT

from cvl import params as parameters
from cvl.errors import UsageError
from cvl.formats.boxes import Box
from cvl.kit import drawing, run, sheets


def main() -> None:
    device = run.device()
    params = parameters.load(__file__, device=device)
    quiet(params.LOG_LEVEL, verbose=params.VERBOSE)
    model, file = trained(params.CHECKPOINT, params.OUTPUT_DIR)
    size = checkpoint.image_size(model, params.settings["IMAGE_SIZE"]) if model else params.IMAGE_SIZE
    folder = run.folder(__file__, params.OUTPUT_DIR)
    shown = folder / "visualizations"
    checkpoint.keep_config(folder, params, CHECKPOINT=file and str(file), IMAGE_SIZE=size)
    split = params.SPLIT
    view = prepare(params.DATA_DIR, folder / "native" / "view", needs=("train", split), max_bad=params.MAX_BAD)
    classes = view.data.classes

    run.seed_everything(params.SEED, deterministic=False)
    overrides = {"imgsz": size, "fliplr": 0.0, "flipud": 0.0, **AUGMENT[params.AUGMENT]}
    cells = batch(view, params.BATCH_SIZE, overrides)
    title = f"a batch of train as the model sees it: {size} px, AUGMENT={params.AUGMENT}"
    sheets.write(cells, classes, title, shown / "batch.png")
    print(f"{shown / 'batch.png'}: {len(cells)} pictures, {sum(len(one.boxes) for one in cells)} boxes")

    if model:
        checkpoint.fit(model, classes)
        chosen = sample(len(view.links[split]), params.NUM_SAMPLES, params.SEED)
        screens = [view.data.splits[split][i] for i in chosen]
        links = [view.links[split][i] for i in chosen]
        find = pictures.finder(model, image_size=size, confidence=params.CONFIDENCE)
        found = [find(link) for link in links]
        compared = [drawing.compare(screen.boxes, boxes) for screen, boxes in zip(screens, found, strict=True)]
        drawing.draw_worst(screens, compared, classes, shown, prefix=split, count=len(screens))
        f1 = sum(one.f1 for one in compared) / len(compared)
        print(f"{shown}/{split}_*.png: {len(screens)} pictures, worst first, mean F1 {f1:.3f}")


def trained(wanted: str | None, output_dir: str | None) -> tuple[YOLO | None, Path | None]:
    """The model and its file; neither where none was trained yet and none is asked for."""
    try:
        file = checkpoint.find(wanted, output_dir)
    except UsageError as error:
        if wanted:
            raise
        run.say(f"{error.message}: the batch alone is shown")
        return None, None
    return checkpoint.load(file), file


def batch(view: View, count: int, overrides: dict[str, Any]) -> list[sheets.Cell]:
    """The first pictures that training gets under these overrides, through the library's own data set."""
    data = check_det_dataset(str(view.config))
    config = get_cfg(overrides={"task": "detect", "mode": "train", **overrides})
    items = build_yolo_dataset(config, data["train"], count, data)
    return [_cell(items[i]) for i in sample(len(items), count, seed=random.randrange(2**32))]


def sample(total: int, count: int, seed: int) -> list[int]:
    return random.Random(seed).sample(range(total), min(count, total))


def _cell(item: dict[str, Any]) -> sheets.Cell:
    """From the tensor (3, height, width) and the boxes (centre and size in fractions) that go into the network."""
    image = Image.fromarray(item["img"].permute(1, 2, 0).numpy())
    boxes = []
    for label, (x, y, w, h) in zip(item["cls"].flatten().tolist(), item["bboxes"].tolist(), strict=True):
        corners = (x - w / 2) * image.width, (y - h / 2) * image.height, (x + w / 2) * image.width
        boxes.append(Box(int(label), *corners, (y + h / 2) * image.height))
    return sheets.cell(image, boxes, Path(item["im_file"]).resolve().name)


if __name__ == "__main__":
    run.main(main)
