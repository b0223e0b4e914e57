"""The files of a release: read through its manifest, never by listing a folder, and its shards written.

Reads  datasets/<city>/<version>/, stages/<city>/verified.json
Writes stages/<city>/verified.json: size, times and inode of the shards that were compared with their digests
Law: what is read is compared with its digest each time; a shard, which no stage reads, once, and again when its file
was touched. Not covered: bytes that a disk changes by itself in a shard; `mrlf verify` compares all.

Shards are WebDataset: plain tars of `<post_key>.jpg` and `<post_key>.json`, equal bytes for equal samples. Every
sample has exactly these two files and every JSON key, no value is null and no list empty, floats have a decimal point:
readers that guess types from the first samples (`datasets.load_dataset`) then guess right.
"""

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StageError
from pipeline.refusals import how_to_build
from pipeline.store import Store
from pipeline.store.files import IncompleteFolderError, Manifest
from pipeline.store.kept import read_kept, remember_kept
from pipeline.store.store import StageRecord

if TYPE_CHECKING:
    from pipeline.release.cut import SplitKind

STAGE = "dataset"
"""The stage that writes releases; named here, so that readers load nothing of how one is made."""
READ_ALWAYS = ("posts.parquet", "labels.json")

log = logging.getLogger("mrlf")


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
    def split(self) -> "SplitKind":
        """Whether it is split by user or in time; releases that do not say are older, and by user."""
        kind: SplitKind = self.manifest.about.get("split", "user")
        return kind

    @property
    def is_synthetic(self) -> bool:
        """Whether the posts were made up by the demo city's generator."""
        return bool(self.manifest.about["is_synthetic"])


def latest_release(store: Store, city: str, *, compare_all: bool = False) -> Release:
    """The release that the last run of the stage `dataset` made or found; `compare_all` its files, touched or not.

    Raises:
        StageError: there is none, or a file of it is missing or changed.
    """
    record = store.stage_record(city, STAGE)
    manifest = store.manifest(_folder(store, city, record)) if record is not None else None
    if manifest is None:
        advice = (
            f'build all of it with `dagster asset materialize --select "+evaluate_mrlf" --partition {city}`, '
            f"or only that far with `mrlf run {city} --to dataset`"
        )
        raise StageError(f"there is no data set of {city} yet: {how_to_build(store, city, STAGE, advice)}")
    _verify(store, city, manifest, compare_all=compare_all)
    posts = pq.read_table(manifest.folder / "posts.parquet")
    return Release(manifest=manifest, posts=posts, labels=json.loads((manifest.folder / "labels.json").read_text()))


def is_whole(store: Store, city: str) -> bool:
    """Whether the release that the last run of the stage `dataset` made stands as it was made; said where it does not.

    What is not there at all is not said: somebody removed it.
    """
    record = store.stage_record(city, STAGE)
    if record is None:
        return False
    try:
        manifest = store.manifest(_folder(store, city, record))
        if manifest is not None:
            _verify(store, city, manifest, compare_all=False)
    except IncompleteFolderError as error:
        log.warning("%s", error)
        return False
    return manifest is not None


def _folder(store: Store, city: str, record: StageRecord) -> Path:
    return store.dataset_folder(city, record.about.get("version", ""))


def _verify(store: Store, city: str, manifest: Manifest, *, compare_all: bool) -> None:
    """Compare what is read, and what was touched since the files were remembered as they were."""
    path = store.verified_path(city)
    known = (read_kept(path, dict) or {}) if not compare_all else {}
    states = {name: _state(manifest, name) for name in manifest.files}
    manifest.verify(name for name, state in states.items() if name in READ_ALWAYS or known.get(name) != state)
    if states != known:
        remember_kept(path, states)


def _state(manifest: Manifest, name: str) -> list[object]:
    """What changes when a file does: its digest in the manifest, size, times and inode; empty where it is gone."""
    try:
        found = (manifest.folder / name).stat()
    except FileNotFoundError:
        return []
    return [manifest.files[name]["sha256"], found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def released_cities(store: Store) -> list[str]:
    """Cities whose data set stands in the store with its checks passed."""
    cities = []
    for city in store.cities():
        record = store.stage_record(city, STAGE)
        try:
            manifest = store.manifest(_folder(store, city, record)) if record is not None else None
        except IncompleteFolderError as error:  # one city's damage is not the others'
            log.warning("%s", error)
            continue
        if manifest is not None and manifest.about["passed"]:
            cities.append(city)
    return cities


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One released post; `latitude` and `longitude` are its POI's, of its time only the day is released."""

    post_key: str
    user_key: str
    poi_id: str
    poi_name: str
    category: str
    label: int
    latitude: float
    longitude: float
    caption: str
    hashtags: list[str]
    clean_digest: str
    taken_day: str
    picture_group: int
    """the same number for posts that share a picture or near-duplicates of one, also in a chain"""
    split: str

    def json(self) -> bytes:
        """The sample without its picture, and without what compares it with others."""
        left_out = ("split", "clean_digest", "picture_group")
        fields = {name: value for name, value in asdict(self).items() if name not in left_out}
        return json.dumps(fields, sort_keys=True, ensure_ascii=False).encode()


def write_shards(
    folder: Path, split: str, samples: Iterable[Sample], picture: Callable[[Sample], bytes], *, max_samples: int
) -> list[str]:
    """Write `<split>-000000.tar` … into `folder` and return their names; no sample, no shard."""
    from webdataset import TarWriter

    names = []
    for number, part in enumerate(_parts(list(samples), max_samples)):
        names.append(f"{split}-{number:06d}.tar")
        with TarWriter(str(folder / names[-1]), mtime=0, user="mrlf", group="mrlf", encoder=False) as shard:
            for sample in part:
                shard.write({"__key__": sample.post_key, "jpg": picture(sample), "json": sample.json()})
    return names


def _parts(samples: list[Sample], size: int) -> Iterator[list[Sample]]:
    for start in range(0, len(samples), size):
        yield samples[start : start + size]
