"""Stage `curated_posts`: the posts of a city that pass every rule of curation, and why each other one was dropped.

Reads  posts, images, pois, deferred of the stage posts
Writes curated_posts; drops of this stage
Law: posts = kept + dropped + those that the stage posts deferred.
"""

from contextlib import suppress
from typing import Any

import pandas as pd

from pipeline.cities import City
from pipeline.code_digest import code_digest
from pipeline.collect.poi_sources.keeping import read_pois
from pipeline.collect.post_rules import OK
from pipeline.curate.rules import Candidate, apply_rules, frequent_hashtags, rule_of
from pipeline.curate.settings import CuratedPostsSettings
from pipeline.errors import StageError
from pipeline.geo import distance_km
from pipeline.ledger import reason_counts, write_ledger
from pipeline.privacy.gone import forget_pictures
from pipeline.privacy.leftovers import sweep_leftovers
from pipeline.privacy.named_pictures import UnreadableError
from pipeline.stage import Outcome, StageReport, run_stage, table_inputs
from pipeline.store import Store
from pipeline.store.tables import DamagedTableError

STAGE = "curated_posts"


def build_curated_posts(store: Store, city: City, settings: CuratedPostsSettings) -> StageReport:
    """Choose the posts of a city that a model can learn from.

    Raises:
        StageError: the posts were not collected, or the language is not known.
    """
    with store.lock(city.key, STAGE):
        if store.stage_record(city.key, "posts") is None:
            raise StageError(f"the posts of {city.key} were not collected: build the stage posts first")
        with suppress(DamagedTableError, UnreadableError):  # of a later stage: with its next build
            forget_pictures(store, city.key)
        sweep_leftovers(store)
        read = [("posts", "posts"), ("images", "posts"), ("deferred", "posts"), ("pois", "pois")]
        return run_stage(
            store,
            city,
            STAGE,
            code_version=code_digest(build_curated_posts),
            settings=settings,
            inputs=table_inputs(store, city.key, read),
            outputs=("curated_posts", "drops"),
            work=lambda: _work(store, city.key, settings),
        )


def _work(store: Store, city: str, settings: CuratedPostsSettings) -> Outcome:
    posts = _posts(store, city)
    everyone = [_candidate(post) for post in posts.to_dict(orient="records")]
    frequent = frequent_hashtags(everyone, settings.min_hashtag_count)
    waiting = _waiting(store, city)
    candidates = [post for post in everyone if post.post_key not in waiting]
    kept, drops = apply_rules(candidates, frequent, settings)
    assert len(kept) + len(drops) == len(candidates), "a post was lost or counted twice"
    store.tables.replace(city, "curated_posts", _rows(kept, posts))
    write_ledger(store, city, STAGE, drops)
    counts = {
        "posts": len(everyone),
        "kept": len(kept),
        "pois": len({post.poi_id for post in kept}),
        "hashtags": len({tag for post in kept for tag in post.hashtags}),
        "waiting": len(waiting),
        "dropped": len(drops),
        **reason_counts(drops),
    }
    return Outcome(counts=counts, notes=[] if kept else [_nothing_left(city, drops)])


def _posts(store: Store, city: str) -> pd.DataFrame:
    """All posts with their readable pictures and the distance to their POI."""
    posts: pd.DataFrame = store.tables.read(city, "posts").to_pandas()
    images = store.tables.read(city, "images").to_pandas()
    readable = set(images.loc[images["outcome"] == OK, "digest"])
    pois = read_pois(store, city).to_pandas().set_index("poi_id")[["latitude", "longitude"]]
    of_poi = pois.reindex(posts["poi_id"])  # NaN where the POI is gone from the list
    return posts.assign(
        image_digests=posts["image_digests"].map(lambda digests: [digest for digest in digests if digest in readable]),
        distance_km=distance_km(
            posts["latitude"].astype(float),
            posts["longitude"].astype(float),
            of_poi["latitude"].to_numpy(),
            of_poi["longitude"].to_numpy(),
        ),
    )


def _waiting(store: Store, city: str) -> set[str]:
    """Posts that the stage posts deferred: they are no one's to drop."""
    deferred = store.tables.read(city, "deferred").to_pylist()
    return {row["post_key"] for row in deferred if row["stage"] == "posts"}


def _candidate(post: dict[Any, Any]) -> Candidate:
    return Candidate(
        post_key=post["post_key"],
        poi_id=post["poi_id"],
        caption=post["caption"],
        hashtags=tuple(post["hashtags"]),
        image_digests=tuple(post["image_digests"]),
        distance_km=None if pd.isna(post["distance_km"]) else float(post["distance_km"]),
        is_active=post["state"] == "active",
    )


def _rows(kept: list[Candidate], posts: pd.DataFrame) -> list[dict[str, object]]:
    others = posts.set_index("post_key")[["user_key", "taken_utc"]]
    return [
        {
            "post_key": post.post_key,
            "user_key": others.at[post.post_key, "user_key"],
            "poi_id": post.poi_id,
            "taken_utc": others.at[post.post_key, "taken_utc"],
            "caption": post.caption,
            "hashtags": list(post.hashtags),
            "image_digests": list(post.image_digests),
        }
        for post in kept
    ]


def _nothing_left(city: str, drops: dict[str, str]) -> str:
    if not drops:
        return f"no post of {city} came from the stage posts: look at what it dropped"
    most, count = next(iter(reason_counts(drops).items()))
    reason = most.split("/")[1]
    rule = rule_of(reason)
    change = rule.setting if rule is not None else None
    what_to_do = f"change {change} of curated_posts in cities.yaml" if change else "collect other posts"
    return (
        f"no post of {city} is left: rule {reason} took {count} of {len(drops)}; {what_to_do}, or collect more posts"
    )
