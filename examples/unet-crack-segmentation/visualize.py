"""Look before and after training: a batch exactly as the model sees it, and predictions beside the truth.

    cvl run unet-crack-segmentation visualize                      the sample; predictions of the model trained last
    AUGMENT=strong cvl run unet-crack-segmentation visualize --data my-roads

batch.png shows the crops that training gets in its first step, below them the same with the mask outlined. Look whether
the line still runs around the crack, and whether you would see the crack yourself. Without a checkpoint that is all.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import data
import pictures
import scoring
import session
import sheets
import torch
import trained
import views
from PIL import Image
from torchvision.transforms.v2.functional import to_pil_image

from cvl import params as parameters
from cvl.errors import UsageError
from cvl.kit import drawing, loading, processes, run
from cvl.kit.runlog import write_config
from cvl.params import Values

GAP, COLUMNS, WIDTH = 8, 4, 256


def main() -> None:
    device = run.device()
    params = parameters.load(__file__, device=device)
    file = checkpoint(params)
    used = session.begin(__file__, params, file) if file else None
    folder = used.folder if used else run.folder(__file__, params.OUTPUT_DIR)
    if not used:
        write_config(folder, params.settings, effective={})
    size = used.tiles.size if used else views.sides(params.IMAGE_SIZE, 1)
    split = params.SPLIT
    sets = data.prepare(params, needs=("train", split))

    loader = data.training_loader(sets, params, size)
    loading.begin_epoch(loader, 1)
    images, masks, numbers = next(iter(loader))
    names = [sets.train[int(number) % len(sets.train)].path.name for number in numbers]
    shown = folder / "visualizations"
    drawing.save(batch(images, masks, names), shown / "batch.png")
    share = float(masks.mean())
    what = f"{len(images)} crops of {size[1]}x{size[0]}, {share:.2%} crack, AUGMENT={params.AUGMENT}"
    print(f"{shown / 'batch.png'}: {what}")

    if used:
        whole = sets.data.splits[split]
        chosen = tuple(random.Random(params.SEED).sample(whole, min(params.NUM_SAMPLES, len(whole))))
        gallery = pictures.Gallery(chosen, len(chosen), used.threshold)
        fabric = processes.fabric(params.PRECISION, devices=1)
        model = fabric.to_device(used.model)
        judged = scoring.judge(
            model,
            data.whole_pictures(chosen, params),
            used.tiles,
            fabric=fabric,
            threshold=used.threshold,
            cldice=False,
            seen=gallery.keep,
        )
        gallery.write(shown, prefix=split)
        mean = sum(judged.dice) / len(chosen)
        print(f"{shown}/{split}_*.png: {len(chosen)} pictures, worst first, mean Dice {mean:.3f}")


def checkpoint(params: Values) -> Path | None:
    """CHECKPOINT, or the model trained last; None where there is none yet and none is asked for."""
    try:
        return trained.find(params)
    except UsageError as error:
        if params.CHECKPOINT:
            raise
        run.say(f"{error.message}: the batch alone is shown")
        return None


def batch(images: Any, masks: Any, names: list[str]) -> Image.Image:
    """Crops (N, 3, H, W) as they go into the network, and below each the same with its mask (N, 1, H, W) outlined."""
    columns = [
        _column(_enlarged(views.visible(image)), _enlarged((mask * 255).to(torch.uint8)), name)
        for image, mask, name in zip(images, masks, names, strict=True)
    ]
    return _stacked([drawing.beside(columns[i : i + COLUMNS], GAP) for i in range(0, len(columns), COLUMNS)])


def _column(crop: Image.Image, mask: Image.Image, name: str) -> Image.Image:
    return _stacked([drawing.titled(crop, name), sheets.outlined(crop, mask)])


def _enlarged(pixels: torch.Tensor) -> Image.Image:
    """Small crops, pixel by pixel, so that something can be seen."""
    image = to_pil_image(pixels)
    times = max(1, WIDTH // image.width)
    return image.resize((times * image.width, times * image.height), Image.Resampling.NEAREST)


def _stacked(panels: Sequence[Image.Image]) -> Image.Image:
    """One below the other on white."""
    height = sum(panel.height + GAP for panel in panels) - GAP
    sheet = Image.new("RGB", (max(panel.width for panel in panels), height), "white")
    y = 0
    for panel in panels:
        sheet.paste(panel, (0, y))
        y += panel.height + GAP
    return sheet


if __name__ == "__main__":
    run.main(main)
