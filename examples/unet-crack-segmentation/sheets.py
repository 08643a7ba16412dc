"""Many pictures on one sheet, their cracks outlined."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from cvl.formats import maskfile
from cvl.formats.masks import Picture
from cvl.kit import drawing

CELL, GAP, TEXT = 400, 10, 14
OUTLINE, INK = "#ff3b30", "#24292f"


def outlined(image: Image.Image, mask: Image.Image, colour: str = OUTLINE) -> Image.Image:
    """`image` in RGB with a line of one pixel around what is white on `mask` (mode L, same size); the inside stays."""
    edge = ImageChops.subtract(mask.filter(ImageFilter.MaxFilter(3)), mask)
    drawn = image.convert("RGB")
    drawn.paste(colour, mask=edge)
    return drawn


def write(pictures: Sequence[Picture], title: str, file: Path) -> None:
    """The pictures side by side, in about as many columns as rows, each under its name and share of crack pixels."""
    cells = [_cell(picture) for picture in pictures]
    columns = max(1, round(len(cells) ** 0.5 + 0.49))
    rows = [cells[i : i + columns] for i in range(0, len(cells), columns)]
    head = 3 * TEXT
    height = head + sum(max(cell.height for cell in row) + GAP for row in rows)
    sheet = Image.new("RGB", (columns * (CELL + GAP) + GAP, height), "white")
    ImageDraw.Draw(sheet).text((GAP, TEXT), title, fill=INK, font=ImageFont.load_default(TEXT + 4))
    y = head
    for row in rows:
        for column, cell in enumerate(row):
            sheet.paste(cell, (GAP + column * (CELL + GAP), y))
        y += max(cell.height for cell in row) + GAP
    drawing.save(sheet, file)


def _cell(picture: Picture) -> Image.Image:
    """The picture as large as it is shown, under its caption. It is scaled first, so that the line stays visible."""
    scale = min(1.0, CELL / max(picture.width, picture.height))
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    image = drawing.upright(picture.path).resize(size)
    mask = maskfile.load(picture.mask).resize(size).point(lambda value: 255 * (value > 64))
    cell = Image.new("RGB", (CELL, size[1] + TEXT + 6), "white")
    cell.paste(outlined(image, mask), (0, TEXT + 6))
    caption = f"{picture.path.name[:40]}   {picture.foreground:.2%}"
    ImageDraw.Draw(cell).text((0, 2), caption, fill=INK, font=ImageFont.load_default(TEXT))
    return cell
