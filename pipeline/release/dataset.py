"""Stage `dataset`: the release of a city, written once and never edited.

Reads  pois, posts, curated_posts, clean_images, drops, deferred, blobs/clean
Writes datasets/<city>/<version>/: shards, posts.parquet, labels.json, and last of all manifest.json; drops of posts
       of POIs that fell below the floor after the image stages; removes what holds posts that are gone
Law    posts = released + dropped + deferred; equal input gives equal bytes.
"""

import json
import shutil
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field
from tqdm import tqdm

from pipeline.cities import City, Settings
from pipeline.code_digest import code_digest
from pipeline.collect.instagram.settings import live_settings
from pipeline.collect.instagram.terms import stated_terms
from pipeline.collect.poi_sources.keeping import read_pois
from pipeline.curate.rules import POI_FLOOR, has_enough_posts
from pipeline.curate.settings import CuratedPostsSettings
from pipeline.errors import StageError
from pipeline.images.clean_images import KEPT, UNCHANGED
from pipeline.ledger import reason_counts, write_ledger
from pipeline.privacy.forgotten import sweep_forgotten
from pipeline.privacy.gone import gone_posts
from pipeline.privacy.leftovers import sweep_leftovers
from pipeline.records import SCHEMA_VERSION
from pipeline.release import read
from pipeline.release.cut import Cut, Posts, SplitChoice, cut_posts
from pipeline.release.read import Sample, write_shards
from pipeline.release.split import SPLITS, SplitError, shared_names, shares
from pipeline.stage import Outcome, StageReport, run_stage, table_inputs
from pipeline.store import Store
from pipeline.store.digests import json_digest
from pipeline.store.files import naming, seal

STAGE = read.STAGE
DAY = "%Y-%m-%d"
MOST_NAMES = 5
"""of classes without a training post, in a note"""
INPUTS = (
    ("pois", "pois"),
    ("posts", "posts"),
    ("drops", "posts"),
    ("deferred", "posts"),
    ("curated_posts", "curated_posts"),
    ("drops", "curated_posts"),
    ("drops", "portrait_masks"),
    ("clean_images", "clean_images"),
    ("drops", "clean_images"),
)


class DatasetSettings(Settings):
    """How the release is cut."""

    split: SplitChoice = Field(
        "auto",
        description=(
            "How posts are split: user, no user in two splits; time, train on the past, validate and test on what "
            "follows; auto, user where ten independent users or more posted and the shares come out, else time."
        ),
    )
    seed: int = Field(0, ge=0, description="Random seed of the split by user.")
    min_posts_per_poi: int | None = Field(
        None,
        ge=1,
        description="Minimum number of posts per POI, counted once more after all filters and image stages; by "
        "default as in curated_posts. 1 counts it in curated_posts alone.",
    )
    picture: Literal["first", "unchanged"] = Field(
        "first",
        description="Which picture of a post is released: first, the first that was kept; unchanged, the first that "
        "no person was filled out of, where it has one.",
    )
    max_samples_per_shard: int = Field(1000, ge=1, description="Maximum number of posts per shard.")

    def floor(self, city: City) -> int:
        """The minimum number of posts per POI, the city's own of curation where none is set here."""
        return self.min_posts_per_poi or city.settings("curated_posts", CuratedPostsSettings).min_posts_per_poi

    def in_effect(self, city: City, num_train_posts: int | None) -> dict[str, Any]:
        """All settings, with the minimum that curation gives."""
        return super().in_effect(city, num_train_posts) | {"min_posts_per_poi": self.floor(city)}


def build_dataset(store: Store, city: City, settings: DatasetSettings) -> StageReport:
    """Release the posts that came through, unless this very release stands already."""
    try:
        return _build(store, city, settings)
    finally:
        sweep_leftovers(store)  # clean pictures of releases that went: the lock of this stage keeps them


