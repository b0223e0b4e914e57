"""Delta tables: old version or new one, digests of content and not of commits, versions refused."""

import os
import subprocess
import sys
import textwrap
import time

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipeline import records
from pipeline.records import TABLES
from pipeline.store import Store
from pipeline.store.tables import SchemaVersionError


def drop(post_key: str, stage: str = "posts", reason: str = "no_place") -> dict[str, object]:
    """One row of the ledger."""
    return {"post_key": post_key, "stage": stage, "reason": reason}


def keys(store: Store) -> list[str]:
    return store.tables.read("demo", "drops")["post_key"].to_pylist()


def test_an_absent_table_reads_as_empty_with_its_schema(store):
    assert store.tables.read("demo", "posts").schema == TABLES["posts"].schema
    assert store.tables.version("demo", "posts") is None


def test_rows_come_back_sorted_by_key(store):
    store.tables.append("demo", "drops", [drop("b"), drop("a")])
    store.tables.append("demo", "drops", [drop("aa")])
    assert keys(store) == ["a", "aa", "b"]


def test_replace_with_a_condition_touches_only_its_rows(store):
    store.tables.append("demo", "drops", [drop("a"), drop("b", stage="curated_posts")])
    store.tables.replace("demo", "drops", [drop("c")], where="stage = 'posts'")
    assert keys(store) == ["b", "c"]
    store.tables.replace("demo", "drops", [], where="stage = 'posts'")
    assert keys(store) == ["b"]


def test_deleting_nothing_commits_nothing(store):
    store.tables.append("demo", "drops", [drop("a")])
    store.tables.delete("demo", "drops", "post_key = 'z'")
    assert store.tables.version("demo", "drops") == 0


def test_the_digest_is_of_the_content_not_of_the_commits(store, tmp_path):
    other = Store(tmp_path / "other")
    store.tables.append("demo", "drops", [drop("a"), drop("b")])
    other.tables.append("demo", "drops", [drop("b")])
    other.tables.append("demo", "drops", [drop("a")])
    assert store.tables.digest("demo", "drops") == other.tables.digest("demo", "drops")
    other.tables.append("demo", "drops", [drop("c")])
    assert store.tables.digest("demo", "drops") != other.tables.digest("demo", "drops")


def test_the_digest_of_a_stage_ignores_rows_of_other_stages(store):
    store.tables.append("demo", "drops", [drop("a")])
    before = store.tables.digest("demo", "drops", stage="posts")
    store.tables.append("demo", "drops", [drop("b", stage="dataset")])
    assert store.tables.digest("demo", "drops", stage="posts") == before


def test_cities_do_not_touch_each_other(store):
    store.tables.append("demo", "drops", [drop("a")])
    before = store.tables.digest("demo", "drops")
    store.tables.append("melbourne", "drops", [drop("b")])
    assert store.tables.digest("demo", "drops") == before


@pytest.mark.parametrize(
    "row",
    [
        pytest.param({"post_key": "a", "stage": "posts", "reason": None}, id="null"),
        pytest.param({"post_key": "a", "stage": 3, "reason": "x"}, id="wrong type"),
        pytest.param({"post_key": "a", "stage": "posts"}, id="a column is missing"),
    ],
)
def test_rows_that_do_not_fit_are_refused(store, row):
    with pytest.raises((ValueError, TypeError)):
        store.tables.append("demo", "drops", [row])
    assert store.tables.version("demo", "drops") is None


@pytest.mark.fault("S10")
def test_a_table_of_another_schema_version_is_refused(store, monkeypatch):
    store.tables.append("demo", "drops", [drop("a")])
    monkeypatch.setattr("pipeline.store.tables.SCHEMA_VERSION", records.SCHEMA_VERSION + 1)
    with pytest.raises(SchemaVersionError, match="schema_version"):
        store.tables.read("demo", "drops")


