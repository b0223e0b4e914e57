"""The ledger: each stage replaces its own rows and nobody else's."""

import pytest

from pipeline.ledger import reason_counts, write_ledger


def rows(store, table):
    return [tuple(row.values()) for row in store.tables.read("demo", table).to_pylist()]


def test_reasons_are_counted_the_most_frequent_first():
    drops = {"a": "video", "b": "no_place", "c": "no_place", "d": "bad_time"}
    assert list(reason_counts(drops).items()) == [
        ("dropped/no_place", 2),
        ("dropped/bad_time", 1),
        ("dropped/video", 1),
    ]
    assert reason_counts({"a": "image_missing"}, "deferred") == {"deferred/image_missing": 1}
    assert reason_counts({}) == {}


def test_a_stage_replaces_what_it_wrote_before_and_leaves_the_others(store):
    write_ledger(store, "demo", "posts", {"a": "video"}, {"b": "image_missing"})
    write_ledger(store, "demo", "curated_posts", {"c": "no_text"})
    write_ledger(store, "demo", "posts", {"d": "no_place"})
    assert rows(store, "drops") == [("c", "curated_posts", "no_text"), ("d", "posts", "no_place")]
    assert rows(store, "deferred") == []


def test_a_stage_that_loses_nothing_leaves_no_row(store):
    write_ledger(store, "demo", "posts", {"a": "video"})
    write_ledger(store, "demo", "posts", {})
    assert rows(store, "drops") == []


def test_a_post_cannot_be_both_dropped_and_deferred(store):
    with pytest.raises(AssertionError):
        write_ledger(store, "demo", "posts", {"a": "video"}, {"a": "image_missing"})
