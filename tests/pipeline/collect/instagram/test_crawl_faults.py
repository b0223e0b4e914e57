"""Faults of the world around a crawl: a full disk at any write, Ctrl-C inside a page, files that are damaged or gone,
a clock that jumps, places that change. Nothing is lost, nothing stands twice, and the next run ends it.

Not covered: kills between writes (test_kills.py), pressure (test_crawl_pressure.py), odd answers (test_odd_answers).
"""

import errno
import os
import resource
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.collect.instagram.journal import Journal
from pipeline.collect.instagram.journal.batches import Batches
from pipeline.collect.instagram.journal.images import Images
from pipeline.collect.instagram.journal.posts import Posts
from pipeline.collect.instagram.journal.walks import Walks
from pipeline.collect.instagram.live import pace_path
from pipeline.collect.instagram.media.photos import Photos
from pipeline.collect.instagram.pace import Pace
from pipeline.collect.sources import journal_path
from pipeline.errors import StageError
from pipeline.privacy.pseudonyms import PrivateIds
from pipeline.store import Store
from pipeline.store.blobs import Blobs
from pipeline.store.tables import Tables
from tests.fakes.archive import FakeArchive, graphql_node
from tests.fakes.clock import FakeClock
from tests.fakes.http_server import Answer
from tests.fakes.live_town import LiveTown

pytestmark = pytest.mark.slow

DAY_S = 86_400.0
YEAR_S = 366 * DAY_S
ONE_AT_A_TIME = threading.Lock()


WRITES = (
    (Walks, "want"),
    (Walks, "begin"),
    (Walks, "take_page"),
    (Walks, "end"),
    (Batches, "next"),
    (Batches, "close"),
    (Journal, "set_note"),
    (Pace, "_note"),
    (PrivateIds, "add"),
    (Blobs, "put"),
    (Tables, "append_once"),
    (Store, "write_stage_record"),
)


ONCE = ("want", "close", "write_stage_record")


STOPPED = (
    (Posts, "_take", (1, 2, 3, 6)),
    (Walks, "_note_cursor", (1, 2, 3)),
    (Photos, "_settle", (1, 2, 3, 6)),
    (Images, "note", (1, 2, 3, 6)),
    (Walks, "end", (1, 2)),
    (Batches, "images", (1,)),
    (Tables, "append_once", (1, 2, 3)),
    (PrivateIds, "_insert", (1, 2, 3, 6)),
)
"""What is stopped at which of its times."""


HERE = {"id": "1000", "name": "Lighthouse 0", "lat": 12.0, "lng": -30.0}


@pytest.fixture
def tiny_town(store, tmp_path, instagram, monkeypatch, ready_towns) -> LiveTown:
    """Two places of 5 photos each, which were found; a page is of 2."""
    instagram.world.page_size = 2
    photos = {"carousel": 0.0, "video": 0.0}
    return ready_towns.found(LiveTown(store, tmp_path / "town", instagram, monkeypatch, num_posts=5, place=photos))


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process can grow: what the system answers then is real, in SQLite and in Delta's Rust too."""
    with ONE_AT_A_TIME:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.fault("I18")
class TestAFullDisk:
    @pytest.mark.parametrize(
        ("owner", "name", "skip"),
        [(*write, skip) for write in WRITES for skip in (0, 1) if not (skip and write[1] in ONCE)],
    )
    def test_each_write_names_the_file_and_the_rerun_succeeds(self, tiny_town, monkeypatch, owner, name, skip):
        town, write, calls = tiny_town, getattr(owner, name), []

        def failing(*args: Any, **options: Any) -> Any:
            calls.append(name)
            if len(calls) <= skip:
                return write(*args, **options)
            with full_disk():
                return write(*args, **options)

        monkeypatch.setattr(owner, name, failing)
        with pytest.raises(OSError, match=str(town.store.root)) as raised:
            town.collect()
        assert raised.value.errno in (errno.EIO, errno.ENOSPC, errno.EFBIG)
        monkeypatch.setattr(owner, name, write)
        assert not list(town.store.root.rglob(".writing-*"))
        town.collect()
        assert town.is_whole()

    def test_the_tables_stand_as_they_stood(self, collected, instagram, monkeypatch):
        before = collected.digests()
        instagram.world.add_post("1000", is_videos=(False,))
        write = Tables.append_once

        def failing(*args: Any, **options: Any) -> Any:
            with full_disk():
                return write(*args, **options)

        monkeypatch.setattr(Tables, "append_once", failing)
        with pytest.raises(OSError):
            collected.collect()
        assert collected.digests() == before
        monkeypatch.setattr(Tables, "append_once", write)
        collected.collect()
        assert collected.is_whole()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("folder", ["crawl", "private", "blobs", "tables/town"])
