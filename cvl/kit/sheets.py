"""Many small pictures on one sheet, their boxes coloured by class, with a legend instead of text on the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from cvl.formats.boxes import Box
from cvl.kit import drawing
from cvl.kit.detection_plots import COLOURS

CELL = (480, 480)
GAP, TEXT = 12, 15


@dataclass(frozen=True)
class Cell:
    """A picture as large as it is shown, with its boxes in its pixels; `text` stands above it."""

    image: Image.Image
    boxes: Sequence[Box]
    text: str


def colour(label: int) -> str:
    """The colour of a class, the same on every picture."""
    return COLOURS[label % len(COLOURS)]


def cell(image: Image.Image, boxes: Sequence[Box], text: str) -> Cell:
    """`image` and its boxes, scaled to what is shown; what is tiny is enlarged, at most twice."""
    scale = min(CELL[0] / image.width, CELL[1] / image.height, 2.0)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    scaled = [drawing.scaled(box, scale) for box in boxes]
    exact = Image.Resampling.NEAREST if scale > 1 else None
    return Cell(image.resize(size, exact), scaled, text)


def write(cells: Sequence[Cell], classes: Sequence[str], title: str, file: Path) -> None:
    """A sheet of all cells, in as many columns as rows, under a title and the legend."""
    columns = max(1, round(len(cells) ** 0.5 + 0.49))
    rows = [cells[i : i + columns] for i in range(0, len(cells), columns)]
    drawn = [[_draw(one) for one in row] for row in rows]
    width = max(560, *(sum(image.width + GAP for image in row) + GAP for row in drawn))
    head = _head(classes, title, width)
    sheet = Image.new("RGB", (width, head.height + sum(max(i.height for i in row) + GAP for row in drawn)), "white")
    sheet.paste(head)
    y = head.height
    for row in drawn:
        x = GAP
        for image in row:
            sheet.paste(image, (x, y))
            x += image.width + GAP
        y += max(image.height for image in row) + GAP
    drawing.save(sheet, file)


def _draw(one: Cell) -> Image.Image:
    top = TEXT + 7
    drawn = Image.new("RGB", (max(one.image.width, 120), one.image.height + top), "white")
    drawn.paste(one.image, (0, top))
    pen = ImageDraw.Draw(drawn)
    pen.text((0, 2), _fit(pen, one.text, drawn.width), fill="#24292f", font=ImageFont.load_default(TEXT))
    for box in one.boxes:
        corners = box.x0, box.y0 + top, box.x1, box.y1 + top
        drawing.outline(pen, box, colour(box.label), down=top)
        pen.rectangle(corners, outline=colour(box.label), width=2)
        pen.rectangle((corners[0] - 1, corners[1] - 1, corners[2] + 1, corners[3] + 1), outline="white")
    return drawn


def _head(classes: Sequence[str], title: str, width: int) -> Image.Image:
    """Title and legend, in as many lines as they need."""
    font = ImageFont.load_default(TEXT)
    head = Image.new("RGB", (width, 4000), "white")
    pen = ImageDraw.Draw(head)
    pen.text((GAP, GAP), title, fill="#24292f", font=ImageFont.load_default(TEXT + 4))
    x, y = float(GAP), GAP + 2 * TEXT
    for label, name in enumerate(classes):
        step = pen.textlength(name, font=font) + 2 * TEXT + GAP
        if x > GAP and x + step > width:
            x, y = float(GAP), y + TEXT + 8
        pen.rectangle((x, y + 2, x + TEXT, y + 2 + TEXT), outline=colour(label), width=3)
        pen.text((x + TEXT + 6, y), name, fill="#24292f", font=font)
        x += step
    return head.crop((0, 0, width, y + 2 * TEXT))


def _fit(pen: ImageDraw.ImageDraw, text: str, width: int) -> str:
    """`text`, cut in the middle to fit."""
    font = ImageFont.load_default(TEXT)
    short, keep = text, len(text)
    while pen.textlength(short, font=font) > width and keep > 6:
        keep -= 2
        short = f"{text[: keep // 2]}…{text[-(keep // 2) :]}"
    return short
