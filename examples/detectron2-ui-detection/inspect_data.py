"""The data set: where it comes from, whether it is sound, what is in it, and how it looks.

    cvl run detectron2-ui-detection data                        the shipped sample
    cvl run detectron2-ui-detection data --data my-screens      own screenshots, YOLO or COCO labels

It also says how many boxes the anchors reach at IMAGE_SIZE, with COCO's shapes and with ANCHOR_SIZES and ASPECT_RATIOS.
Ends with 2 where there are more faults than MAX_BAD. `capture` of yolo-ui-detection makes a data set from web pages.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median

import anchors
from configuration import anchor_sizes, numbers
from dataset import SAMPLE, spread
from library import quiet

from cvl import params as parameters
from cvl.errors import DataError
from cvl.formats import boxes
from cvl.formats.boxes import BoxDataset
from cvl.kit import drawing, run, samples, sheets
from cvl.kit.runlog import write_config, write_json
from cvl.params import Values


def main() -> None:
    params = parameters.load(__file__)
    quiet(params.LOG_LEVEL, verbose=params.VERBOSE)
    root = Path(params.DATA_DIR) if params.DATA_DIR else samples.folder(SAMPLE)
    data = boxes.read(root)
    folder = run.folder(__file__, params.OUTPUT_DIR)
    write_config(folder, params.settings, effective={})
    print("\n".join(origin(root)))
    for note in data.notes:
        print(f"note: {note}")

    report = boxes.stats(data) | {"folder": str(root), "problems": [str(problem) for problem in data.problems]}
    write_json(folder / "data.json", report)
    for split, screens in data.splits.items():
        if screens:
            print(f"\n{table(data, split)}")
            draw(data, split, params.NUM_SAMPLES, folder / "visualizations" / f"{split}.png")
    print(f"\n{say_anchors(data, params)}")
    run.say(f"contact sheets: {folder / 'visualizations'}; {folder / 'data.json'}")
    conclude(data, params.MAX_BAD)


def say_anchors(data: BoxDataset, params: Values) -> str:
    """Of the boxes of train."""
    pictures = [picture for picture in data.splits.get("train", ()) if picture.boxes]
    if not pictures:
        return "no box in train that anchors could reach"
    ours = anchors.Anchors(
        "this run",
        tuple(anchor_sizes(params.ANCHOR_SIZES)),
        tuple(numbers(params.ASPECT_RATIOS, "ASPECT_RATIOS")),
    )
    title = f"boxes of train that an anchor reaches, {params.IMAGE_SIZE} px:"
    return f"{title}\n{anchors.table(pictures, (anchors.COCO, ours), params.IMAGE_SIZE)}"


def conclude(data: BoxDataset, max_bad: int) -> None:
    """Every fault with its file, and whether that is too many."""
    print("\n" + "\n".join(["faults:" if data.problems else "no faults", *(f"  {fault}" for fault in data.problems)]))
    found = f"{len(data.problems)} faults, MAX_BAD={max_bad}"
    if len(data.problems) > max_bad:
        hint = "mend or remove these files, or set MAX_BAD to train without what is broken"
        raise DataError(f"{found}: not fit for training", hint=hint)
    print(f"{found}: fit for training")


def origin(root: Path) -> list[str]:
    """The folder, and the web pages that its pictures were taken of."""
    lines = [f"{root}{' (shipped with cvl)' if root.is_relative_to(samples.ROOT) else ''}"]
    record = root / "captured.json"
    if record.is_file():
        sites = json.loads(record.read_text(encoding="utf-8"))["sites"]
        lines += [f"  screenshots of {s['name']} {s['version']} ({s['license'] or 'no licence named'})" for s in sites]
    return lines


def table(data: BoxDataset, split: str) -> str:
    """Boxes of each class, on how many pictures, and how large (square root of the area, px)."""
    screens = data.splits[split]
    lines = [f"{split}: {len(screens)} pictures, {sum(not s.boxes for s in screens)} without a box"]
    lines.append(f"{'class':<16}{'boxes':>7}{'pictures':>10}{'min px':>8}{'median':>8}{'max':>8}")
    for label, name in enumerate(data.classes):
        sides = sorted(((b.x1 - b.x0) * (b.y1 - b.y0)) ** 0.5 for s in screens for b in s.boxes if b.label == label)
        on = sum(any(box.label == label for box in screen.boxes) for screen in screens)
        size = f"{sides[0]:8.0f}{median(sides):8.0f}{sides[-1]:8.0f}" if sides else f"{'–':>8}" * 3
        lines.append(f"{name:<16}{len(sides):>7}{on:>10}{size}")
    return "\n".join(lines)


def draw(data: BoxDataset, split: str, count: int, file: Path) -> None:
    """A contact sheet of `count` pictures, spread over the split."""
    screens = data.splits[split]
    cells = [sheets.cell(drawing.upright(s.path), s.boxes, s.path.name) for s in spread(screens, count)]
    sheets.write(cells, data.classes, f"{split}: {len(screens)} pictures", file)


if __name__ == "__main__":
    run.main(main)
