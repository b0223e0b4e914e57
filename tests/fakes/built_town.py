"""What lies between collecting and releasing, for a small town: posts are curated, pictures are said to be clean."""

from pipeline.curate.curated_posts import build_curated_posts
from pipeline.curate.settings import CuratedPostsSettings
from pipeline.store import Store
from tests.fakes.city import finish
from tests.fakes.pictures import encoded, pixels
from tests.fakes.town import CITY


def curate_and_clean(store: Store) -> None:
    """Keep every post that there is; a clean picture is one of its own for each original, by its digest."""
    build_curated_posts(store, CITY, CuratedPostsSettings(min_hashtag_count=1, min_posts_per_poi=1, language="any"))
    posts = store.tables.read(CITY.key, "curated_posts").to_pylist()
    had = set(store.tables.read(CITY.key, "clean_images")["digest"].to_pylist())
    new = sorted({digest for post in posts for digest in post["image_digests"]} - had)
    made = {"weights_sha256": "", "recipe": "r"}
    masks = [
        {"digest": one, "outcome": "no_person", "portrait_ratio": 0.0, "mask": None, "network": "none", **made}
        for one in new
    ]
    clean = [
        {"digest": one, "outcome": "unchanged", "clean_digest": _clean(store, one), "inpainter": "none", **made}
        for one in new
    ]
    store.tables.merge(CITY.key, "portrait_masks", masks)
    store.tables.merge(CITY.key, "clean_images", clean)
    for stage in ("portrait_masks", "clean_images"):
        finish(store, stage, CITY.key)


def _clean(store: Store, digest: str) -> str:
    return store.blobs.put("clean", encoded(pixels(int(digest[:8], 16))))
