"""A contact sheet as a PNG: titles, and below each its tiles in rows."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.report.figure_style import INK, MID, PALE

if TYPE_CHECKING:
    from PIL import Image

MAX_WIDTH_TILES = 6
GAP_PX, PAIR_GAP_PX, LINE_PX, TITLE_PX = 8, 2, 16, 22
NUM_COLOURS = 128


@dataclass(frozen=True, kw_only=True)
class Tile:
    """Pictures that belong together, side by side, with a line of text below; each fits the sheet's square."""

    pictures: "Sequence[Image.Image]"
    text: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """Tiles under a title; a title alone where there is nothing to show."""

    title: str
    tiles: Sequence[Tile]


def drawn_sheet(sections: Sequence[Section], side_px: int) -> bytes:
    """The sheet with tiles in squares of `side_px`, equal for equal sections."""
    from PIL import Image, ImageDraw, ImageFont

    rows = [_in_rows(section.tiles) for section in sections]
    heights = [TITLE_PX + len(each) * (side_px + LINE_PX + GAP_PX) for each in rows]
    width = MAX_WIDTH_TILES * (side_px + GAP_PX) + GAP_PX
    sheet = Image.new("RGB", (max(width, 240), sum(heights) + 2 * GAP_PX), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=11)
    top = GAP_PX
    for section, tile_rows, height in zip(sections, rows, heights, strict=True):
        draw.text((GAP_PX, top), section.title, fill=INK, font=ImageFont.load_default(size=13))
        for number, tiles in enumerate(tile_rows):
            row_top, left = top + TITLE_PX + number * (side_px + LINE_PX + GAP_PX), GAP_PX
            for tile in tiles:
                draw.text((left, row_top + side_px + 1), tile.text, fill=MID, font=font)
                for picture in tile.pictures:
                    corner = (left, row_top + side_px - picture.height)
                    sheet.paste(picture, corner)
                    draw.rectangle(_around(corner, picture.size), outline=PALE)
                    left += side_px + PAIR_GAP_PX
                left += GAP_PX - PAIR_GAP_PX
        top += height
    buffer = io.BytesIO()
    sheet.quantize(NUM_COLOURS, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _in_rows(tiles: Sequence[Tile]) -> list[list[Tile]]:
    """As many tiles in a row as there is room for; the pictures of one are never apart."""
    rows: list[list[Tile]] = []
    room = 0
    for tile in tiles:
        if len(tile.pictures) > room:
            rows.append([])
            room = MAX_WIDTH_TILES
        rows[-1].append(tile)
        room -= len(tile.pictures)
    return rows


def _around(corner: tuple[int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A frame of one pixel outside a picture: masks are white to the border where people are."""
    return corner[0] - 1, corner[1] - 1, corner[0] + size[0], corner[1] + size[1]
