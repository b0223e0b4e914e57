"""Which picture of a post a study uses, how much of it people fill, and whether clean pictures are still there."""

from collections.abc import Collection

from pipeline.errors import StageError
from pipeline.release.read import Release
from pipeline.store import Store
from pipeline.study.features import TABLE
from pipeline.study.posts import PICTURE_STAGES, StudyPost


def left_aside(posts: list[StudyPost]) -> list[str]:
    """Pictures of posts that curation kept from the picture stages; some may be another post's, too."""
    waiting = (post for post in posts if post.lost and not post.lost.startswith(PICTURE_STAGES))
    return sorted({digest for post in waiting for digest in post.image_digests})


def portrait_ratios(store: Store, city: str) -> dict[str, float]:
    """The share of each original that people fill, as far as a mask was made."""
    ratios: dict[str, float] = {}
    for table in (TABLE, "portrait_masks"):
        for rows in store.tables.batches(city, table, ["digest", "portrait_ratio"]):
            found = zip(rows["digest"].to_pylist(), rows["portrait_ratio"].to_pylist(), strict=True)
            ratios |= {digest: ratio for digest, ratio in found if ratio is not None}
    return ratios


def first_shown(store: Store, city: str, posts: list[StudyPost], max_ratio: float) -> list[str]:
    """Of each post that has one, the first picture that people fill to no more than `max_ratio`."""
    ratios = portrait_ratios(store, city)
    firsts = (first_below(post, ratios, max_ratio) for post in posts)
    return [digest for digest in firsts if digest is not None]


def first_below(post: StudyPost, ratios: dict[str, float], max_ratio: float) -> str | None:
    """The first picture of a post that people fill to no more than `max_ratio`; None where each is filled more."""
    return next((digest for digest in post.image_digests if ratios.get(digest, 1.0) <= max_ratio), None)


def released_originals(store: Store, city: str, release: Release, posts: list[StudyPost]) -> dict[str, str]:
    """The original of each released picture -> the clean picture."""
    cleaned: dict[str, str | None] = {}
    for rows in store.tables.batches(city, "clean_images", ["digest", "clean_digest"]):
        cleaned.update(zip(rows["digest"].to_pylist(), rows["clean_digest"].to_pylist(), strict=True))
    keys, clean = release.posts["post_key"].to_pylist(), release.posts["clean_digest"].to_pylist()
    of_post = dict(zip(keys, clean, strict=True))
    originals: dict[str, str] = {}
    for post in posts:
        if post.is_complete:
            clean_digest = of_post[post.post_key]
            original = next(digest for digest in post.image_digests if cleaned.get(digest) == clean_digest)
            originals[original] = clean_digest
    return originals


def check_clean(store: Store, city: str, digests: Collection[str]) -> None:
    """Refuse to begin where clean pictures are gone.

    Raises:
        StageError: how many are, and what to do.
    """
    wanted = set(digests)
    num_gone = sum(not store.blobs.path("clean", digest).is_file() for digest in wanted)
    if num_gone:
        raise StageError(
            f"{num_gone:,} of {len(wanted):,} clean pictures of {city} are gone from the store: bring blobs/clean "
            f"back from a copy, or make them again from the originals with `mrlf run {city} --only clean_images`"
        )