def _build(store: Store, city: City, settings: DatasetSettings) -> StageReport:
    with store.lock(city.key, STAGE):
        settings = settings.model_copy(update={"min_posts_per_poi": settings.floor(city)})
        city_digest = json_digest(
            [
                city.name,
                city.is_synthetic,
                _collected(city),
                _sensitive(store, city.key),
                _face_gate(store, city.key),
            ]
        )
        inputs = {**table_inputs(store, city.key, INPUTS), "city": city_digest}
        if not read.is_whole(store, city.key):  # deleted by hand, or damaged: it is built again
            store.forget_stage_record(city.key, STAGE)
        try:
            report = run_stage(
                store,
                city,
                STAGE,
                code_version=code_digest(build_dataset),
                settings=settings,
                inputs=inputs,
                outputs=("drops",),
                work=partial(_work, store, city, settings, inputs),
            )
        except StageError:  # without a new release the old one goes all the same
            sweep_forgotten(store, city.key)
            raise
        sweep_forgotten(store, city.key)
        return report


def _work(store: Store, city: City, settings: DatasetSettings, inputs: dict[str, str]) -> Outcome:
    for table in dict.fromkeys(name for name, _ in INPUTS):
        store.tables.check(city.key, table, is_deep=True)  # what is released is compared, touched or not
    posts = _candidates(store, city.key, settings.picture)
    if gone_posts(store, city.key) & set(posts["post_key"]):
        raise StageError(f"posts of {city.key} are gone since curated_posts was built: build curated_posts first")
    if posts.empty:
        raise StageError(nothing_left(store, city.key))
    assert settings.min_posts_per_poi is not None
    stays = np.array(has_enough_posts(posts["poi_id"].tolist(), settings.min_posts_per_poi))
    drops = {key: POI_FLOOR.name for key in posts.loc[~stays, "post_key"]}
    write_ledger(store, city.key, STAGE, drops, {})
    posts = posts[stays].reset_index(drop=True)
    if posts.empty:
        raise StageError(nothing_left(store, city.key))
    ledger = _close_ledger(store, city.key, num_released=len(posts))
    samples, labels, cut = _samples(store, city.key, posts, settings)
    version = json_digest([STAGE, code_digest(build_dataset), settings.model_dump(mode="json"), inputs])[:16]
    sources = {
        "sensitive_places": _sensitive(store, city.key),
        "face_gate": _face_gate(store, city.key),
        "pois_source": _pois_source(store, city.key),
    }
    about = {**_about(city, version, settings, inputs, ledger, samples, labels, cut), **sources}
    with naming(store.dataset_folder(city.key, version)):
        _write(store, city.key, version, settings, samples, labels, about)
    return Outcome(
        counts={"released": len(samples), "classes": len(labels), **about["splits"], **reason_counts(drops)},
        notes=[cut.sentence, *about["notes"]],
        about={"version": version, "split": cut.kind},
    )


def _candidates(store: Store, city: str, picture: str) -> pd.DataFrame:
    """Curated posts with the clean digest of the picture that stands for them."""
    clean = store.tables.read(city, "clean_images").to_pandas()
    rows = clean.loc[clean["outcome"].isin(KEPT), ["digest", "clean_digest"]]
    kept = dict(rows.itertuples(index=False, name=None))
    unchanged = set(clean.loc[clean["outcome"] == UNCHANGED, "digest"]) if picture == "unchanged" else set()
    posts: pd.DataFrame = store.tables.read(city, "curated_posts").to_pandas()
    if posts.empty:
        return posts.assign(clean_digest=None)
    posts["clean_digest"] = [
        next(
            (kept[digest] for digest in sorted(digests, key=lambda each: each not in unchanged) if digest in kept),
            None,
        )
        for digests in posts["image_digests"]
    ]
    return posts[posts["clean_digest"].notna()].reset_index(drop=True)


def nothing_left(store: Store, city: str) -> str:
    """What is said of a city without a post to release: where its posts went, and what to do."""
    reasons = Counter(
        f"{row['stage']}: {row['reason']}"
        for table in ("drops", "deferred")
        for row in store.tables.read(city, table).to_pylist()
    )
    most = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common(5)) or "there were none"
    is_of_curation = any(reason.startswith(("curated_posts: ", f"{STAGE}: ")) for reason in reasons)
    loosen = (
        ", or loosen what curated_posts asks for in cities.yaml, as min_posts_per_poi (docs/CURATION.md names the "
        "setting of each reason)"
    )
    return (
        f"no post of {city} is left to release. Dropped or deferred most: {most}. Collect more posts or their missing "
        f"pictures{loosen if is_of_curation else ''}"
    )


