"""Whether the model notices a post from elsewhere, and what leaving out the posts it is least sure of is worth.

Asked about are the test posts, and beside them posts of POIs below the floor and test posts of the other data sets of
the store whose pictures the same network looked at, but for those of places that are known here, too: two data sets
may be of one city. Nothing is chosen on either of them.
"""

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.curate.elsewhere import MAX_POSTS, elsewhere_posts
from pipeline.images.stages import clean_digests
from pipeline.release.read import Release, latest_release, released_cities
from pipeline.report.elsewhere_content import Coverage, Elsewhere, Source
from pipeline.report.estimate import Estimate
from pipeline.report.evaluation import Bootstrap, Floats
from pipeline.report.wording import plain
from pipeline.store import Store
from pipeline.training.run_files import KINDS, kinds_name

if TYPE_CHECKING:
    from models.data.samples import Samples
    from models.trained import TrainedModel

SHARES = tuple(step / 10 for step in range(10, 0, -1))
BELOW_FLOOR = "of POIs below the floor"
SAME_PLACE_KM = 0.1
"""what lies nearer to a known place may be that place from another source"""


@dataclass(frozen=True, kw_only=True)
class Doubts:
    """How a post is doubted: as in a prediction."""

    known: "dict[str, np.ndarray[Any, Any]]"
    words: frozenset[str]
    abstain: float

    @classmethod
    def of_release(cls, release: Release, *, known: "dict[str, np.ndarray[Any, Any]]", abstain: float) -> "Doubts":
        """known: how sure the model that answers is of validation posts, as stored with its run."""
        words = frozenset(chain.from_iterable(map(_words, release.posts["caption"].to_pylist())))
        return cls(known=known, words=words, abstain=abstain)

    def of(self, posts: "Samples", sure: Floats) -> Floats:
        """1.0 where a post is doubted, else 0.0."""
        from models.evaluation.metrics import surer_than

        doubted = np.zeros(len(posts))
        for row, (caption, tags, has_image) in enumerate(
            zip(posts.captions, posts.hashtags, posts.has_image_N, strict=True)
        ):
            shown = self.words.isdisjoint(_words(caption)), not tags, not has_image
            kinds = kinds_name([kind for kind, is_missing in zip(KINDS, shown, strict=True) if not is_missing])
            known = self.known.get(kinds, np.empty(0))
            share = float(surer_than(sure[row : row + 1], known)[0])
            doubted[row] = not kinds or share <= self.abstain
        return doubted


def measure_elsewhere(
    model: "TrainedModel",
    proba: Floats,
    test: "Samples",
    bootstrap: Bootstrap,
    others: "dict[str, Samples]",
    doubts: Doubts,
) -> Elsewhere:
    """proba: of the test posts (N, C). others: posts from elsewhere by what they are."""
    from models.evaluation.elsewhere import surest
    from models.evaluation.metrics import sureness

    right: Floats = (proba.argmax(axis=1) == test.labels_N).astype(np.float64)
    sure = sureness(proba)
    is_doubted = doubts.of(test, sure)
    rows_of = surest(sure, SHARES)
    return Elsewhere(
        abstain=doubts.abstain,
        num_known=len(doubts.known.get(kinds_name(KINDS), ())),
        refused=bootstrap.of_share(is_doubted),
        answered=bootstrap.of_some(right, is_doubted == 0),
        coverage=[
            Coverage(share=share, num_posts=len(rows), accuracy=_share_of(right, rows, bootstrap))
            for share, rows in zip(SHARES, rows_of, strict=True)
        ],
        sources=[
            _source(title, posts, sure, sureness(model.predict_proba(posts)), doubts, bootstrap)
            for title, posts in others.items()
        ],
    )


def posts_from_elsewhere(store: Store, city: str, release: Release, backbone: str) -> "dict[str, Samples]":
    """The posts that can be asked about, by what they are; their hashtags are those that the release knows."""
    known = frozenset(chain.from_iterable(release.posts["hashtags"].to_pylist()))
    found = {BELOW_FLOOR: _below_floor(store, city, backbone, known)}
    for other in _others(store, city):
        with suppress(ValueError, OSError):  # damaged, or of another network: its own stages say so
            there = latest_release(store, other)
            is_same = _recipe(store, other, backbone) == _recipe(store, city, backbone)
            title = f"of {plain(there.city_name, 80)}"
            title = f"{title} ({other})" if title in found else title
            found[title] = _of_city(store, other, there, release, backbone, known) if is_same else None
    return {title: posts for title, posts in found.items() if posts is not None and len(posts)}


def elsewhere_inputs(store: Store, city: str) -> dict[str, str]:
    """What the figures depend on beside the city's own data set, by name."""
    inputs = {}
    for other in _others(store, city):
        record = store.stage_record(other, "image_features")
        if record is not None:
            inputs[f"elsewhere/{other}"] = record.digest
    return inputs


