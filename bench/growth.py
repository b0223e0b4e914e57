"""The stage `portrait_masks` on 100 new pictures, with 100 rows stored before and with 10,000: cost follows new work.

Peer: the stage itself on the small table. The built-in detectors on tiny pictures, so that what the stage does around
them weighs as much as it can; the stored rows hold masks of photographs. All that the stage does counts, also the
start of its workers; what the additional rows cost is shown in milliseconds too.
"""

import argparse
import hashlib
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.result import interleaved, print_result
from pipeline.images.portrait_masks import STAGE, PortraitMasksSettings, build_portrait_masks
from pipeline.picture_bytes import encode_mask
from pipeline.store import Store
from pipeline.store.store import StageRecord
from tests.fakes.city import CITY, curated_post, poi, put_city
from tests.fakes.pictures import encoded, pixels

SETTINGS = PortraitMasksSettings(weights="builtin", find_bodies=False)
NUM_NEW = 100
SIDE_PX = 96
ROWS_PER_COMMIT = 256
WANTED = 0.9


def put_posts(store: Store, digests: list[str]) -> None:
    """A city of one post per picture, with the record that the stage before leaves: it has hashed its rows."""
    put_city(store, [poi(0)], [curated_post(number, 0, number, [digest]) for number, digest in enumerate(digests)])
    name = "curated_posts"
    store.write_stage_record(
        CITY.key,
        StageRecord(
            stage=name,
            digest="d",
            outputs={name: store.tables.digest(CITY.key, name)},
            versions={name: store.tables.version(CITY.key, name)},
        ),
    )


def town(folder: Path, num_stored: int) -> list[str]:
    """A store whose table holds this many rows, as earlier runs would have left them; their digests."""
    store = Store(folder)
    real = [store.blobs.put("original", encoded(pixels(seed, (SIDE_PX, SIDE_PX)))) for seed in range(8)]
    put_posts(store, real)
    build_portrait_masks(store, CITY, SETTINGS)
    row = store.tables.read(CITY.key, STAGE).to_pylist()[0]
    mask = np.zeros((1080, 1080), dtype=np.bool_)
    mask[300:1000, 200:700] = True
    row |= {"outcome": "person", "portrait_ratio": 0.3, "mask": encode_mask(mask)}
    made_up = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(num_stored - len(real))]
    for start in range(0, len(made_up), ROWS_PER_COMMIT):
        rows: list[dict[str, Any]] = [{**row, "digest": digest} for digest in made_up[start : start + ROWS_PER_COMMIT]]
        store.tables.append(CITY.key, STAGE, rows)
    digests = real + made_up
    put_posts(store, digests)
    build_portrait_masks(store, CITY, SETTINGS)
    return digests


def seconds(folder: Path, digests: list[str]) -> float:
    """How long the stage takes for the new pictures, on a copy of the store."""
    copy = folder.with_name(f"{folder.name}-copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    store = Store(copy)
    new = [store.blobs.put("original", encoded(pixels(1000 + seed, (SIDE_PX, SIDE_PX)))) for seed in range(NUM_NEW)]
    put_posts(store, digests + new)
    started = time.perf_counter()
    report = build_portrait_masks(store, CITY, SETTINGS)
    took = time.perf_counter() - started
    assert (report.counts["new"], report.counts["pictures"]) == (NUM_NEW, len(digests) + NUM_NEW)
    return took


def main() -> None:
    """Rounds in turn, then the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stored", type=int, nargs=2, default=[100, 10_000])
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    few, many = options.stored
    with tempfile.TemporaryDirectory() as name:
        folders = {number: Path(name) / str(number) for number in (few, many)}
        digests = {number: town(folder, number) for number, folder in folders.items()}
        many_s, few_s = interleaved(
            lambda: seconds(folders[many], digests[many]), lambda: seconds(folders[few], digests[few]), options.rounds
        )
    for number, took in ((few, few_s), (many, many_s)):
        print(f"{number:9,} rows stored: {1000 * took / NUM_NEW:7.2f} ms per new picture, {took:6.2f} s in all")
    print(f"{many - few:,} more rows cost {1000 * (many_s - few_s):.0f} ms")
    ratio = few_s / many_s
    print(f"ratio {ratio:.2f}, wanted {WANTED}: {'ok' if ratio >= WANTED else 'MISSED'}")
    print_result(
        "growth", ours=1000 * many_s / NUM_NEW, peer=1000 * few_s / NUM_NEW, unit="ms/picture", is_more_better=False
    )


if __name__ == "__main__":
    main()
