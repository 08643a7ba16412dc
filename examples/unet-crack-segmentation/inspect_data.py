"""The data set: where it comes from, whether it is sound, what is in it, and how it looks.

    cvl run unet-crack-segmentation data                         the shipped sample
    cvl run unet-crack-segmentation data --data my-roads         own pictures and masks
    DATASET=crackforest cvl run unet-crack-segmentation data     a public set, fetched once

Ends with 2 where there are more faults than MAX_BAD. `generate` makes as many cracks as you like.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fetch
import numpy as np
import sheets
from scipy.ndimage import distance_transform_edt
from skimage.morphology import skeletonize

from cvl import params as parameters
from cvl.formats import maskfile, masks
from cvl.formats.masks import MaskDataset, Picture
from cvl.kit import run, samples, sources
from cvl.kit.runlog import write_config, write_json

MEASURED = 200  # pictures of a split whose cracks are measured, at even distances


def main() -> None:
    params = parameters.load(__file__)
    root = fetch.locate(params.DATA_DIR, params.DATASET, params.ARCHIVE)
    data = masks.read(root)
    folder = run.folder(__file__, params.OUTPUT_DIR)
    write_config(folder, params.settings, effective={})
    print("\n".join(origin(root)))
    for note in data.notes:
        print(f"note: {note}")
    print("\n" + "\n".join(table(data)))

    report = masks.stats(data) | {"folder": str(root), "problems": [str(problem) for problem in data.problems]}
    write_json(folder / "data.json", report)
    for split, pictures in data.splits.items():
        if pictures:
            title = f"{split}: {len(pictures)} pictures, cracks outlined"
            sheets.write(
                sources.spread(pictures, params.NUM_SAMPLES), title, folder / "visualizations" / f"{split}.png"
            )
    run.say(f"contact sheets: {folder / 'visualizations'}; {folder / 'data.json'}")
    for problem in data.problems:
        print(f"fault: {problem}")
    masks.check(data, params.MAX_BAD)
    print(f"\n{len(data.problems)} faults, MAX_BAD={params.MAX_BAD}: fit for training")


def origin(root: Path) -> list[str]:
    """The folder, and what its record says about where the pictures come from."""
    lines = [f"{root}{' (shipped with cvl)' if root.is_relative_to(samples.ROOT) else ''}"]
    generated, fetched = (_record(root / name) for name in ("generated.json", fetch.RECORD))
    if generated:
        lines.append(f"  generated with seed {generated['seed']}: drawn cracks on textures of scikit-image (CC0)")
    if fetched:
        lines.append(f"  fetched from {fetched['url']} (SHA-256 {fetched['sha256'][:12]}…); {fetched['terms']}")
    return lines


def _record(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return found


def table(data: MaskDataset) -> list[str]:
    """Pictures, empty masks, share of crack pixels, and width of the cracks (px) of each split."""
    lines = [f"{'split':<8}{'pictures':>9}{'empty':>7}{'crack':>9}{'per picture':>16}{'width px':>20}   sizes"]
    for split, found in masks.stats(data)["splits"].items():
        if not found["images"]:
            continue
        share = found["foreground_per_image"]
        sizes = ", ".join(f"{size} ({count})" for size, count in list(found["sizes"].items())[:3])
        widths = [w for w in map(width, sources.spread(data.splits[split], MEASURED)) if w]
        thick = f"{min(widths):.1f} … {np.median(widths):.1f} … {max(widths):.1f}" if widths else "–"
        each = f"{share['min']:.1%} … {share['max']:.1%}"
        counts = f"{split:<8}{found['images']:>9}{found['empty']:>7}{found['foreground']:>9.2%}"
        lines.append(f"{counts}{each:>16}{thick:>20}   {sizes}")
    return lines


def width(picture: Picture) -> float:
    """Mean width of the cracks in pixels, 0 for none: twice the distance from middle line to border, less one."""
    mask = np.asarray(maskfile.load(picture.mask)) > 0
    if not mask.any() or mask.all():
        return 0.0
    return float(2 * distance_transform_edt(mask)[skeletonize(mask)].mean() - 1)


if __name__ == "__main__":
    run.main(main)
