"""Digests of tables: of the rows alone, and each file is read for it once."""

import pytest

from pipeline.store import Store
from pipeline.store import table_files as module


def drop(post_key: str, stage: str = "posts", reason: str = "no_place") -> dict[str, object]:
    """One row of the ledger."""
    return {"post_key": post_key, "stage": stage, "reason": reason}


@pytest.fixture
def hashed(monkeypatch) -> list[str]:
    """The files that were read for a digest."""
    files, real = [], module._hash

    def hash_file(spec, path):
        files.append(path.name)
        return real(spec, path)

    monkeypatch.setattr(module, "_hash", hash_file)
    return files


def test_a_file_is_read_once_and_new_rows_cost_what_they_are(store, hashed):
    store.tables.append("town", "drops", [drop(f"{n:032x}") for n in range(50)])
    first = store.tables.digest("town", "drops")
    assert store.tables.digest("town", "drops") == first
    store.tables.append("town", "drops", [drop("a")])
    assert store.tables.digest("town", "drops") != first
    assert len(hashed) == 2 == len(set(hashed))


def test_the_digest_knows_neither_files_nor_order_nor_commits(store, tmp_path):
    other = Store(tmp_path / "other")
    rows = [drop(f"{n:032x}") for n in range(20)]
    store.tables.append("town", "drops", rows)
    for row in reversed(rows):
        other.tables.append("town", "drops", [row])
    other.tables.merge("town", "drops", [drop(f"{3:032x}", reason="video")])
    assert store.tables.digest("town", "drops") != other.tables.digest("town", "drops")
    other.tables.merge("town", "drops", [drop(f"{3:032x}")])
    assert store.tables.digest("town", "drops") == other.tables.digest("town", "drops")
    other.tables.delete("town", "drops", f"post_key = '{3:032x}'")
    assert store.tables.digest("town", "drops") != other.tables.digest("town", "drops")


def test_a_stage_has_the_digest_of_its_own_rows(store):
    store.tables.append("town", "drops", [drop("a"), drop("b", stage="curated_posts")])
    ours = store.tables.digest("town", "drops", stage="posts")
    store.tables.append("town", "drops", [drop("c", stage="curated_posts")])
    assert store.tables.digest("town", "drops", stage="posts") == ours
    assert store.tables.digest("town", "drops", stage="curated_posts") != ours


def test_one_row_twice_is_another_table_than_once(store, tmp_path):
    other = Store(tmp_path / "other")
    store.tables.append("town", "drops", [drop("a")])
    other.tables.append("town", "drops", [drop("a"), drop("a")])
    assert store.tables.digest("town", "drops") != other.tables.digest("town", "drops")


def test_nothing_of_a_row_is_kept_for_it(store):
    store.tables.append("town", "drops", [drop("canarykey", reason="canaryreason")])
    store.tables.digest("town", "drops")
    kept = (store.root / "digests" / "town" / "drops.json").read_text()
    assert "canary" not in kept


def test_a_form_of_the_table_that_changed_is_hashed_anew(store, hashed, monkeypatch):
    store.tables.append("town", "drops", [drop("a")])
    first = store.tables.digest("town", "drops")
    monkeypatch.setattr(module, "_columns", lambda spec: ["post_key", "stage"])
    assert store.tables.digest("town", "drops") != first
    assert len(hashed) == 2


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"columns": 1}', b'{"files": {"a": 1}}'])
def test_kept_sums_that_are_damaged_are_made_anew(store, hashed, damage):
    store.tables.append("town", "drops", [drop("a")])
    first = store.tables.digest("town", "drops")
    (store.root / "digests" / "town" / "drops.json").write_bytes(damage)
    assert store.tables.digest("town", "drops") == first
    assert len(hashed) == 2
