"""The status: what the journal holds, read beside a crawl without touching anything."""

import shutil
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.collect.instagram.live import open_journal, pace_path
from pipeline.collect.instagram.status import live_status, pace_status
from pipeline.collect.sources import journal_path
from pipeline.errors import StageError
from pipeline.store import Store
from tests.fakes.http_server import Answer
from tests.fakes.live_town import LiveTown


@pytest.fixture
def town(store, tmp_path, instagram, monkeypatch) -> LiveTown:
    """Two places of 20 posts each; a page is of 8."""
    return LiveTown(store, tmp_path / "town", instagram, monkeypatch, num_posts=20)


def status(town: LiveTown):
    return live_status(town.store, "town", town.clock.now())


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file with its time and bytes."""
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir() if path.is_file()}


def test_where_nothing_was_collected_the_status_is_empty_and_makes_no_file(store, town):
    shown = status(town)
    assert (shown.has_journal, shown.num_places, shown.posts, shown.pace.num_requests) == (False, 0, {}, 0)
    assert not (store.root / "crawl").exists()


def test_places_without_posts_yet_are_reported_as_pois_that_were_searched(town):
    town.find()
    shown = status(town)
    assert (shown.has_journal, shown.num_pois, shown.unanswered, shown.num_places) == (True, 2, {}, 0)
    assert shown.pace.num_requests == 2


def test_a_whole_collection_has_all_places_done(town):
    counts = town.build().counts
    shown = status(town)
    assert (shown.num_done, shown.num_places, shown.open_walks, shown.deferred_places) == (2, 2, (), ())
    assert shown.posts == {"kept": counts["kept"], "dropped": counts["dropped"]}
    assert shown.pace.num_requests == town.api_requests()


def test_a_run_that_stopped_has_an_open_walk_with_its_pages(town):
    town.find()
    town.collect(max_requests=2)
    shown = status(town)
    assert (shown.num_done, shown.num_places) == (0, 2)
    assert [(place.name, place.num_pages, place.reason) for place in shown.open_walks] == [("Lighthouse 0", 2, "")]


def test_a_place_that_waits_is_reported_with_its_reason_and_when(town, instagram):
    town.find()
    instagram.fail("1001", Answer(status=404), times=None)
    town.collect()
    shown = status(town)
    assert shown.num_done == 1
    (place,) = shown.deferred_places
    assert (place.name, place.reason) == ("Harbour Museum 1", "place_missing")
    assert place.not_before == town.clock.now() + timedelta(days=1)
    town.clock.pass_by(timedelta(days=1).total_seconds() + 100)
    assert status(town).deferred_places[0].not_before is None


def test_posts_that_wait_are_reported_by_reason(town, instagram):
    town.find()
    instagram.fail("/media/", Answer(status=503), times=None)
    town.collect()
    shown = status(town)
    assert shown.posts["deferred"] == sum(shown.deferred_posts.values())
    assert set(shown.deferred_posts) == {"media_unreachable", "media_host_rests"}


def test_searches_that_were_not_answered_are_reported(town, instagram):
    instagram.fail("search", Answer(status=400), times=3)
    town.find()
    assert status(town).unanswered == {"source_changed/place_search_changed": 1}
    town.add_place(2, 20)
    town.find()
    assert status(town).unanswered == {}


def test_pois_that_nobody_asked_for_yet_are_reported(store, tmp_path, instagram, monkeypatch):
    town = LiveTown(store, tmp_path / "town", instagram, monkeypatch, num_posts=20, num_places=3)
    town.find(max_requests=1)
    assert status(town).unanswered == {"not_asked_yet": 2}


def test_a_rest_is_reported_until_it_is_over(store, tmp_path, instagram, monkeypatch):
    town = LiveTown(store, tmp_path / "town", instagram, monkeypatch, num_posts=20, cool_downs_s=())
    instagram.fail("web_info", Answer(status=429, headers={"Retry-After": "1800"}))
    town.build()
    until = status(town).pace.rest_until
    assert abs(until - town.clock.now() - timedelta(seconds=1800)) < timedelta(seconds=1)
    town.clock.pass_by(1801)
    assert status(town).pace.rest_until is None
    town.clock.pass_by(3600)
    assert pace_status(store, town.clock.now()).num_requests == 0


def test_reading_changes_no_file_and_leaves_none_behind(town):
    town.build()
    folder = journal_path(town.store, "town").parent
    before = files(folder)
    status(town)
    assert files(folder) == before


def test_the_status_is_read_while_a_crawl_writes_and_does_not_hinder_it(town):
    town.build()
    num_dropped = status(town).posts["dropped"]
    with open_journal(town.store, "town") as journal:
        key = next(iter(town.posts()))
        with journal.transaction():
            journal.posts.settle(key, "dropped", "test")
            assert status(town).posts["dropped"] == num_dropped  # as it stood before
        assert status(town).posts["dropped"] == num_dropped + 1  # of the log, which is not in the file yet
        journal.set_note("test", "written at once")  # nothing holds it up


def test_what_a_killed_run_left_in_the_log_is_read_too(town, tmp_path):
    town.build()
    num_dropped = status(town).posts["dropped"]
    other = Store(tmp_path / "killed")
    with open_journal(town.store, "town") as journal:
        with journal.transaction():
            journal.posts.settle(next(iter(town.posts())), "dropped", "test")
        shutil.copytree(journal_path(town.store, "town").parent, other.root / "crawl")
    assert (other.root / "crawl" / "town.sqlite-wal").stat().st_size
    assert live_status(other, "town", town.clock.now()).posts["dropped"] == num_dropped + 1


def test_a_journal_that_is_just_being_made_counts_as_none(store, town):
    path = journal_path(store, "town")
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as disk:
        disk.execute("CREATE TABLE meta (name TEXT)")
    disk.close()
    assert not status(town).has_journal


@pytest.mark.parametrize("make_path", [lambda store: journal_path(store, "town"), pace_path], ids=["journal", "pace"])
def test_a_file_that_is_no_journal_is_reported_in_one_line(store, town, make_path):
    path = make_path(store)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StageError, match="cannot be read"):
        status(town)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.fault("P12")
def test_the_journal_holds_no_name_of_a_poi_and_still_knows_what_was_searched_when_the_names_are_gone(town):
    town.find()
    with open_journal(town.store, "town") as journal:
        (first, second) = journal.disk.execute("SELECT poi_id, asked FROM searches ORDER BY poi_id").fetchall()
        assert {row["asked"][:7] for row in (first, second)} == {"sha256:"}
        journal.disk.execute("UPDATE searches SET asked = ? WHERE poi_id = 'p0'", (town.pois[0]["name"],))
    assert status(town).unanswered == {}, "an older journal holds names"
    town.find()
    with open_journal(town.store, "town") as journal:
        assert list(journal.disk.execute("SELECT asked FROM searches WHERE poi_id = 'p0'").fetchone()) == [first[1]]
    rows = [row | {"name": row["poi_id"], "rank": 0} for row in town.rows("pois")]
    town.store.tables.replace("town", "pois", rows)
    assert status(town).unanswered == {}, "whose name is not known now"
    town.pois[1]["name"] = "Another Name"
    town.find()
    assert town.server.count("fbsearch") == 3, "another name is searched for anew"
