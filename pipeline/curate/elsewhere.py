"""Posts made elsewhere: complete, but at POIs below the floor, which no model of the city knows.

Reads  posts, images, drops of the stage curated_posts
They are in no data set and nothing is learnt from them. They show how well a model notices that a post was made at
none of its places, so the picture stages look at one picture of each as they do at those of curated posts.
Law: the same posts for the same tables; no more than `MAX_POSTS`, whatever the city.
"""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.collect.post_rules import OK
from pipeline.curate.rules import POI_FLOOR
from pipeline.store import Store
from pipeline.text.captions import without_hashtags

CURATION = "curated_posts"
MAX_POSTS = 300
"""so many tell shares apart by a few points, and a city with many small places pays for no more pictures"""
COLUMNS = ["post_key", "user_key", "caption", "hashtags", "image_digests"]


@dataclass(frozen=True, kw_only=True)
class ElsewherePost:
    """One of them; `digest` is that of the first of its pictures that can be read."""

    post_key: str
    user_key: str
    caption: str
    hashtags: tuple[str, ...]
    digest: str


def elsewhere_posts(store: Store, city: str) -> list[ElsewherePost]:
    """Those of lowest key, which is drawn by chance; with all their hashtags."""
    below = [
        row["post_key"]
        for row in store.tables.read(city, "drops").to_pylist()
        if row["stage"] == CURATION and row["reason"] == POI_FLOOR.name
    ]
    if not below:
        return []
    chosen = pc.field("post_key").isin(pa.array(sorted(below)[:MAX_POSTS], pa.string()))
    rows = [row for batch in store.tables.batches(city, "posts", COLUMNS, chosen) for row in batch.to_pylist()]
    shown = pc.field("digest").isin(pa.array([one for row in rows for one in row["image_digests"]], pa.string()))
    is_readable = shown & (pc.field("outcome") == OK)
    readable = {
        digest
        for batch in store.tables.batches(city, "images", ["digest"], is_readable)
        for digest in batch["digest"].to_pylist()
    }
    firsts = {row["post_key"]: next((one for one in row["image_digests"] if one in readable), None) for row in rows}
    return [
        ElsewherePost(
            post_key=row["post_key"],
            user_key=row["user_key"],
            caption=without_hashtags(row["caption"]),
            hashtags=tuple(row["hashtags"]),
            digest=digest,
        )
        for row in sorted(rows, key=lambda row: row["post_key"])
        if (digest := firsts[row["post_key"]]) is not None
    ]


def elsewhere_pictures(store: Store, city: str) -> set[str]:
    """The originals that the picture stages look at for them."""
    return {post.digest for post in elsewhere_posts(store, city)}
