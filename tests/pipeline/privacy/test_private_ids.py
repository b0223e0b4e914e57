"""The private map of keys to media ids: by source, for the owner only."""

import sqlite3

from pipeline.privacy.pseudonyms import PrivateIds
from tests.fakes.private_ids import read_private_ids


def test_ids_are_replaced_source_by_source_and_for_the_owner_only(store):
    assert read_private_ids(store, "town") == {}
    with PrivateIds.open(store, "town") as ids:
        ids.replace({"a": "1", "b": "2"}, "archive")
        ids.add({"l": "9"}, "live")
        ids.replace({"b": "2", "c": "3"}, "archive")
        assert (ids.media_id("l"), ids.media_id("a")) == ("9", None)
        ids.remove(["c"])
    assert read_private_ids(store, "town") == {"b": "2", "l": "9"}
    assert (store.private / "town.ids.sqlite").stat().st_mode & 0o777 == 0o600


def test_a_map_of_an_earlier_version_is_taken_over(store):
    with sqlite3.connect(store.private / "town.ids.sqlite") as disk:
        disk.execute("CREATE TABLE ids (post_key TEXT PRIMARY KEY, media_id TEXT NOT NULL)")
        disk.execute("INSERT INTO ids VALUES ('a', '1')")
    with PrivateIds.open(store, "town") as ids:
        ids.add({"b": "2"}, "live")
    assert read_private_ids(store, "town") == {"a": "1", "b": "2"}
