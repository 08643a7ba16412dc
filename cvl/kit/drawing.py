"""Pictures of what was found, and the curves of a run."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from cvl.formats import pictures
from cvl.formats.boxes import Box, Picture

RIGHT, WRONG, MISSED = "#1a7f37", "#cf222e", "#bf5700"
_BAR = 34
_NARROW = 400  # px: a picture narrower than that has no room for what is written on it


@dataclass(frozen=True)
class Found:
    """A predicted box with its confidence."""

    box: Box
    score: float


@dataclass(frozen=True)
class Comparison:
    """Predictions matched with the truth: `matched` pairs their indices, at an IoU of at least one half."""

    truth: tuple[Box, ...]
    found: tuple[Found, ...]
    matched: tuple[tuple[int, int], ...]

    @property
    def f1(self) -> float:
        """1 where nothing was to be found and nothing was."""
        total = len(self.truth) + len(self.found)
        return 2 * len(self.matched) / total if total else 1.0


def compare(truth: Sequence[Box], found: Sequence[Found], *, iou: float = 0.5) -> Comparison:
    """Greedy by confidence, each box of the truth once, same class only."""
    free = set(range(len(truth)))
    matched = []
    for i in sorted(range(len(found)), key=lambda i: -found[i].score):
        overlaps = {t: overlap(found[i].box, truth[t]) for t in free if truth[t].label == found[i].box.label}
        best = max(overlaps, key=lambda t: overlaps[t], default=-1)
        if best >= 0 and overlaps[best] >= iou:
            free.remove(best)
            matched.append((best, i))
    return Comparison(tuple(truth), tuple(found), tuple(matched))


def overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a.x1 - a.x0) * (a.y1 - a.y0) + (b.x1 - b.x0) * (b.y1 - b.y0) - shared)


def side_by_side(image: Image.Image, comparison: Comparison, names: Sequence[str], *, title: str) -> Image.Image:
    """Truth on the left (missed boxes orange), predictions on the right (wrong ones red); small pictures enlarged."""
    factor = max(1, -(-_NARROW // image.width))
    hit_truth = {t for t, _ in comparison.matched}
    hit_found = {f for _, f in comparison.matched}
    truth = [
        (scaled(box, factor), names[box.label], RIGHT if i in hit_truth else MISSED)
        for i, box in enumerate(comparison.truth)
    ]
    found = [
        (
            scaled(item.box, factor),
            f"{names[item.box.label]} {item.score:.2f}",
            RIGHT if i in hit_found else WRONG,
        )
        for i, item in enumerate(comparison.found)
    ]
    missed, wrong = len(truth) - len(hit_truth), len(found) - len(hit_found)
    left = f"{title}   truth: {len(truth)} boxes, {missed} missed"
    right = f"found: {len(found)} boxes, {len(hit_found)} right, {wrong} wrong   F1 {comparison.f1:.2f}"
    enlarged = image.resize((factor * image.width, factor * image.height))
    size = min(fitting(text, enlarged.width) for text in (left, right))
    panels = [titled(mark(enlarged, marks), text, size) for marks, text in ((truth, left), (found, right))]
    return beside(panels)


def scaled(box: Box, factor: float) -> Box:
    """`box` and its outline on a picture that is `factor` times as large."""
    corners = {side: factor * getattr(box, side) for side in ("x0", "y0", "x1", "y1")}
    return replace(box, **corners, outline=tuple(tuple(factor * v for v in polygon) for polygon in box.outline))


def outline(pen: ImageDraw.ImageDraw, box: Box, colour: str, *, down: float = 0) -> None:
    """The polygons of `box`, `down` px further down."""
    for polygon in box.outline:
        points = [(x, y + down) for x, y in zip(polygon[::2], polygon[1::2], strict=True)]
        pen.line([*points, points[0]], fill=colour, width=2)


def draw_worst(
    screens: Sequence[Picture],
    compared: Sequence[Comparison],
    classes: Sequence[str],
    folder: Path,
    *,
    prefix: str,
    count: int,
) -> None:
    """The `count` screens with the lowest F1: <prefix>_01_<name>.png is the worst."""
    order = sorted(range(len(screens)), key=lambda i: compared[i].f1)
    for rank, i in enumerate(order[:count], 1):
        file = screens[i].path
        image = side_by_side(upright(file), compared[i], classes, title=file.name)
        save(image, folder / f"{prefix}_{rank:02d}_{file.stem}.png")


def mark(image: Image.Image, marks: Iterable[tuple[Box, str, str]]) -> Image.Image:
    """A copy of `image` with (box, text, colour) drawn on it."""
    drawn = image.convert("RGB")
    pen = ImageDraw.Draw(drawn)
    size = max(11, round(max(image.size) / 110))
    font = ImageFont.load_default(size)
    items = list(marks)
    for box, _, colour in items:
        edges = (box.x0, box.y0, max(box.x0, box.x1), max(box.y0, box.y1))  # an untrained model finds such boxes
        pen.rectangle(edges, outline=colour, width=max(2, size // 6))
        outline(pen, box, colour)
    taken: list[tuple[float, float, float, float]] = []
    for box, text, colour in items:
        width = pen.textlength(text, font=font) + 4
        spot = _free_spot(box, width, size + 3, image.size, taken)
        if spot:
            taken.append(spot)
            pen.rectangle(spot, fill=colour)
            pen.text((spot[0] + 2, spot[1]), text, fill="white", font=font)
    return drawn


def beside(panels: Sequence[Image.Image], gap: int = 8) -> Image.Image:
    """The panels in a row on white."""
    width = sum(panel.width for panel in panels) + gap * (len(panels) - 1)
    sheet = Image.new("RGB", (width, max(panel.height for panel in panels)), "white")
    x = 0
    for panel in panels:
        sheet.paste(panel, (x, 0))
        x += panel.width + gap
    return sheet


def upright(file: Path) -> Image.Image:
    """The picture as it is displayed (EXIF orientation applied), in RGB."""
    return pictures.load(file)


def save(image: Image.Image, file: Path) -> None:
    """PNG under a temporary name, then moved."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}")
    image.save(temporary, format="png")
    os.replace(temporary, file)


