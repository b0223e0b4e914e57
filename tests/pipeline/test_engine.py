"""The engine: what is missing is done once, results are committed in parts, a fault of one picture is a result."""

from functools import partial

import pyarrow as pa
import pytest

from pipeline.engine import PictureJob, blob_addresses, missing_rows, run_pictures
from tests.fakes.workers import Sizes

RESULT = pa.schema([("digest", pa.string()), ("size", pa.int64())])


def job(store, pictures: list[bytes], **changes) -> PictureJob:
    digests = [store.blobs.put("original", data) for data in pictures]
    rows = pa.table({
        "digest": digests, "address": blob_addresses([store.blobs.path("original", digest) for digest in digests])
    })  # fmt: skip
    return PictureJob(**{"rows": rows, "result": RESULT, "make_worker": partial(Sizes, 2), "batch_size": 4, **changes})


PICTURES = [b"x" * size for size in range(1, 31)]


def test_every_picture_gets_one_result(store):
    parts: list[pa.Table] = []
    assert run_pictures(job(store, PICTURES), parts.append) == 30
    assert sorted(pa.concat_tables(parts)["size"].to_pylist()) == [2 * size for size in range(1, 31)]


def test_results_are_committed_in_parts(store):
    parts: list[pa.Table] = []
    run_pictures(job(store, PICTURES, commit_every=8), parts.append)
    assert [part.num_rows for part in parts] == [8, 8, 8, 6]


def test_a_run_that_breaks_off_keeps_what_was_committed(store):
    parts: list[pa.Table] = []
    last = store.blobs.put("original", PICTURES[-1])
    with pytest.raises(Exception, match="told to stop"):
        run_pictures(job(store, PICTURES, commit_every=4, make_worker=partial(Sizes, 1, last)), parts.append)
    assert 0 < sum(part.num_rows for part in parts) < 30


def test_a_blob_that_is_gone_arrives_as_none(store):
    work = job(store, PICTURES)
    store.blobs.remove("original", work.rows["digest"][0].as_py())
    parts: list[pa.Table] = []
    run_pictures(work, parts.append)
    assert pa.concat_tables(parts)["size"].null_count == 1


def test_nothing_to_do_starts_nothing(store):
    assert run_pictures(job(store, []), lambda rows: pytest.fail("nothing to commit")) == 0


def test_only_rows_without_a_result_are_missing(store):
    wanted = pa.table({"post_key": ["b", "a", "c"], "stage": ["posts"] * 3, "other": [1, 2, 3]})
    path = store.tables.path("demo", "drops")
    assert missing_rows(wanted, path, ["post_key"])["post_key"].to_pylist() == ["a", "b", "c"]
    store.tables.append("demo", "drops", [{"post_key": "b", "stage": "posts", "reason": "x"}])
    missing = missing_rows(wanted, path, ["post_key"])
    assert missing.to_pydict() == {"post_key": ["a", "c"], "stage": ["posts"] * 2, "other": [2, 3]}
