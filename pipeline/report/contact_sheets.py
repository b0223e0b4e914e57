"""Contact sheets of the picture stages for the Dagster UI: sample pictures by outcome, a PNG under 200 KB each.

Law: an original is never shown. Of `portrait_masks` there are masks alone, white where a person was found; of
`clean_images` the mask beside the clean picture, and of what was dropped the mask alone. A sheet says how
much a mask covers, never how many people there are: nobody knows that. It contains no text of a user.
"""

import io
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.images.portrait_masks import READABLE
from pipeline.images.stages import picture_outcomes
from pipeline.picture_bytes import decode_mask
from pipeline.report.examples import thumbnail
from pipeline.report.figures import INK, MID, PALE, message
from pipeline.store import Store

if TYPE_CHECKING:
    from PIL import Image

MAX_BYTES = 200_000
NUM_MASKS = 24
NUM_TILES = {"filled": 9, "filled_again": 6, "unchanged": 6}
"""pictures of an outcome; of every reason to drop one, three"""
NUM_DROPPED = 3
REMARKS = {
    "no_person": " (nobody was found, which does not mean that nobody is there)",
    "filled_again": " (the masks are those before the face gate looked)",
}
_SIDES_PX = (150, 120, 96, 72, 48)
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


def masks_sheet_png(store: Store, city: str) -> bytes:
    """Masks of pictures in which people were found, each with the share that is masked; of the others their number."""
    outcomes = picture_outcomes(store, city, "portrait_masks")
    if not outcomes:
        return message("no masks yet")
    rows = _masks(store, city, _first(outcomes, "person", NUM_MASKS))

    def sections(side_px: int) -> list[Section]:
        made = [Section(title=_title(outcomes, "person"), tiles=[_mask_tile(row, side_px) for row in rows.values()])]
        others = sorted(set(outcomes.values()) - {"person"}, key=lambda outcome: (outcome not in READABLE, outcome))
        return made + [Section(title=_title(outcomes, outcome), tiles=[]) for outcome in others]

    return _small_enough(sections)


def clean_sheet_png(store: Store, city: str) -> bytes:
    """By outcome: mask and clean picture, or the mask of what was dropped, each with the share that is masked."""
    outcomes = picture_outcomes(store, city, "clean_images")
    if not outcomes:
        return message("no clean pictures yet")
    found = set(outcomes.values())
    ordered = [outcome for outcome in NUM_TILES if outcome in found] + sorted(found - NUM_TILES.keys())
    chosen = {outcome: _first(outcomes, outcome, NUM_TILES.get(outcome, NUM_DROPPED)) for outcome in ordered}
    digests = [digest for group in chosen.values() for digest in group]
    masks, clean = _masks(store, city, digests), _clean_digests(store, city, digests)

    def sections(side_px: int) -> list[Section]:
        return [
            Section(
                title=_title(outcomes, outcome),
                tiles=[
                    tile
                    for digest in chosen[outcome]
                    if (tile := _clean_tile(store, masks[digest], clean[digest], side_px)) is not None
                ],
            )
            for outcome in ordered
        ]

    return _small_enough(sections)


def _small_enough(sections: Callable[[int], list[Section]]) -> bytes:
    """The sheet with the largest tiles that the limit allows."""
    for side_px in _SIDES_PX:
        sheet = drawn_sheet(sections(side_px), side_px)
        if len(sheet) < MAX_BYTES:
            return sheet
    raise AssertionError(f"the tiles of {_SIDES_PX[-1]} pixels fit into {MAX_BYTES} bytes")


def _title(outcomes: dict[str, str], outcome: str) -> str:
    number = Counter(outcomes.values())[outcome]
    return f"{outcome}: {number:,} of {len(outcomes):,}{REMARKS.get(outcome, '')}"


def _first(outcomes: dict[str, str], outcome: str, limit: int) -> list[str]:
    """The first digests in sorted order: as good as a random sample, and the same in every run."""
    return sorted(digest for digest, found in outcomes.items() if found == outcome)[:limit]


def _masks(store: Store, city: str, digests: list[str]) -> dict[str, dict[str, Any]]:
    """The masks of these pictures by digest, in this order."""
    rows = _rows(store, city, "portrait_masks", ["digest", "mask"], digests)
    return {digest: rows.get(digest, {"mask": None}) for digest in digests}


def _clean_digests(store: Store, city: str, digests: list[str]) -> dict[str, str | None]:
    rows = _rows(store, city, "clean_images", ["digest", "clean_digest"], digests)
    return {digest: rows[digest]["clean_digest"] for digest in digests}


def _rows(store: Store, city: str, table: str, columns: list[str], digests: list[str]) -> dict[str, dict[str, Any]]:
    is_wanted = pc.field("digest").isin(pa.array(digests, pa.string()))
    found = (row for batch in store.tables.batches(city, table, columns, is_wanted) for row in batch.to_pylist())
    return {row["digest"]: row for row in found}


def _mask_tile(row: dict[str, Any], side_px: int) -> Tile:
    return Tile(pictures=[_mask_picture(row["mask"], side_px)], text=share_text(row["mask"]))


def _clean_tile(store: Store, row: dict[str, Any], clean_digest: str | None, side_px: int) -> Tile | None:
    """None where there is nothing to show: a picture without a mask that was dropped, or a clean one that is gone."""
    pictures = [_mask_picture(row["mask"], side_px)] if row["mask"] is not None else []
    if clean_digest is not None:
        picture = thumbnail(store, clean_digest, side_px)
        if picture is None:
            return None
        pictures.append(picture)
    return Tile(pictures=pictures, text=share_text(row["mask"])) if pictures else None


def share_text(png: bytes | None) -> str:
    """What a mask covers, its margin included."""
    return "no mask" if png is None else f"{100 * decode_mask(png).mean():.0f} % masked"


def _mask_picture(png: bytes, side_px: int) -> "Image.Image":
    from PIL import Image

    mask = Image.fromarray(decode_mask(png)).convert("L")
    mask.thumbnail((side_px, side_px))
    return mask


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
