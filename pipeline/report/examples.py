"""Example posts of a synthetic city for the report, and thumbnails of clean pictures.

Law: of a real city no caption and no picture is shown: they belong to people who were not asked.
"""

import io
from collections import defaultdict
from typing import TYPE_CHECKING

import pandas as pd

from pipeline.picture_bytes import UnreadablePicture, decode_picture
from pipeline.release.read import Release
from pipeline.report.content import Example
from pipeline.report.wording import plain
from pipeline.store import Store
from pipeline.store.digests import bytes_digest

if TYPE_CHECKING:
    from PIL import Image

NUM_RIGHT, NUM_WRONG = 8, 4
THUMBNAIL_PX = 280


def city_examples(store: Store, release: Release, predictions: pd.DataFrame) -> list[Example]:
    """Some right and some wrong answers on test posts, spread over the places; none for a real city."""
    if not release.is_synthetic:
        return []
    test = predictions[predictions["split"] == "test"]
    is_right = test["label"] == test["predicted"]
    wrong = _spread(test[~is_right], NUM_WRONG)
    rows = [*_spread(test[is_right], NUM_RIGHT + NUM_WRONG - len(wrong)), *wrong]
    posts = release.posts.to_pandas().set_index("post_key")
    examples = []
    for row in rows:
        post = posts.loc[row["post_key"]]
        picture = thumbnail(store, post["clean_digest"], THUMBNAIL_PX)
        if picture is not None:
            examples.append(_example(row, post, _jpeg(picture), release))
    return examples


def thumbnail(store: Store, clean_digest: str, side_px: int) -> "Image.Image | None":
    """The clean picture within a square of `side_px`; None where it is gone or cannot be read."""
    from PIL import Image

    try:
        picture = Image.fromarray(decode_picture(store.blobs.get("clean", clean_digest)))
    except (FileNotFoundError, UnreadablePicture):
        return None
    picture.thumbnail((side_px, side_px))
    return picture


def _spread(rows: pd.DataFrame, limit: int) -> list[pd.Series]:
    """Up to `limit` rows, one place after the other; within a place by the digest of the key, so not by success."""
    by_place: dict[int, list[pd.Series]] = defaultdict(list)
    for _, row in sorted(rows.iterrows(), key=lambda of: bytes_digest(of[1]["post_key"].encode())):
        by_place[row["label"]].append(row)
    rounds = max(map(len, by_place.values()), default=0)
    in_turn = [group[turn] for turn in range(rounds) for _, group in sorted(by_place.items()) if turn < len(group)]
    return in_turn[:limit]


def _example(row: pd.Series, post: pd.Series, jpeg: bytes, release: Release) -> Example:
    return Example(
        post_key=row["post_key"],
        caption=plain(post["caption"], 240),
        hashtags=[plain(tag, 60) for tag in post["hashtags"]],
        true_place=plain(release.labels[row["label"]]["name"], 80),
        predicted_place=plain(release.labels[row["predicted"]]["name"], 80),
        probability=float(max(row["probabilities"])),
        error_km=float(row["error_km"]),
        is_right=bool(row["label"] == row["predicted"]),
        jpeg=jpeg,
    )


def _jpeg(picture: "Image.Image") -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=82, optimize=True)
    return buffer.getvalue()
