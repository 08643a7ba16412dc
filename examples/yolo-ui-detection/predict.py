"""Find UI elements on pictures: boxes as JSON, and the pictures with the boxes drawn on them.

    cvl run yolo-ui-detection predict                                   the sample's test screens
    SOURCE=login.png cvl run yolo-ui-detection predict                  a picture, or a folder of pictures

Boxes are in pixels of the picture as it is displayed. A file that cannot be read is named and left out.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

import checkpoint
import pictures
from dataset import SAMPLE
from library import YOLO, quiet
from PIL import Image

from cvl import params as parameters
from cvl.formats import boxes
from cvl.kit import detection, drawing, run, samples, sheets, sources
from cvl.kit.drawing import Found
from cvl.kit.runlog import write_json


def main() -> None:
    device = run.device()
    params = parameters.load(__file__, device=device)
    quiet(params.LOG_LEVEL, verbose=params.VERBOSE)
    files = sources.named(params.SOURCE, lambda: boxes.read(samples.folder(SAMPLE)).splits)
    file, model, size, folder = checkpoint.begin(__file__, params)

    options = {"imgsz": size, "conf": params.CONFIDENCE, "iou": params.IOU, "max_det": params.MAX_DETECTIONS}
    classes = list(model.names.values())
    entries: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    times: list[float] = []
    for path, image in sources.readable(files, skipped):
        if not times:  # the first picture also pays for setting up
            detect(model, image, options)
        began = time.perf_counter()
        found = detect(model, image, options)
        times.append(1000 * (time.perf_counter() - began))
        entries.append(
            detection.entry(path, image.size, found, classes, f"visualizations/{len(times):04d}_{path.stem}.png")
        )
        drawing.save(draw(image, found, classes), folder / entries[-1]["drawn"])
        print(detection.line(path.name, found, classes))

    milliseconds = round(median(times), 1)
    used = {"image_size": size, "confidence": params.CONFIDENCE, "iou": params.IOU, "device": device}
    about = {"model": checkpoint.name(model), "checkpoint": str(file), "classes": classes, **used}
    summary = {**about, "latency_ms_median": milliseconds, "images": entries, "skipped": skipped}
    write_json(folder / "predictions.json", summary)
    total = sum(len(item["boxes"]) for item in entries)
    print(f"{total} boxes on {len(entries)} pictures, {len(skipped)} left out, median {milliseconds} ms a picture")
    run.say(f"the time is for scaling, network and NMS on this {device}; {folder / 'predictions.json'}")


def detect(model: YOLO, image: Image.Image, options: dict[str, Any]) -> list[Found]:
    return pictures.boxes_of(model.predict(image, verbose=False, **options))


def draw(image: Image.Image, found: Iterable[Found], classes: Sequence[str]) -> Image.Image:
    marks = [(f.box, f"{classes[f.box.label]} {f.score:.2f}", sheets.colour(f.box.label)) for f in found]
    return drawing.mark(image, marks)


if __name__ == "__main__":
    run.main(main)
