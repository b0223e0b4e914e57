"""Small pictures for the Dagster UI: each a PNG under 200 KB, also where there is little or nothing to show.

Law: no text of a user and no original picture; pictures are clean ones (people masked and filled).
"""

import io
from collections import Counter
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from pipeline.images.clean_images import KEPT
from pipeline.release.read import latest_release
from pipeline.report.content import Epoch
from pipeline.report.examples import thumbnail
from pipeline.report.figure_style import INK
from pipeline.report.figures import PREVIEW_DPI, class_histogram, message, training_curve
from pipeline.report.maps import MapPoint, preview_map
from pipeline.stage import StageError
from pipeline.store import Store
from pipeline.training.train_mrlf import latest_run

if TYPE_CHECKING:
    from PIL import Image

MAX_BYTES = 200_000
NUM_PICTURES, NUM_COLUMNS = 24, 6
_SIDES_PX = (150, 120, 96, 72, 48)


def poi_map_png(store: Store, city: str) -> bytes:
    """The city's POIs; a ring's area is its number of posts."""
    pois = sorted(store.tables.read(city, "pois").to_pylist(), key=lambda poi: (poi["rank"], poi["poi_id"]))
    posts = Counter(store.tables.read(city, "posts")["poi_id"].to_pylist())
    points = [
        MapPoint(
            number=number, name=poi["name"], latitude=poi["latitude"], longitude=poi["longitude"],
            num_posts=posts[poi["poi_id"]],
        )
        for number, poi in enumerate(pois, start=1)
    ]  # fmt: skip
    return preview_map(points)


def class_histogram_png(store: Store, city: str) -> bytes:
    """Posts per place: of the release where there is one, else of the curated posts."""
    try:
        release = latest_release(store, city)
    except StageError:
        names = {poi["poi_id"]: poi["name"] for poi in store.tables.read(city, "pois").to_pylist()}
        counted = Counter(store.tables.read(city, "curated_posts")["poi_id"].to_pylist())
        posts = [(names.get(poi_id, "?"), count) for poi_id, count in counted.items()]
        return class_histogram(posts, title="posts per place after curation")
    posts = [(label["name"], label["num_posts"]) for label in release.labels]
    return class_histogram(posts, title="posts per place in the release")


def contact_sheet_png(store: Store, city: str) -> bytes:
    """Up to 24 clean pictures, filled ones first, each with its outcome and the share of it that was a person."""
    ratios = _portrait_ratios(store, city)
    rows = [row for row in store.tables.read(city, "clean_images").to_pylist() if row["outcome"] in KEPT]
    rows.sort(key=lambda row: row["digest"])
    filled = [row for row in rows if row["outcome"] == "filled"][: NUM_PICTURES // 2]
    chosen = [*filled, *(row for row in rows if row["outcome"] != "filled")][:NUM_PICTURES]
    for side_px in _SIDES_PX:
        tiles = [
            (picture, f"{row['outcome']} {100 * ratios.get(row['digest'], 0.0):.0f} %")
            for row in chosen
            if (picture := thumbnail(store, row["clean_digest"], side_px)) is not None
        ]
        if not tiles:
            return message("no clean pictures yet")
        sheet = _sheet(tiles, side_px)
        if len(sheet) < MAX_BYTES:
            return sheet
    raise AssertionError(f"{NUM_PICTURES} pictures of {_SIDES_PX[-1]} pixels fit into {MAX_BYTES} bytes")


def training_curve_png(store: Store, city: str) -> bytes:
    """Loss and accuracy of the latest run over its epochs."""
    try:
        run = latest_run(store, city)
    except StageError:
        return message("no model was trained yet")
    names = list(Epoch.__dataclass_fields__)
    rows = pq.read_table(run.folder / "history.parquet", columns=names).to_pylist()
    return training_curve([Epoch(**row) for row in rows], int(run.about["best_epoch"]), dpi=PREVIEW_DPI)


def _portrait_ratios(store: Store, city: str) -> dict[str, float]:
    masks = store.tables.read(city, "portrait_masks").select(["digest", "portrait_ratio"]).to_pydict()
    return {digest: ratio or 0.0 for digest, ratio in zip(masks["digest"], masks["portrait_ratio"], strict=True)}


def _sheet(tiles: "list[tuple[Image.Image, str]]", side_px: int) -> bytes:
    """The tiles in rows of six, text below each, as a PNG of 128 colours."""
    from PIL import Image, ImageDraw, ImageFont

    gap, line = 8, 16
    columns = min(NUM_COLUMNS, len(tiles))
    num_rows = -(-len(tiles) // columns)
    width, height = columns * (side_px + gap) + gap, num_rows * (side_px + line + gap) + gap
    sheet = Image.new("RGB", (max(width, 240), height), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=11)
    for place, (picture, text) in enumerate(tiles):
        left = gap + (place % columns) * (side_px + gap)
        top = gap + (place // columns) * (side_px + line + gap)
        sheet.paste(picture, (left + (side_px - picture.width) // 2, top + (side_px - picture.height) // 2))
        draw.text((left, top + side_px + 1), text, fill=INK, font=font)
    buffer = io.BytesIO()
    sheet.quantize(128, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
