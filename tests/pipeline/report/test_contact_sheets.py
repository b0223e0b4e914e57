"""Contact sheets: small valid PNGs by outcome that show masks and clean pictures, and never an original."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from pipeline.picture_bytes import encode_clean
from pipeline.report import contact_sheets
from pipeline.report.contact_sheets import (
    MAX_BYTES,
    MAX_WIDTH_TILES,
    Section,
    Tile,
    clean_sheet_png,
    drawn_sheet,
    masks_sheet_png,
)
from pipeline.store import Store
from tests.fakes.pictured_city import CLEAN_COLOURS, MAGENTA, write_pictures

SHEETS = [pytest.param(masks_sheet_png, id="masks"), pytest.param(clean_sheet_png, id="clean")]


@pytest.fixture(scope="module")
def pictured(tmp_path_factory) -> Store:
    """A city with pictures of every outcome, to be read only."""
    store = Store(tmp_path_factory.mktemp("pictured") / "data")
    write_pictures(store)
    return store


@pytest.fixture(scope="module")
def clean_sheet(pictured) -> np.ndarray:
    """Its sheet of clean pictures."""
    return opened(clean_sheet_png(pictured, "demo"))


def opened(png: bytes) -> np.ndarray:
    """The pixels of a sheet."""
    image = Image.open(io.BytesIO(png), formats=("PNG",))
    return np.asarray(image.convert("RGB")).astype(int)


def num_near(sheet: np.ndarray, colour: tuple[int, int, int]) -> int:
    """How many pixels have about this colour."""
    return int((np.abs(sheet - np.array(colour)).max(axis=2) < 30).sum())


@pytest.mark.parametrize("sheet", SHEETS)
def test_a_sheet_of_a_city_is_a_small_png(pictured, sheet):
    png = sheet(pictured, "demo")
    assert min(opened(png).shape[:2]) >= 100
    assert len(png) < MAX_BYTES


@pytest.mark.parametrize("sheet", SHEETS)
def test_a_sheet_of_an_empty_store_is_a_small_png_too(store, sheet):
    assert min(opened(sheet(store, "demo")).shape[:2]) >= 60


@pytest.mark.slow
@pytest.mark.fault("D9")
@pytest.mark.parametrize("sheet", SHEETS)
def test_no_pixel_of_an_original_is_shown(store, sheet):
    """The sheet is the same whether the originals are there or not."""
    digests = write_pictures(store)
    with_originals = sheet(store, "demo")
    assert num_near(opened(with_originals), MAGENTA) == 0
    for group in digests.values():
        for digest in group:
            store.blobs.remove("original", digest)
    assert sheet(store, "demo") == with_originals


@pytest.mark.fault("M13")
@pytest.mark.parametrize("sheet", SHEETS)
def test_a_sheet_says_what_is_masked_and_never_how_many_people_there_are(pictured, sheet, monkeypatch):
    drawn: list[Section] = []
    monkeypatch.setattr(contact_sheets, "drawn_sheet", lambda sections, side_px: drawn.extend(sections) or b"")
    sheet(pictured, "demo")
    tiles = {tile.text for section in drawn for tile in section.tiles}
    assert any(re.fullmatch(r"\d+ % masked", text) for text in tiles)
    assert all(re.fullmatch(r"[1-9]\d* % masked|no mask", text) for text in tiles)
    assert not any("people" in section.title for section in drawn)
    nobody = [section.title for section in drawn if section.title.startswith("no_person")]
    assert all("nobody was found" in title for title in nobody)
    assert bool(nobody) == (sheet is masks_sheet_png)


def test_the_masks_sheet_is_black_and_white(pictured):
    sheet = opened(masks_sheet_png(pictured, "demo"))
    assert np.ptp(sheet, axis=2).max() < 25, "the ink is nearly grey, and nothing else has a colour"
    assert num_near(sheet, (0, 0, 0)) > 10_000


def test_clean_pictures_of_every_outcome_are_there(clean_sheet):
    assert all(num_near(clean_sheet, colour) > 10_000 for colour in CLEAN_COLOURS.values())


def test_a_dropped_picture_shows_its_mask_alone(store):
    """Without the clean pictures there is nothing but masks on the sheet."""
    write_pictures(store)
    rows = store.tables.read("demo", "clean_images").to_pylist()
    store.tables.replace("demo", "clean_images", [row for row in rows if row["outcome"] not in CLEAN_COLOURS])
    sheet = opened(clean_sheet_png(store, "demo"))
    assert np.ptp(sheet, axis=2).max() < 25
    assert num_near(sheet, (0, 0, 0)) > 10_000


def test_a_clean_picture_that_is_gone_is_left_out(store):
    write_pictures(store)
    for row in store.tables.read("demo", "clean_images").to_pylist():
        if row["outcome"] == "filled":
            store.blobs.remove("clean", row["clean_digest"])
    sheet = opened(clean_sheet_png(store, "demo"))
    assert num_near(sheet, CLEAN_COLOURS["filled"]) == 0
    assert num_near(sheet, CLEAN_COLOURS["filled_again"]) > 10_000


@pytest.mark.slow
def test_noisy_pictures_fit_the_limit_too(store):
    write_pictures(store, num_each=9)
    generator = np.random.default_rng(0)
    rows = store.tables.read("demo", "clean_images").to_pylist()
    for row in rows:
        if row["clean_digest"] is not None:
            noise = generator.integers(0, 256, (200, 150, 3), dtype=np.uint8)
            row["clean_digest"] = store.blobs.put("clean", encode_clean(noise))
    store.tables.replace("demo", "clean_images", rows)
    png = clean_sheet_png(store, "demo")
    assert len(png) < MAX_BYTES
    assert opened(png).shape[1] >= 240


def test_equal_cities_give_equal_sheets(store, clean_sheet):
    write_pictures(store)
    assert (opened(clean_sheet_png(store, "demo")) == clean_sheet).all()


@pytest.mark.parametrize("num_tiles", [0, 1, 3, 4, 7])
def test_every_tile_has_room(num_tiles):
    """Pairs of black squares: all of their pixels are on the sheet, none over another."""
    side_px = 60
    square = Image.new("L", (side_px, side_px))
    tiles = [Tile(pictures=[square, square], text="")] * num_tiles
    sheet = opened(drawn_sheet([Section(title="", tiles=tiles)], side_px))
    assert num_near(sheet, (0, 0, 0)) == 2 * num_tiles * side_px**2
    assert sheet.shape[1] >= MAX_WIDTH_TILES * side_px
