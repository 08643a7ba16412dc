"""Find UI elements on pictures: boxes (and masks) as JSON, and the pictures with them drawn on.

    cvl run detectron2-ui-detection predict                                   the sample's test screens
    SOURCE=login.png cvl run detectron2-ui-detection predict                  a picture, or a folder of pictures

Boxes are in pixels of the picture as it is displayed, masks are COCO's compressed run lengths (pycocotools.mask.decode
reads them). A file that cannot be read is named and left out.
"""

from __future__ import annotations

import time
from collections import Counter
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
from cvl.errors import DataError
from cvl.formats import boxes
from cvl.formats.pictures import SUFFIXES, listing
from cvl.kit import drawing, run, samples, sheets
from cvl.kit.runlog import write_json


def main() -> None:
    device = run.device()
    params = parameters.load(__file__, device=device)
    quiet(params.LOG_LEVEL, verbose=params.VERBOSE)
    files = sources(params.SOURCE)
    session = begin(__file__, params)

    classes = session.detector.classes
    entries: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    times: list[float] = []
    for path in files:
        try:
            image = drawing.upright(path)
        except Exception as error:  # Pillow raises whatever its decoders raise
            skipped.append({"file": str(path), "reason": f"not a readable picture ({type(error).__name__})"})
            run.say(f"left out: {path}: {skipped[-1]['reason']}")
            continue
        if not times:  # the first picture also pays for setting up
            detect(session, path, device, params.CONFIDENCE)
        began = time.perf_counter()
        found = detect(session, path, device, params.CONFIDENCE)
        times.append(1000 * (time.perf_counter() - began))
        entries.append(entry(path, image, found, classes, f"visualizations/{len(times):04d}_{path.stem}.png"))
        drawing.save(draw(image, found, classes), session.folder / entries[-1]["drawn"])
        print(line(path.name, found, classes))
    if not entries:
        raise DataError(f"SOURCE: none of {len(files)} file(s) could be read as a picture", hint="PNG, JPEG or WebP")

    milliseconds = round(median(times), 1)
    used = {"image_size": session.image_size, "confidence": params.CONFIDENCE, "iou": params.IOU, "device": device}
    about = {"model": session.model, "checkpoint": str(session.file), "classes": list(classes), **used}
    summary = {**about, "latency_ms_median": milliseconds, "images": entries, "skipped": skipped}
    write_json(session.folder / "predictions.json", summary)
    total = sum(len(item["boxes"]) for item in entries)
    print(f"{total} boxes on {len(entries)} pictures, {len(skipped)} left out, median {milliseconds} ms a picture")
    run.say(f"the time is from file to boxes on this {device}; {session.folder / 'predictions.json'}")


def sources(wanted: str | None) -> list[Path]:
    """The pictures that SOURCE names; unset: the test screens of the shipped sample."""
    if wanted is None:
        splits = boxes.read(samples.folder(SAMPLE)).splits
        return [picture.path for picture in splits.get("test") or splits["val"]]
    path = Path(wanted)
    if not path.exists():
        raise DataError(f"SOURCE {path}: there is no such file or folder", hint="a picture, or a folder of pictures")
    found = listing(path) if path.is_dir() else [path]
    if not found:
        raise DataError(f"SOURCE {path}: no picture in it or below", hint=f"known are {', '.join(sorted(SUFFIXES))}")
    return found


def detect(session: Session, file: Path, device: str, confidence: float) -> Any:
    """The library's Instances, most certain first."""
    options = {"device": device, "confidence": confidence, "image_size": session.image_size}
    (found,) = find.instances(session.detector, [file], **options)
    return found[found.scores.argsort(descending=True, stable=True)]


def entry(path: Path, image: Image.Image, found: Any, classes: Sequence[str], drawn: str) -> dict[str, Any]:
    """What predictions.json says about one picture; `box` is x0, y0, x1, y1."""
    rows = [
        {
            "class": classes[item.box.label],
            "score": round(item.score, 4),
            "box": [round(side, 1) for side in (item.box.x0, item.box.y0, item.box.x1, item.box.y1)],
        }
        for item in find.boxes_of(found)
    ]
    if found.has("pred_masks"):
        for row, mask in zip(rows, found.pred_masks.numpy(), strict=True):
            row["mask"] = masks.encode(mask)
    return {"file": str(path), "width": image.width, "height": image.height, "boxes": rows, "drawn": drawn}


def draw(image: Image.Image, found: Any, classes: Sequence[str]) -> Image.Image:
    items = find.boxes_of(found)
    if found.has("pred_masks"):
        colours = [sheets.colour(item.box.label) for item in items]
        image = masks.tint(image, zip(found.pred_masks.numpy(), colours, strict=True))
    marks = [(f.box, f"{classes[f.box.label]} {f.score:.2f}", sheets.colour(f.box.label)) for f in items]
    return drawing.mark(image, marks)


def line(name: str, found: Any, classes: Sequence[str]) -> str:
    counts = Counter(classes[label] for label in found.pred_classes.tolist())
    text = ", ".join(f"{number} {label}" for label, number in counts.most_common())
    return f"{name}: {text or 'nothing found'}"


if __name__ == "__main__":
    run.main(main)
