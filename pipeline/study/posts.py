"""The posts of a study: those of the release, and those of the same places that the release left out.

Reads  the release, posts, images, drops
Law: a post that was deleted, opted out, made far away or at a place outside the release is never in a study; of the
others the reason why the release left it out is kept.
"""

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass

import pandas as pd

from pipeline.collect.post_rules import OK
from pipeline.release.read import Release
from pipeline.store import Store
from pipeline.text.captions import without_hashtags

NEVER = frozenset({"deleted", "far_from_poi", "poi_below_floor"})
"""Reasons of curation that keep a post out of every study."""

NO_MODALITY = frozenset({"no_text", "no_hashtag", "no_image"})
"""Reasons of curation that say which modality a post lacks."""

PICTURE_STAGES = ("portrait_masks", "clean_images")
"""Stages that take a post's last picture away."""


@dataclass(frozen=True, kw_only=True)
class StudyPost:
    """One post with all its hashtags, rare ones too, and the digests of its readable originals, in carousel order.

    lost: why the release left it out; "" where it did not.
    """

    post_key: str
    user_key: str
    label: int
    taken_utc: dt.datetime
    caption: str
    hashtags: tuple[str, ...]
    image_digests: tuple[str, ...]
    lost: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether it is in the release: it has all that curation requires."""
        return not self.lost

    @property
    def lacks_modality(self) -> bool:
        """Whether a caption, hashtag or picture that curation requires is all that the release missed of it."""
        return self.lost in NO_MODALITY or self.lost.startswith(PICTURE_STAGES)


@dataclass(frozen=True, kw_only=True)
class StudyPosts:
    """The posts, sorted by key, and in how many active posts of the whole city each hashtag stands."""

    posts: list[StudyPost]
    hashtag_counts: dict[str, int]


def study_posts(store: Store, city: str, release: Release) -> StudyPosts:
    """The posts of the release and those that a study may add to them."""
    labels = {label["poi_id"]: label["label"] for label in release.labels}
    released = set(release.posts["post_key"].to_pylist())
    lost, waiting = _lost(store, city), _waiting(store, city)
    rows = store.tables.read(city, "posts").to_pandas()
    images = store.tables.read(city, "images").to_pandas()
    readable = set(images.loc[images["outcome"] == OK, "digest"])
    counts = _hashtag_counts(rows)
    posts = []
    for row in rows.to_dict("records"):
        key = row["post_key"]
        if row["state"] != "active" or row["poi_id"] not in labels or key in waiting:
            continue
        if key not in released and lost.get(key, "") in {"", *NEVER}:
            continue
        posts.append(
            StudyPost(
                post_key=key,
                user_key=row["user_key"],
                label=labels[row["poi_id"]],
                taken_utc=row["taken_utc"].to_pydatetime(),
                caption=without_hashtags(row["caption"]),
                hashtags=tuple(row["hashtags"]),
                lost="" if key in released else lost[key],
                image_digests=tuple(digest for digest in row["image_digests"] if digest in readable),
            )
        )
    return StudyPosts(posts=sorted(posts, key=lambda post: post.post_key), hashtag_counts=counts)


def _lost(store: Store, city: str) -> dict[str, str]:
    """post_key -> the reason of curation, or `<stage>/<reason>` of a picture stage; none of the stage dataset."""
    lost = {}
    for row in store.tables.read(city, "drops").to_pylist():
        if row["stage"] == "curated_posts":
            lost[row["post_key"]] = row["reason"]
        elif row["stage"] in PICTURE_STAGES:
            lost[row["post_key"]] = f"{row['stage']}/{row['reason']}"
    return lost


def _waiting(store: Store, city: str) -> set[str]:
    return {row["post_key"] for row in store.tables.read(city, "deferred").to_pylist()}


def _hashtag_counts(rows: pd.DataFrame) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for tags, state in zip(rows["hashtags"], rows["state"], strict=True):
        if state == "active":
            for tag in set(tags):
                counts[tag] += 1
    return dict(counts)
