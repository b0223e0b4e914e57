"""A small city put into a store directly, past collecting and curating: for tests of the later stages."""

import datetime as dt
import hashlib
from typing import Any

from pipeline.cities import City
from pipeline.picture_bytes import encode_clean
from pipeline.release.dataset import DatasetSettings, build_dataset
from pipeline.store import Store
from pipeline.store.store import StageRecord
from tests.fakes.pictures import encoded, pixels, portrait

CITY = City(key="demo", name="Little Town", latitude=0.0, longitude=0.0, radius_km=5, is_synthetic=True)
TAKEN = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def key(*parts: object) -> str:
    """A pseudonym-like key, 32 hex characters."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def poi(number: int, **changes: Any) -> dict[str, Any]:
    """A good POI, then `changes`."""
    return {
        "poi_id": f"poi{number}",
        "name": f"Place {number}",
        "latitude": 0.001 * number,
        "longitude": 0.01,
        "category_ids": ["c"],
        "category_name": "Cafe",
        "semantic_label": "Dining and Drinking",
        "rank": number + 1,
        "popularity": None,
        "source": "file",
        "retrieved_utc": TAKEN,
        **changes,
    }


def curated_post(number: int, poi_number: int, user: int, images: list[str], **changes: Any) -> dict[str, Any]:
    """A good curated post, then `changes`."""
    return {
        "post_key": key("post", number),
        "user_key": key("user", user),
        "poi_id": f"poi{poi_number}",
        "taken_utc": TAKEN + dt.timedelta(days=number),
        "caption": f"a quiet hour at place {poi_number}",
        "hashtags": [f"place{poi_number}", "town"],
        "image_digests": images,
        **changes,
    }


def post_of(curated: dict[str, Any]) -> dict[str, Any]:
    """The row of `posts` that a curated post came from."""
    return {
        **curated,
        "media_key": key("media", curated["post_key"]),
        "location_id": "1",
        "num_media": 1,
        "latitude": 0.0,
        "longitude": 0.0,
        "source": "archive",
        "retrieved_utc": TAKEN,
        "state": "active",
    }


def fill_city(store: Store, *, num_pois: int = 3, posts_per_poi: int = 20, city: str = "demo") -> list[dict[str, Any]]:
    """POIs, posts, curated posts and pictures of a city; a portrait fills one picture and stands in another."""
    posts = []
    for number in range(num_pois * posts_per_poi):
        picture = pixels(number, (96, 96))
        if number == 0:
            picture = portrait(256)[10:150, 45:185]
        if number == 1:
            picture = pixels(number, (320, 256)).copy()
            picture[:, 64:] = portrait(256)
        digest = store.blobs.put("original", encoded(picture, quality=92))
        posts.append(curated_post(number, number % num_pois, number // 2, [digest]))
    put_city(store, [poi(number) for number in range(num_pois)], posts, city=city)
    return posts


def put_city(store: Store, pois: list[dict[str, Any]], posts: list[dict[str, Any]], city: str = "demo") -> None:
    """Write the tables that the stages before `portrait_masks` would have left, and their records."""
    store.tables.replace(city, "pois", pois)
    store.tables.replace(city, "posts", [post_of(post) for post in posts])
    store.tables.replace(city, "curated_posts", posts)
    for name in ("pois", "posts", "curated_posts"):
        finish(store, name, city)


def finish(store: Store, stage: str, city: str = "demo") -> None:
    """Say that a stage has finished, whatever its tables hold; it runs all the same where it is built."""
    store.write_stage_record(city, StageRecord(stage=stage, digest="d", outputs={}, versions={}))


def fill_released_city(store: Store, settings: DatasetSettings | None = None, **how: Any) -> None:
    """A small city as far as its release; nobody was in its pictures, each clean one is another than its original."""
    digests = [digest for post in fill_city(store, **how) for digest in post["image_digests"]]
    store.tables.replace("demo", "clean_images", [clean_row(store, *numbered) for numbered in enumerate(digests)])
    for name in ("portrait_masks", "clean_images"):
        finish(store, name)
    build_dataset(store, CITY, settings or DatasetSettings(min_posts_per_poi=5))


def clean_row(store: Store, number: int, digest: str) -> dict[str, Any]:
    """The row of a picture in which nobody was, and its clean form in the store."""
    clean_digest = store.blobs.put("clean", encode_clean(pixels(1000 + number, (96, 120))))
    return {
        "digest": digest,
        "outcome": "unchanged",
        "inpainter": "none",
        "clean_digest": clean_digest,
        "weights_sha256": "",
        "recipe": "r",
    }