def curves(panels: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]], file: Path, *, x: str = "epoch") -> None:
    """One plot a panel: title -> {line: [(x, y), …]}; no line goes below 0. Empty panels are left out."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    shown = {title: lines for title, lines in panels.items() if any(lines.values())}
    figure = Figure(figsize=(5.2 * max(1, len(shown)), 3.8), dpi=110, layout="constrained")
    for i, (title, lines) in enumerate(shown.items(), 1):
        axes = figure.add_subplot(1, len(shown), i)
        for name, points in lines.items():
            if points:
                axes.plot(*zip(*points, strict=True), label=name, marker="." if len(points) < 40 else "", linewidth=1.6)
        axes.set_title(title)
        axes.set_xlabel(x)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylim(0, 1.08 * max((y for points in lines.values() for _, y in points if isfinite(y)), default=0) or 1)
        axes.grid(alpha=0.3)
        if len(lines) > 1:
            axes.legend(fontsize=8)
    file.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_png(str(file))


def run_curves(rows: Iterable[Mapping[str, float]], panels: Mapping[str, Mapping[str, str]], file: Path) -> None:
    """A run's loss, `train` as the mean of each epoch, and a panel more for each of {title: {line: metric}}."""
    lines: dict[str, list[tuple[float, float]]] = defaultdict(list)
    losses: dict[float, list[float]] = defaultdict(list)
    for row in rows:
        for name, value in row.items():
            lines[name].append((row["epoch"], value))
        if "train/loss" in row:
            losses[row["epoch"]].append(row["train/loss"])
    train = [(epoch, sum(values) / len(values)) for epoch, values in losses.items()]
    loss = {"Loss": {"train": train, "val": lines["val/loss"]}}
    more = {title: {line: lines[name] for line, name in panel.items()} for title, panel in panels.items()}
    curves(loss | more, file)


def fitting(text: str, width: int) -> int:
    """The size of the font in which `text` fits a bar of `width` px."""
    size = 18
    while size > 9 and ImageFont.load_default(size).getlength(text) > width - 16:
        size -= 1
    return size


def titled(image: Image.Image, text: str, size: int | None = None) -> Image.Image:
    """`image` under a bar with `text`, of the given size or made to fit."""
    sheet = Image.new("RGB", (image.width, image.height + _BAR), "#24292f")
    font = ImageFont.load_default(size or fitting(text, image.width))
    ImageDraw.Draw(sheet).text((8, _BAR / 2), text, fill="white", font=font, anchor="lm")
    sheet.paste(image, (0, _BAR))
    return sheet


def _free_spot(
    box: Box, width: float, height: float, size: tuple[int, int], taken: Sequence[tuple[float, float, float, float]]
) -> tuple[float, float, float, float] | None:
    """Where a label of that size goes: above, below or inside the box, within the picture, on no other label."""
    x = max(0.0, min(box.x0, size[0] - width))
    for y in (box.y0 - height, box.y1, box.y0):
        spot = (x, y, x + width, y + height)
        if y >= 0 and y + height <= size[1] and not any(_touch(spot, other) for other in taken):
            return spot
    return None


def _touch(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
