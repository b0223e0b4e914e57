"""Posts that were collected and then deleted, and a search of all that is on disk."""

import os
from pathlib import Path

import pyarrow.parquet as pq

from pipeline.cities import City
from pipeline.ledger import write_ledger
from pipeline.store import Store
from pipeline.store.store import StageRecord
from tests.fakes.city import poi

NUM_POIS = 3
DEMO = City(key="demo", name="Demo", latitude=0.0, longitude=0.0, radius_km=5, is_synthetic=True)
OTHER = DEMO.model_copy(update={"key": "other", "name": "Other"})


def put_posts(store: Store, city: City, posts: list[dict], pictures: list[str]) -> None:
    """Tables and record as the stage posts leaves them."""
    images = [
        {"digest": digest, "width": 96, "height": 96, "format": "JPEG", "num_bytes": 1, "outcome": "ok"}
        for digest in sorted(set(pictures))
    ]
    for name, rows in (("posts", posts), ("images", images), ("pois", [poi(n) for n in range(NUM_POIS)])):
        store.tables.merge(city.key, name, rows)
    write_ledger(store, city.key, "posts", {})
    record_posts(store, city)


def record_posts(store: Store, city: City) -> None:
    names = ("posts", "images", "drops", "deferred")
    outputs = {name: store.tables.digest(city.key, name, "posts" if name[0] == "d" else None) for name in names}
    versions = {name: store.tables.version(city.key, name) for name in names}
    for stage in ("pois", "posts"):
        kept = names if stage == "posts" else ()
        store.write_stage_record(
            city.key,
            StageRecord(
                stage=stage,
                digest="d",
                outputs={n: outputs[n] for n in kept},
                versions={n: versions[n] for n in kept},
            ),
        )


def tombstone(store: Store, *post_keys: str, city: City = DEMO) -> None:
    """What the collector leaves of posts that are gone."""
    rows = [row for row in store.tables.read(city.key, "posts").to_pylist() if row["post_key"] in post_keys]
    assert len(rows) == len(post_keys)
    gone = {"caption": "", "hashtags": [], "image_digests": [], "state": "deleted"}
    store.tables.merge(city.key, "posts", [{**row, **gone} for row in rows])
    record_posts(store, city)


def holders(root: Path, needle: bytes) -> list[str]:
    """The files of a folder that hold these bytes or are named so, temporary ones too, Parquet files unpacked."""
    found = []
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        data = path.read_bytes() + b"\0" + os.fsencode(path.relative_to(root))
        if path.suffix == ".parquet":
            data += repr(pq.read_table(path).to_pylist()).encode()
        if needle in data:
            found.append(path.relative_to(root).as_posix())
    return found


class KilledError(Exception):
    """Stands for the end of the process."""


def killed(*_: object, **__: object) -> None:
    raise KilledError
