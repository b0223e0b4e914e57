"""A small town for studies: a release of three places, and posts of these that the release left out.

Pictures are true ones; masks, clean pictures and features of the release are made up, past the picture stages.
"""

import dataclasses
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache, partial
from typing import Any

import numpy as np

from models.vision.backbones import fixed_seed_sha256
from pipeline.cities import City
from pipeline.ledger import write_ledger
from pipeline.picture_bytes import encode_clean
from pipeline.release.dataset import DatasetSettings, build_dataset
from pipeline.release.read import latest_release
from pipeline.store import Store
from pipeline.store.store import StageRecord
from pipeline.study import running
from pipeline.study.study_data import StudyDataSettings, build_study_data, source_of
from pipeline.study.work import CellRunner, Machine
from tests.fakes.city import CITY as PLAIN
from tests.fakes.city import curated_post, fill_city, finish, post_of
from tests.fakes.pictures import encoded, pixels, portrait

BACKBONE = "vgg19_fixed_seed"
OTHER = "vgg16_fixed_seed"
WIDTH = 512
STUDY_DATA = StudyDataSettings(backbones=["vgg16"])
CITY: City = PLAIN.model_copy(
    update={
        "stages": {
            "curated_posts": {"min_hashtag_count": 2, "min_posts_per_poi": 5},
            "portrait_masks": {"weights": "builtin", "find_bodies": False, "num_workers": 1},
            "clean_images": {"weights": "builtin", "num_workers": 1},
            "dataset": {"min_posts_per_poi": 5},
            "image_features": {"weights": "builtin", "image_size": 32, "runtime": "torch", "precision": "fp32"},
            "study_data": {"backbones": ["vgg16"]},
        }
    }
)


@dataclasses.dataclass(frozen=True)
class Extra:
    """A post that the release left out: its reason of curation, and what is odd about it."""

    lost: str
    changes: dict[str, Any]


EXTRAS = {
    1000: Extra("no_hashtag", {"hashtags": ["once"]}),
    1001: Extra("no_text", {"caption": ""}),
    1002: Extra("not_english", {"caption": "ein ruhiger Nachmittag am Hafen #place0 #town"}),
    1003: Extra("far_from_poi", {}),
    1004: Extra("deleted", {"state": "deleted"}),
    1005: Extra("poi_below_floor", {"poi_id": "poi99"}),
    1006: Extra("no_hashtag", {"hashtags": []}),
}
STAYS_OUT = {1003, 1004, 1005}


def build_town(store: Store) -> Store:
    """The town as far as its picture features."""
    curated = fill_city(store, num_pois=3, posts_per_poi=20)
    extras = [_extra(store, number, extra) for number, extra in EXTRAS.items()]
    store.tables.replace("demo", "posts", [*map(_with_tags, map(post_of, curated)), *extras])
    write_ledger(
        store,
        "demo",
        "curated_posts",
        {post["post_key"]: extra.lost for post, extra in zip(extras, EXTRAS.values(), strict=True)},
    )
    digests = {digest for post in (*curated, *extras) for digest in post["image_digests"]}
    store.tables.replace(
        "demo",
        "images",
        [
            {"digest": digest, "width": 96, "height": 96, "format": "JPEG", "num_bytes": 1, "outcome": "ok"}
            for digest in digests
        ],
    )
    _put_pictures(store, curated)
    for stage in ("portrait_masks", "clean_images"):
        finish(store, stage)
    build_dataset(store, CITY, CITY.settings("dataset", DatasetSettings))
    _put_features(store)
    return store


def with_study_data(store: Store) -> Store:
    """The same with what a study needs beyond."""
    build_study_data(store, CITY, STUDY_DATA)
    return store


def _put_pictures(store: Store, curated: list[dict[str, Any]]) -> None:
    """Rows of the picture stages: the first post's picture is filled by people, the second's a little."""
    masks, clean = [], []
    for number, post in enumerate(curated):
        (digest,) = post["image_digests"]
        ratio = {0: 0.9, 1: 0.2}.get(number, 0.0)
        outcome = "mostly_person" if ratio > 0.5 else "filled" if ratio else "unchanged"
        made = store.blobs.put("clean", encode_clean(pixels(number + 500, (96, 96)))) if ratio <= 0.5 else None
        by = {"digest": digest, "weights_sha256": "", "recipe": "r"}
        masks.append(
            {
                **by,
                "outcome": "person" if ratio else "no_person",
                "portrait_ratio": ratio,
                "mask": None,
                "network": "opencv",
            }
        )
        clean.append({**by, "outcome": outcome, "clean_digest": made, "inpainter": "opencv"})
    store.tables.replace("demo", "portrait_masks", masks)
    store.tables.replace("demo", "clean_images", clean)
    write_ledger(store, "demo", "clean_images", {curated[0]["post_key"]: "mostly_person"})


def _put_features(store: Store) -> None:
    """Vectors that hold a little of the place, as the city's own network would make them."""
    rng = np.random.default_rng(1)
    posts = latest_release(store, "demo").posts.to_pylist()
    vectors = {
        post["clean_digest"]: (rng.normal(size=WIDTH) + 1.5 * np.eye(WIDTH)[post["label"]]).astype("<f2").tobytes()
        for post in posts
    }
    recipe = source_of(store, CITY).recipe
    store.tables.replace(
        "demo",
        "image_features",
        [
            {
                "clean_digest": digest,
                "backbone": BACKBONE,
                "outcome": "ok",
                "vector": vector,
                "weights_sha256": "c",
                "recipe": recipe,
            }
            for digest, vector in vectors.items()
        ],
    )
    about = {"backbone": BACKBONE, "weights_sha256": fixed_seed_sha256("vgg19"), "running": "torch fp32 on cpu"}
    store.write_stage_record(
        "demo", StageRecord(stage="image_features", digest="d", outputs={}, versions={}, about=about)
    )


def _with_tags(post: dict[str, Any]) -> dict[str, Any]:
    """As collected: hashtags stand in the caption too, and one is a post's own."""
    rare = f"rare{post['post_key'][:6]}"
    return {**post, "caption": f"{post['caption']} #{rare}", "hashtags": [*post["hashtags"], rare]}


def _extra(store: Store, number: int, extra: Extra) -> dict[str, Any]:
    picture = pixels(number, (96, 96))
    if number == 1001:  # a portrait that fills its picture
        picture = portrait(256)[10:150, 45:185]
    digest = store.blobs.put("original", encoded(picture, quality=92))
    post = {**post_of(curated_post(number, number % 3, number, [digest])), **extra.changes}
    return post


class CellsHere:
    """In place of the pool of processes: a cell is computed where it is submitted."""

    def __init__(self, store: Store, city: City, machine: Machine, num_processes: int) -> None:
        running._make_runner = cache(partial(CellRunner, store, city, machine))

    def __enter__(self) -> "CellsHere":
        return self

    def __exit__(self, *_: object) -> None:
        running._make_runner = None

    def submit(self, compute: Callable[..., Any], *arguments: object) -> Future[Any]:
        """A future that is done."""
        done: Future[Any] = Future()
        done.set_result(compute(*arguments))
        return done