def _close_ledger(store: Store, city: str, *, num_released: int) -> dict[str, int]:
    """Count every post once. Raises AssertionError where one is lost: that is our fault, not the user's."""
    drops, deferred = store.tables.read(city, "drops"), store.tables.read(city, "deferred")
    posts = set(store.tables.read(city, "posts")["post_key"].to_pylist())
    dropped, waiting = set(drops["post_key"].to_pylist()), set(deferred["post_key"].to_pylist())
    num_seen = len(posts | dropped | waiting)
    ledger = {
        "posts": num_seen,
        "released": num_released,
        "dropped": len(dropped),
        "deferred": len(waiting),
        **reason_counts({row["post_key"]: f"{row['stage']}/{row['reason']}" for row in drops.to_pylist()}),
    }
    assert not dropped & waiting, f"posts both dropped and deferred: {sorted(dropped & waiting)[:3]}"
    assert num_seen == num_released + len(dropped) + len(waiting), f"the ledger of {city} does not close: {ledger}"
    return ledger


def _samples(
    store: Store, city: str, posts: pd.DataFrame, settings: DatasetSettings
) -> tuple[list[Sample], list[dict[str, Any]], Cut]:
    """Samples sorted by key, the classes (POIs sorted by id), and how they were cut into splits."""
    poi_ids = sorted(set(posts["poi_id"]))
    pois = read_pois(store, city).to_pandas().set_index("poi_id")
    labels = [
        {
            "label": label,
            "poi_id": poi_id,
            "name": pois.at[poi_id, "name"],
            "category": pois.at[poi_id, "semantic_label"],
            "latitude": float(pois.at[poi_id, "latitude"]),
            "longitude": float(pois.at[poi_id, "longitude"]),
            "num_posts": int((posts["poi_id"] == poi_id).sum()),
        }
        for label, poi_id in enumerate(poi_ids)
    ]
    posts = posts.sort_values("post_key").assign(label=posts["poi_id"].map(poi_ids.index))
    to_cut = Posts(
        labels=list(posts["label"]),
        users=list(posts["user_key"]),
        days=list(posts["taken_utc"].dt.strftime(DAY)),
        pictures=_pictures(store, city, posts),
    )
    try:
        cut = cut_posts(to_cut, settings.split, seed=settings.seed)
    except SplitError as error:
        raise SplitError(f"no data set of {city} can be made: {error}") from error
    rows: list[Any] = list(zip(posts.itertuples(), to_cut.picture_groups.tolist(), cut.splits, strict=True))
    return (
        [_sample(post, labels[post.label], picture_group, split) for post, picture_group, split in rows],
        labels,
        cut,
    )


def _pictures(store: Store, city: str, posts: pd.DataFrame) -> list[list[str]]:
    """What each post shows: the digests of its pictures, and what the released one shares with near-duplicates."""
    digests = sorted(set(posts["clean_digest"]))
    shared = shared_names(digests, partial(store.blobs.get, "clean"), f"{city} {STAGE}: near-duplicates")
    return [
        [*pictures, *shared.get(released, [])]
        for pictures, released in zip(posts["image_digests"], posts["clean_digest"], strict=True)
    ]


def _sample(post: Any, label: dict[str, Any], picture_group: int, split: str) -> Sample:
    return Sample(
        post_key=post.post_key,
        user_key=post.user_key,
        poi_id=post.poi_id,
        poi_name=label["name"],
        category=label["category"],
        label=label["label"],
        latitude=label["latitude"],
        longitude=label["longitude"],
        caption=post.caption,
        hashtags=list(post.hashtags),
        clean_digest=post.clean_digest,
        taken_day=post.taken_utc.strftime(DAY),
        picture_group=picture_group,
        split=split,
    )


def _collected(city: City) -> dict[str, str]:
    """Who collected the posts live, what for and on which ground; empty where nobody did."""
    live = live_settings(city)
    return stated_terms(live.terms) if live is not None else {}