def _others(store: Store, city: str) -> Iterator[str]:
    return (other for other in released_cities(store) if other != city)


def _recipe(store: Store, city: str, backbone: str) -> set[str]:
    batches = store.tables.batches(city, "image_features", ["recipe"], pc.field("backbone") == backbone)
    return {recipe for batch in batches for recipe in batch["recipe"].unique().to_pylist()}


def _below_floor(store: Store, city: str, backbone: str, known: Collection[str]) -> "Samples | None":
    clean = clean_digests(store, city)
    rows = [
        (post.post_key, post.user_key, post.caption, post.hashtags, clean.get(post.digest))
        for post in elsewhere_posts(store, city)
    ]
    return _samples(store, city, rows, backbone, known)


def _of_city(
    store: Store, city: str, there: Release, here: Release, backbone: str, known: Collection[str]
) -> "Samples | None":
    is_asked = pc.and_(
        pc.equal(there.posts["split"], "test"),
        pc.is_in(there.posts["label"], pa.array(_labels_elsewhere(there, here), there.posts["label"].type)),
    )
    test = there.posts.filter(is_asked).sort_by("post_key").slice(0, MAX_POSTS)
    columns = (test[name].to_pylist() for name in ("post_key", "user_key", "caption", "hashtags", "clean_digest"))
    return _samples(store, city, list(zip(*columns, strict=True)), backbone, known)


def _labels_elsewhere(there: Release, here: Release) -> list[int]:
    """The labels of the places there that are none of the places here."""
    from models.evaluation.metrics import haversine_km

    latitudes, longitudes = (np.array([place[name] for place in here.labels]) for name in ("latitude", "longitude"))
    return [
        place["label"]
        for place in there.labels
        if haversine_km(place["latitude"], place["longitude"], latitudes, longitudes).min() > SAME_PLACE_KM
    ]


def _samples(
    store: Store, city: str, rows: list[tuple[Any, ...]], backbone: str, known: Collection[str]
) -> "Samples | None":
    """Posts (key, user, caption, hashtags, digest of the clean picture) that have features; None where none has."""
    from models.data.samples import Samples

    vectors: dict[str, Any] = {}
    is_wanted = pc.field("clean_digest").isin([row[-1] for row in rows if row[-1]]) & (
        pc.field("backbone") == backbone
    )
    for batch in store.tables.batches(city, "image_features", ["clean_digest", "vector"], is_wanted) if rows else ():
        vectors.update(zip(batch["clean_digest"].to_pylist(), batch["vector"].to_pylist(), strict=True))
    rows = [row for row in rows if vectors.get(row[-1]) is not None]
    if not rows:
        return None
    keys, users, captions, tags, shown = zip(*rows, strict=True)
    return Samples(
        keys=list(keys),
        captions=list(captions),
        hashtags=[[tag for tag in own if tag in known] for own in tags],
        image_ND=np.stack([np.frombuffer(vectors[digest], dtype="<f2") for digest in shown]).astype(np.float32),
        labels_N=np.zeros(len(rows), dtype=np.int64),
        groups=list(users),
    )


def _source(
    title: str, posts: "Samples", known: Floats, elsewhere: Floats, doubts: Doubts, bootstrap: Bootstrap
) -> Source:
    """known, elsewhere: how sure the model is of the test posts and of these."""
    from models.evaluation.elsewhere import auroc
    from models.evaluation.metrics import grouped_bootstrap

    both, is_known = np.concatenate([known, elsewhere]), np.arange(len(known) + len(elsewhere)) < len(known)
    whole = auroc(known, elsewhere)

    def of_rows(rows: "np.ndarray[Any, Any]") -> float:
        ours = is_known[rows]
        return whole if ours.all() or not ours.any() else auroc(both[rows[ours]], both[rows[~ours]])

    groups = [*bootstrap.groups, *posts.groups]
    low, high = grouped_bootstrap(of_rows, groups, num_resamples=bootstrap.num_resamples, seed=bootstrap.seed)
    there = Bootstrap(groups=posts.groups, num_resamples=bootstrap.num_resamples, seed=bootstrap.seed)
    return Source(
        title=title,
        num_posts=len(posts),
        refused=there.of_share(doubts.of(posts, elsewhere)),
        auroc=Estimate(value=whole, low=low, high=high),
    )


def _share_of(right: Floats, rows: "np.ndarray[Any, Any]", bootstrap: Bootstrap) -> Estimate:
    chosen = np.zeros(len(right), dtype=bool)
    chosen[rows] = True
    found = bootstrap.of_some(right, chosen)
    assert found is not None, "of at least one post"
    return found


def _words(caption: str) -> list[str]:
    from models.data.text import normalise, words_of

    return words_of(normalise(caption))
