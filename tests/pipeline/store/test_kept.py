"""Small files that we keep for ourselves: one that is damaged counts for nothing, is told, and is made again."""

import json

import pytest

from pipeline.store.digests import OWN_DIGEST
from pipeline.store.kept import read_kept, write_kept
from pipeline.store.store import StageRecord

RECORD = StageRecord(stage="posts", digest="d", outputs={"posts": "x"}, versions={"posts": 3}, counts={"seen": 1024})


def flipped(data: bytes) -> bytes:
    return data.replace(b"1024", b"1025")


@pytest.mark.fault("S30")
@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(flipped, id="a number flipped"),
        pytest.param(lambda data: data[:-9], id="cut"),
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: b"\0" * len(data), id="zeros"),
        pytest.param(lambda data: b"\xff" + data, id="no text"),
        pytest.param(lambda data: b"[1]", id="a list"),
        pytest.param(lambda data: b"null", id="null"),
        pytest.param(lambda data: b"{}", id="of no shape"),
        pytest.param(
            lambda data: b'{"stage": "posts", "digest": "d", "outputs": [], "versions": {}}', id="other types"
        ),
        pytest.param(lambda data: data.replace(OWN_DIGEST.encode(), b"sha256_of_the_besu"), id="its digest's name"),
        pytest.param(lambda data: b"[" * 100_000, id="nested"),
    ],
)
def test_a_record_that_is_damaged_counts_for_none_and_is_told(store, caplog, harm):
    store.write_stage_record("demo", RECORD)
    path = store.root / "stages" / "demo" / "posts.json"
    path.write_bytes(harm(path.read_bytes()))
    assert store.stage_record("demo", "posts") is None
    assert store.stage_record("demo", "posts") is None
    assert caplog.text.count(f"{path} is damaged") == 1
    store.write_stage_record("demo", RECORD)
    assert store.stage_record("demo", "posts") == RECORD


@pytest.mark.fault("S30")
def test_a_folder_in_the_place_of_a_record_is_told(store, caplog):
    (store.root / "stages" / "demo" / "posts.json").mkdir(parents=True)
    assert store.stage_record("demo", "posts") is None
    assert "is damaged" in caplog.text


def test_a_record_of_an_older_version_has_no_digest_and_is_read(store):
    store.write_stage_record("demo", RECORD)
    path = store.root / "stages" / "demo" / "posts.json"
    content = json.loads(path.read_text())
    del content[OWN_DIGEST]
    path.write_text(json.dumps(content))
    assert store.stage_record("demo", "posts") == RECORD


def test_what_is_kept_comes_back_in_its_order(tmp_path):
    content = {"b": 1.5, "a": ["ü", None], "2": {"y": True, "x": 10**18}}
    write_kept(tmp_path / "kept.json", content)
    kept = read_kept(tmp_path / "kept.json", dict)
    assert kept == content and list(kept) == list(content)
    assert read_kept(tmp_path / "none.json", dict) is None
