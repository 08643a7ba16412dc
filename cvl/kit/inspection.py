"""A data set of boxes as the preset `data` shows it: origin, faults, what is in it, contact sheets."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median

from cvl.errors import DataError
from cvl.formats import boxes
from cvl.formats.boxes import BoxDataset
from cvl.kit import drawing, run, samples, sheets, sources
from cvl.kit.runlog import write_json


def show(data: BoxDataset, root: Path, folder: Path, *, count: int) -> None:
    """Prints what `data`, read from `root`, holds; `folder` gets data.json and a sheet of `count` pictures a split."""
    print("\n".join(origin(root)))
    for note in data.notes:
        print(f"note: {note}")
    report = boxes.stats(data) | {"folder": str(root), "problems": [str(problem) for problem in data.problems]}
    write_json(folder / "data.json", report)
    for split, screens in data.splits.items():
        if screens:
            print(f"\n{table(data, split)}")
            _draw(data, split, count, folder / "visualizations" / f"{split}.png")
    run.say(f"contact sheets: {folder / 'visualizations'}; {folder / 'data.json'}")


def conclude(data: BoxDataset, max_bad: int) -> None:
    """Every fault with its file; DataError where that is more than `max_bad`."""
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


def _draw(data: BoxDataset, split: str, count: int, file: Path) -> None:
    screens = data.splits[split]
    cells = [sheets.cell(drawing.upright(s.path), s.boxes, s.path.name) for s in sources.spread(screens, count)]
    sheets.write(cells, data.classes, f"{split}: {len(screens)} pictures", file)
