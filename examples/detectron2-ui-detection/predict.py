"""Find UI elements on pictures: boxes (and masks) as JSON, and the pictures with them drawn on.

    cvl run detectron2-ui-detection predict                                   the sample's test screens
    SOURCE=login.png cvl run detectron2-ui-detection predict                  a picture, or a folder of pictures

Boxes are in pixels of the picture as it is displayed, masks are COCO's compressed run lengths (pycocotools.mask.decode
reads them). A file that cannot be read is named and left out.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import find
import masks
from dataset import SAMPLE
from library import quiet
from PIL import Image
from session import Session, begin

from cvl import params as parameters
from cvl.formats import boxes
from cvl.kit import detection, drawing, run, samples, sheets, sources
from cvl.kit.runlog import write_json


def main() -> None:
    device = run.device()
    params = parameters.load(__file__, device=device)
    quiet(params.LOG_LEVEL, verbose=params.VERBOSE)
    files = sources.named(params.SOURCE, lambda: boxes.read(samples.folder(SAMPLE)).splits)
    session = begin(__file__, params)

    classes = session.detector.classes
    entries: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    times: list[float] = []
    for path, image in sources.readable(files, skipped):
        if not times:  # the first picture also pays for setting up
            detect(session, path, device, params.CONFIDENCE)
        began = time.perf_counter()
        found = detect(session, path, device, params.CONFIDENCE)
        times.append(1000 * (time.perf_counter() - began))
        drawn = f"visualizations/{len(times):04d}_{path.stem}.png"
        entries.append(entry(path, image.size, found, classes, drawn))
        drawing.save(draw(image, found, classes), session.folder / drawn)
        print(detection.line(path.name, find.boxes_of(found), classes))

    milliseconds = round(median(times), 1)
    used = {"image_size": session.image_size, "confidence": params.CONFIDENCE, "iou": params.IOU, "device": device}
    about = {"model": session.model, "checkpoint": str(session.file), "classes": list(classes), **used}
    summary = {**about, "latency_ms_median": milliseconds, "images": entries, "skipped": skipped}
    write_json(session.folder / "predictions.json", summary)
    total = sum(len(item["boxes"]) for item in entries)
    print(f"{total} boxes on {len(entries)} pictures, {len(skipped)} left out, median {milliseconds} ms a picture")
    run.say(f"the time is from file to boxes on this {device}; {session.folder / 'predictions.json'}")


def detect(session: Session, file: Path, device: str, confidence: float) -> Any:
    """The library's Instances, most certain first."""
    options = {"device": device, "confidence": confidence, "image_size": session.image_size}
    (found,) = find.instances(session.detector, [file], **options)
    return found[found.scores.argsort(descending=True, stable=True)]


def entry(path: Path, size: tuple[int, int], found: Any, classes: Sequence[str], drawn: str) -> dict[str, Any]:
    """What predictions.json says of one picture."""
    made = detection.entry(path, size, find.boxes_of(found), classes, drawn)
    if found.has("pred_masks"):
        for row, mask in zip(made["boxes"], found.pred_masks.numpy(), strict=True):
            row["mask"] = masks.encode(mask)
    return made


def draw(image: Image.Image, found: Any, classes: Sequence[str]) -> Image.Image:
    items = find.boxes_of(found)
    if found.has("pred_masks"):
        colours = [sheets.colour(item.box.label) for item in items]
        image = masks.tint(image, zip(found.pred_masks.numpy(), colours, strict=True))
    marks = [(f.box, f"{classes[f.box.label]} {f.score:.2f}", sheets.colour(f.box.label)) for f in items]
    return drawing.mark(image, marks)


if __name__ == "__main__":
    run.main(main)