@pytest.mark.slow
@pytest.mark.fault("S1")
@pytest.mark.parametrize("delay_s", [0.0, 0.01, 0.03, 0.07, 0.15])
def test_a_killed_writer_leaves_one_whole_version(store, delay_s):
    """The child replaces all rows by those of the next generation, over and over, until it is killed somewhere."""
    child = textwrap.dedent(f"""
        import itertools, pathlib
        from pipeline.store import Store
        store = Store(pathlib.Path({str(store.root)!r}))
        for generation in itertools.count():
            row = {{"stage": "posts", "reason": str(generation)}}
            rows = [{{"post_key": f"k{{i:05d}}", **row}} for i in range(5000)]
            store.tables.replace("demo", "drops", rows)
            print(generation, flush=True)
    """)
    writer = subprocess.Popen(
        [sys.executable, "-c", child], env={**os.environ, "PYTHONPATH": "."}, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "0\n"
    time.sleep(delay_s)
    writer.kill()
    printed = [int(line) for line in writer.communicate()[0].split()]
    reasons = store.tables.read("demo", "drops")["reason"].to_pylist()
    assert len(reasons) == 5000
    (generation,) = {int(reason) for reason in reasons}
    assert generation - max(printed, default=0) in (0, 1)
    store.tables.replace("demo", "drops", [drop("b")])
    assert keys(store) == ["b"]


@pytest.mark.slow
def test_a_program_that_reads_tables_ends_without_a_fault(store):
    """Reading through deltalake's own file system aborted the interpreter at its end, now and then."""
    store.tables.append("demo", "drops", [drop("a")])
    child = f"from pipeline.store import Store; import pathlib; s = Store(pathlib.Path({str(store.root)!r}))\n"
    child += "for _ in range(20): s.tables.read('demo', 'drops')"
    for _ in range(3):
        ended = subprocess.run([sys.executable, "-c", child], env={**os.environ, "PYTHONPATH": "."}, check=False)
        assert ended.returncode == 0


def test_rows_that_a_merge_wrote_are_found_by_any_condition(store):
    store.tables.merge("demo", "drops", [drop("a"), drop("b"), drop("c", reason="video")])
    store.tables.merge("demo", "drops", [drop("b", reason="video")])
    for where in (pc.field("reason") == "video", pc.field("reason").isin(["video"]), pc.field("post_key") > "a"):
        batches = list(store.tables.batches("demo", "drops", ["post_key"], where))
        assert {name for batch in batches for name in batch.schema.names} == {"post_key"}
        assert sorted(key for batch in batches for key in batch["post_key"].to_pylist()) == ["b", "c"]
    assert store.tables.digest("demo", "drops", stage="posts") == store.tables.digest("demo", "drops")


def everything(store: Store) -> str:
    """All bytes of the table's folder, and the rows of all its Parquet files, whatever version they are of."""
    files = [path for path in store.tables.path("demo", "drops").rglob("*") if path.is_file()]
    rows = [repr(pq.read_table(path).to_pylist()) for path in files if path.suffix == ".parquet"]
    return "\0".join([*(path.read_bytes().decode("latin-1") for path in files), *rows])


@pytest.mark.fault("S12")
@pytest.mark.parametrize("change", ["remove", "merge", "replace", "delete"])
def test_after_erasing_the_history_no_older_row_is_on_disk_not_even_as_a_bound_in_the_log(store, change):
    tables = store.tables
    tables.append("demo", "drops", [drop("a-canary", reason="z-canary"), drop("b")])
    tables.append_once("demo", "drops", [drop("c")], writer="w", number=3)
    assert "a-canary" in everything(store)
    if change == "remove":
        tables.remove("demo", "drops", "post_key", {"a-canary", "x"})
    elif change == "merge":
        tables.merge("demo", "drops", [drop("b", reason="new")])
        tables.remove("demo", "drops", "reason", {"z-canary"})
    elif change == "replace":
        tables.replace("demo", "drops", [drop("b"), drop("c")])
    else:
        tables.delete("demo", "drops", "post_key = 'a-canary'")
    assert keys(store) == ["b", "c"]
    digest = tables.digest("demo", "drops")
    for _ in range(2):
        tables.erase_history("demo", "drops")
        assert "canary" not in everything(store)
    assert (tables.digest("demo", "drops"), keys(store)) == (digest, ["b", "c"])
    assert not tables.append_once("demo", "drops", [drop("c")], writer="w", number=3), (
        "what was added is not forgotten"
    )
    tables.append("demo", "drops", [drop("d")])
    assert keys(store) == ["b", "c", "d"]


def test_removing_from_an_absent_table_or_nothing_commits_nothing(store):
    store.tables.remove("demo", "drops", "post_key", {"a"})
    store.tables.erase_history("demo", "drops")
    assert store.tables.version("demo", "drops") is None
    store.tables.append("demo", "drops", [drop("a")])
    store.tables.remove("demo", "drops", "post_key", {"z"})
    store.tables.remove("demo", "drops", "post_key", set())
    assert store.tables.version("demo", "drops") == 0