def _sensitive(store: Store, city: str) -> dict[str, str]:
    """Which kinds of sensitive places were let in, and why; the version of the list in any case."""
    record = store.stage_record(city, "pois")
    about = record.about if record is not None else {}
    return {name: fact for name, fact in about.items() if name.startswith("sensitive")}


def _pois_source(store: Store, city: str) -> str:
    """Where the names and coordinates of the classes come from: the source's terms bind whoever keeps the release."""
    return ", ".join(sorted(set(store.tables.read(city, "pois")["source"].to_pylist())))


def _face_gate(store: Store, city: str) -> dict[str, str]:
    """What looked for faces in the clean pictures and what it finds of known ones, or why nothing looked."""
    record = store.stage_record(city, "clean_images")
    about = record.about if record is not None else {}
    return {name: fact for name, fact in about.items() if name.startswith("face_")}


def _about(
    city: City,
    version: str,
    settings: DatasetSettings,
    inputs: dict[str, str],
    ledger: dict[str, int],
    samples: list[Sample],
    labels: list[dict[str, Any]],
    cut: Cut,
) -> dict[str, Any]:
    splits = Counter(cut.splits)
    notes = [*cut.remarks, *_without_training_posts(samples, labels, cut)]
    if len(labels) < 2:
        notes.append("there is one class only: nothing can be told apart, training will skip this city")
    return {
        "city": city.key,
        "city_name": city.name,
        "is_synthetic": city.is_synthetic,
        "version": version,
        "schema_version": SCHEMA_VERSION,
        "settings": settings.model_dump(mode="json"),
        "inputs": inputs,
        "collected": _collected(city),
        "ledger": ledger,
        "num_classes": len(labels),
        "splits": {name: splits[name] for name in SPLITS},
        "shares": {name: round(share, 4) for name, share in shares(cut.splits).items()},
        "split": cut.kind,
        "split_reason": cut.reason,
        "notes": notes,
        "passed": all(splits[name] for name in SPLITS),
    }


def _without_training_posts(samples: list[Sample], labels: list[dict[str, Any]], cut: Cut) -> list[str]:
    """A note on the classes that nothing can be learnt of, and how many test posts are of them; none where none is."""
    in_train = {sample.label for sample in samples if sample.split == "train"}
    names = [label["name"] for label in labels if label["label"] not in in_train]
    if not names:
        return []
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    why = {"user": "are of users or pictures of another split", "time": "were made after those of train"}[cut.kind]
    test = [sample.label in in_train for sample in samples if sample.split == "test"]
    return [
        f"no training post of {', '.join(names[:MOST_NAMES])}{more}: all their posts {why}. {test.count(False)} of "
        f"{len(test)} test posts are of such places, which no model can name"
    ]


def _write(
    store: Store,
    city: str,
    version: str,
    settings: DatasetSettings,
    samples: list[Sample],
    labels: list[dict[str, Any]],
    about: dict[str, Any],
) -> None:
    folder = store.dataset_folder(city, version)
    shutil.rmtree(folder, ignore_errors=True)  # what a killed run left has no manifest and was never a release
    folder.mkdir(parents=True)
    names = []
    with tqdm(total=len(samples), desc=f"{city} {STAGE}", unit="post", disable=None) as bar:
        for split in SPLITS:
            part = [sample for sample in samples if sample.split == split]

            def picture(sample: Sample) -> bytes:
                bar.update()
                return store.blobs.get("clean", sample.clean_digest)

            names += write_shards(folder, split, part, picture, max_samples=settings.max_samples_per_shard)
    (folder / "labels.json").write_text(json.dumps(labels, indent=1, ensure_ascii=False))
    _write_posts(folder / "posts.parquet", samples)
    seal(folder, about, [*names, "labels.json", "posts.parquet"])


def _write_posts(path: Path, samples: list[Sample]) -> None:
    columns: dict[str, Any] = {name: [getattr(one, name) for one in samples] for name in Sample.__dataclass_fields__}
    columns["hashtags"] = pa.array(columns["hashtags"], pa.list_(pa.string()))  # else of no type where no post has any
    pq.write_table(pa.table(columns), path, compression="zstd")