def test_a_folder_that_cannot_be_written_is_named(town, folder):
    path = town.store.root / folder
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o500)
    try:
        with pytest.raises(OSError, match=str(path)):
            town.collect()
    finally:
        path.chmod(0o700)
    town.collect()
    assert town.is_whole()


@pytest.mark.fault("I5")
class TestStoppedInsideAWrite:
    """Ctrl-C between two statements: what belongs together is there whole or not at all."""

    @pytest.mark.parametrize(
        ("owner", "name", "number"),
        [(owner, name, number) for owner, name, numbers in STOPPED for number in numbers],
        ids=lambda value: getattr(value, "__name__", value),
    )
    def test_nothing_is_lost_and_nothing_stands_twice(self, tiny_town, monkeypatch, owner, name, number):
        town, write, calls = tiny_town, getattr(owner, name), []

        def stopped(*args: Any, **options: Any) -> Any:
            calls.append(name)
            if len(calls) == number:
                raise KeyboardInterrupt
            return write(*args, **options)

        monkeypatch.setattr(owner, name, stopped)
        with pytest.raises(KeyboardInterrupt):
            town.collect()
        monkeypatch.setattr(owner, name, write)
        town.collect()
        assert town.is_whole()


class TestFilesThatAreLost:
    @pytest.mark.parametrize(
        "harm", [lambda data: b"garbage" * 999, lambda data: data[: len(data) // 2]], ids=["overwritten", "cut"]
    )
    @pytest.mark.parametrize("which", ["journal", "pace", "ids"])
    def test_a_damaged_file_is_named_and_the_run_after_it_was_moved_away_succeeds(
        self, collected, instagram, which, harm
    ):
        before = collected.digests()
        path = {
            "journal": journal_path(collected.store, "town"),
            "pace": pace_path(collected.store),
            "ids": collected.store.private / "town.ids.sqlite",
        }[which]
        with closing(sqlite3.connect(path)) as disk:
            disk.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        path.write_bytes(harm(path.read_bytes()))
        instagram.requests.clear()
        with pytest.raises(ValueError, match=rf"{path} is damaged.*move it away"):
            collected.collect()
        assert instagram.count("^/media/") == 0
        for part in path.parent.glob(f"{path.name}*"):
            part.unlink()
        collected.find()
        collected.collect()
        assert collected.digests() == before

    @pytest.mark.parametrize("lost", ["tables", "tables/town/posts", "tables/town/drops"])
    def test_tables_that_are_gone_are_filled_anew_beside_the_old_journal(self, town, instagram, lost):
        pk = instagram.world.add_post("1000", is_videos=(True,))
        town.collect()
        before = town.digests()
        shutil.rmtree(town.store.root / lost)
        town.build()
        assert town.is_whole()
        assert town.reasons() == {town.key(pk): "video"}
        assert town.digests() == before

    @pytest.mark.fault("S27")
    @pytest.mark.parametrize("name", ["posts", "images", "drops"])
    def test_a_damaged_table_of_live_posts_is_filled_anew_beside_the_old_journal(self, town, instagram, name):
        instagram.world.add_post("1000", is_videos=(True,))
        town.collect()
        before = town.digests()
        path = min(town.store.tables.path("town", name).glob("*.parquet"))
        path.write_bytes(path.read_bytes()[:-9])
        town.build()
        assert town.is_whole()
        assert town.digests() == before

    def test_live_posts_stay_for_a_time_without_the_live_section(self, town, instagram, tmp_path):
        archive = FakeArchive(tmp_path / "archive")
        archive.post(777, node=graphql_node(1, id="2000000000000000777", location=HERE))
        live = town.city
        town.find(archive=archive.folder)
        town.collect(archive=archive.folder)
        before = town.digests()
        town.city = live.model_copy(update={"live": None})
        instagram.requests.clear()
        town.build(archive=archive.folder)
        assert (town.digests(), instagram.count()) == (before, 0)
        town.city = live
        report = town.build(archive=archive.folder)
        assert (len(town.posts()), report.counts["seen"]) == (21, 21)
        assert town.digests() == before

    def test_a_post_that_an_archive_took_in_between_stands_once(self, town, instagram, tmp_path):
        pk = next(iter(instagram.world.shown("1000")))
        archive = FakeArchive(tmp_path / "archive")
        archive.post(777, node=graphql_node(1, id=str(pk), location=HERE))
        live = town.city
        town.collect()
        town.city = live.model_copy(update={"live": None})
        town.build(archive=archive.folder)
        town.city = live
        for _ in range(2):
            report = town.build(archive=archive.folder)
            assert town.seen_keys() >= set(town.posts()) == town.all_keys()
            assert (report.counts["kept"], report.counts["dropped/duplicate_post"]) == (20, 1)


class TestPlacesThatChange:
    def test_a_place_that_was_nobodys_for_a_while_gets_all_its_posts_back(self, collected):
        before = collected.digests()
        poi = collected.pois.pop(0)
        report = collected.build()
        assert report.counts["dropped/unmatched_place"] == 10
        assert collected.seen_keys() == collected.all_keys()
        collected.pois.insert(0, poi)
        collected.build()
        assert collected.digests() == before

    def test_a_place_that_becomes_a_page_of_a_city_waits_with_its_posts(self, collected, instagram):
        before = collected.digests()
        places = list(instagram.world.places.values())
        places[0].location_id = places[0].facebook_places_id = "c1000"
        instagram.world.places = {place.location_id: place for place in places}
        report = collected.collect()
        assert "place_missing 1" in report.record.notes[0]
        assert collected.digests() == before

    @pytest.mark.fault("I11")
    def test_the_second_place_of_a_post_is_noted(self, town, instagram):
        pk = instagram.world.shown("1001")[0]
        instagram.world.also_show(pk, "1000")
        town.collect()
        with closing(sqlite3.connect(journal_path(town.store, "town"))) as disk:
            assert len(disk.execute("SELECT * FROM sightings").fetchall()) == 1
        assert town.is_whole()


class JumpyClock(FakeClock):
    """The wall clock jumps in every wait."""

    def __init__(self, jump_s: float) -> None:
        super().__init__()
        self.jump_s = jump_s

    def sleep(self, seconds: float) -> None:
        """Sleep and jump."""
        assert 0 <= seconds <= 3601, "no endless wait"
        super().sleep(seconds)
        self.jump(self.jump_s)


@pytest.mark.fault("I20")
class TestAClockThatJumps:
    @pytest.mark.parametrize("jump_s", [-YEAR_S, -60.0, 60.0, YEAR_S])
    def test_a_jump_in_a_wait_moves_no_wait(self, town, instagram, jump_s):
        town.clock = JumpyClock(jump_s)
        instagram.world.newest_utc = instagram.world.newest_utc.replace(year=2015)  # else posts were made in future
        instagram.fail("web_info|sections", Answer(status=429), skip=2, times=1)
        started = town.clock.monotonic()
        town.collect()
        assert 300 <= town.clock.monotonic() - started < 400
        assert town.is_whole()

    @pytest.mark.parametrize("jump_s", [-YEAR_S, YEAR_S])
    def test_what_waits_does_not_wait_for_a_year(self, town, instagram, jump_s):
        instagram.world.newest_utc = instagram.world.newest_utc.replace(year=2015)
        instagram.world.places["1001"].loop_at_page = 2
        fault = instagram.fail("^/media/", Answer(status=403), times=None)
        town.collect()
        assert 4 <= len(town.reasons("deferred")) <= 18, "the host is ill, so the run ends"
        fault.times, instagram.world.places["1001"].loop_at_page = 0, None
        town.clock.jump(jump_s)
        town.clock.pass_by(2 * DAY_S)
        town.collect()
        assert town.is_whole()

    def test_what_is_gone_is_noticed_though_the_clock_was_set_back(self, collected, instagram):
        instagram.world.remove(instagram.world.shown("1000")[0])
        collected.clock.jump(-YEAR_S)
        collected.collect()
        collected.clock.pass_by(DAY_S)
        assert collected.collect().counts["deleted"] == 1


def test_one_place_found_for_two_pois_belongs_to_none_until_a_person_decides(town):
    town.pois.append({**town.pois[0], "poi_id": "p9"})
    assert town.find().counts["ambiguous_locations"] == 1
    (town.store.root / "overrules" / "town.csv").write_text("p0,1000,yes\np9,1000,yes\n")
    with pytest.raises(StageError, match="a second POI"):
        town.find()
    (town.store.root / "overrules" / "town.csv").write_text("p0,1000,yes\np9,1000,no\n")
    town.find()
    town.collect()
    assert {row["poi_id"] for row in town.rows("posts")} == {"p0", "p1"}


def test_two_cities_hold_a_post_under_keys_of_their_own(collected, store, tmp_path, instagram, monkeypatch):
    other = LiveTown(store, tmp_path / "other", instagram, monkeypatch, num_posts=10, city_key="other")
    other.build()
    assert collected.is_whole() and other.is_whole()


def test_a_city_of_another_name_asks_for_nothing_anew(collected, instagram):
    before = collected.digests()
    instagram.requests.clear()
    collected.city = collected.city.model_copy(update={"name": "Gotham"})
    collected.build()
    assert (instagram.count("search"), instagram.count("^/media/")) == (0, 0)
    assert collected.digests() == before


def test_a_posts_folder_keeps_no_file_named_by_an_answer(town, instagram):
    instagram.world.changes[instagram.world.add_post("1000", is_videos=(False,))] |= {"code": "../../x"}
    town.collect()
    assert town.is_whole()
    assert not [path for path in Path(town.store.root).parent.rglob("*") if path.name == "x"]
