"""Find cracks on pictures of any size: masks, drawings, and what they say about each crack.

    cvl run unet-crack-segmentation predict                            the sample's test pictures
    SOURCE=road.jpg cvl run unet-crack-segmentation predict            a picture, or a folder of pictures

Masks are as large as the picture is displayed (EXIF orientation applied). Lengths are those of the centre line, in
pixels; the width is area by length. A file that cannot be read is named and left out.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import fetch
import measures
import numpy as np
import session
import torch
import writing
from measures import Crack
from PIL import Image
from torchvision import tv_tensors

from cvl import params as parameters
from cvl.formats import masks
from cvl.kit import drawing, processes, run, samples, sources
from cvl.kit.datasets import normalise
from cvl.kit.runlog import write_json

_PAINT = np.array((255, 0, 90))


def main() -> None:
    device = run.device()
    params = parameters.load(__file__, device=device)
    files = sources.named(params.SOURCE, lambda: masks.read(samples.folder(fetch.SAMPLE)).splits)
    names = dict(zip(files, writing.names(files), strict=True))
    used = session.begin(__file__, params)
    fabric = processes.fabric(params.PRECISION, devices=1)
    model = fabric.to_device(used.model)

    entries: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    times: list[float] = []
    for path, image in sources.readable(files, skipped):
        name = names[path]
        began = time.perf_counter()
        probability = probabilities(model, image, used.tiles, fabric)
        times.append(1000 * (time.perf_counter() - began))
        found = probability >= np.float32(used.threshold)
        cracks = measures.cracks(found)
        entries.append(entry(path, name, found, cracks))
        writing.mask(found, used.folder / entries[-1]["mask"])
        drawing.save(painted(image, found), used.folder / entries[-1]["drawn"])
        if params.SAVE_PROBABILITIES:
            writing.probability(probability, used.folder / "probabilities" / f"{name}.png")
        print(line(path.name, found, cracks))

    milliseconds = round(median(times), 1)
    about = {**used.about(), "device": device, "latency_ms_median": milliseconds}
    write_json(used.folder / "predictions.json", {**about, "images": entries, "skipped": skipped})
    cracked = sum(bool(item["cracks"]) for item in entries)
    print(f"{cracked} of {len(entries)} pictures with a crack, {len(skipped)} left out, median {milliseconds} ms each")
    run.say(f"masks, pictures and predictions.json: {used.folder}")


@torch.inference_mode()
def probabilities(model: Any, image: Image.Image, tiles: Any, fabric: Any) -> np.ndarray:
    """Of a crack, (H, W) float32."""
    pixels = tv_tensors.Image(torch.from_numpy(np.array(image).transpose(2, 0, 1)))
    with fabric.autocast():
        logits = tiles.logits(model, fabric.to_device(normalise()(pixels).as_subclass(torch.Tensor)[None]))
    return np.asarray(logits[0, 0].sigmoid().cpu())


def entry(path: Path, name: str, found: np.ndarray, cracks: Sequence[Crack]) -> dict[str, Any]:
    """What predictions.json says about one picture; `box` is x0, y0, x1, y1."""
    rows = [{**asdict(crack), "length": round(crack.length, 1), "width": round(crack.width, 2)} for crack in cracks]
    length = sum(crack.length for crack in cracks)
    return {
        "file": str(path),
        "width": found.shape[1],
        "height": found.shape[0],
        "crack_share": float(found.mean()),
        "crack_length": round(length, 1),
        "crack_width": round(float(found.sum()) / length, 2) if cracks else None,
        "cracks": rows,
        "mask": f"masks/{name}.png",
        "drawn": f"drawn/{name}.png",
    }


def painted(image: Image.Image, found: np.ndarray) -> Image.Image:
    """The picture, cracks in a colour that no road has, through which it can still be seen."""
    drawn = np.array(image)
    drawn[found] = (0.35 * drawn[found] + 0.65 * _PAINT).astype(np.uint8)
    return Image.fromarray(drawn)


def line(name: str, found: np.ndarray, cracks: Sequence[Crack]) -> str:
    if not cracks:
        return f"{name}: no crack"
    length = sum(crack.length for crack in cracks)
    number = f"{len(cracks)} cracks" if len(cracks) > 1 else "1 crack"
    return (
        f"{name}: {number}, {length:.0f} px long, {found.sum() / length:.1f} px wide, {found.mean():.2%} of the picture"
    )


if __name__ == "__main__":
    run.main(main)
