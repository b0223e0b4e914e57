"""Reading a release: always through its manifest, never by listing a folder."""

import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.release.dataset import STAGE
from pipeline.stage import StageError
from pipeline.store import Store
from pipeline.store.folders import Manifest


@dataclass(frozen=True, kw_only=True)
class Release:
    """One version of a city's data set: its manifest, its posts (a row each, sorted by post_key) and its classes."""

    manifest: Manifest
    posts: pa.Table
    labels: list[dict[str, Any]]

    @property
    def version(self) -> str:
        """The name of its folder."""
        return str(self.manifest.about["version"])

    @property
    def city_name(self) -> str:
        """The city's name as a person reads it."""
        return str(self.manifest.about["city_name"])

    @property
    def is_synthetic(self) -> bool:
        """Whether the posts were made up by the demo city's generator."""
        return bool(self.manifest.about["is_synthetic"])


def latest_release(store: Store, city: str) -> Release:
    """The release that the last run of the stage `dataset` made or found.

    Raises:
        StageError: there is none, or a file of it is missing or changed.
    """
    record = store.stage_record(city, STAGE)
    folder = store.dataset_folder(city, record.about["version"]) if record is not None else None
    manifest = store.manifest(folder) if folder is not None else None
    if manifest is None:
        raise StageError(
            f"there is no data set of {city} yet: build all of it with "
            f'`dagster asset materialize --select "+evaluate_mrlf" --partition {city}`, '
            f"or only that far with `mrlf run {city} --to dataset`"
        )
    manifest.verify()
    posts = pq.read_table(manifest.folder / "posts.parquet")
    return Release(
        manifest=manifest, posts=posts, labels=json.loads((manifest.folder / "labels.json").read_text())
    )  # fmt: skip


def released_cities(store: Store) -> list[str]:
    """Cities whose data set stands in the store with its checks passed."""
    cities = []
    for city in store.cities():
        record = store.stage_record(city, STAGE)
        manifest = store.manifest(store.dataset_folder(city, record.about["version"])) if record is not None else None
        if manifest is not None and manifest.about["passed"]:
            cities.append(city)
    return cities
