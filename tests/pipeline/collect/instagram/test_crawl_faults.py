"""Faults of the world around a crawl: a full disk at any write, Ctrl-C inside a page, files that are damaged or gone,
a clock that jumps, answers of other types. Nothing is lost, nothing stands twice, and the next run ends it.

Not covered: kills between writes (test_kills.py); pressure and changes of the source (test_crawl.py).
"""

import errno
import json
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

from pipeline.collect.instagram.addresses import AllowedHosts
from pipeline.collect.instagram.journal import Journal
from pipeline.collect.instagram.live import journal_path, pace_path
from pipeline.collect.instagram.media.downloads import MediaFetcher
from pipeline.collect.instagram.media.hosts import MediaHosts
from pipeline.collect.instagram.media.photos import Photos
from pipeline.collect.instagram.pace import Pace
from pipeline.collect.web.errors import BadResponseError
from pipeline.collect.web.retries import Retries
from pipeline.errors import StageError
from pipeline.privacy.private_ids import PrivateIds
from pipeline.store import Store
from pipeline.store.blobs import Blobs
from pipeline.store.tables import Tables
from tests.fakes.archive import FakeArchive, graphql_node
from tests.fakes.clock import FakeClock
from tests.fakes.http_server import Answer
from tests.fakes.instagram_server import FakeInstagram
from tests.fakes.live_town import LiveTown

DAY_S = 86_400.0
YEAR_S = 366 * DAY_S
ONE_AT_A_TIME = threading.Lock()
WRITES = (
    (Journal, "want"),
    (Journal, "begin_walk"),
    (Journal, "take_page"),
    (Journal, "end_walk"),
    (Journal, "next_batch"),
    (Journal, "empty"),
    (Journal, "set_note"),
    (Pace, "_note"),
    (PrivateIds, "add"),
    (Blobs, "put"),
    (Tables, "append_once"),
    (Store, "write_stage_record"),
)
ONCE = ("want", "empty", "write_stage_record")
HERE = {"id": "1000", "name": "Lighthouse 0", "lat": 12.0, "lng": -30.0}


@pytest.fixture
def instagram() -> Iterator[FakeInstagram]:
    """A fake Instagram with small pages."""
    with FakeInstagram() as server:
        server.world.page_size = 4
        yield server


@pytest.fixture
def town(store, tmp_path, instagram, monkeypatch) -> LiveTown:
    """Two places of 10 photos each, which were found."""
    photos = {"carousel": 0.0, "video": 0.0}
    town = LiveTown(store, tmp_path / "town", instagram, monkeypatch, num_posts=10, place=photos)
    town.find()
    instagram.requests.clear()
    return town


def all_keys(town: LiveTown) -> set[str]:
    """The posts of the world, whatever became of them."""
    world = town.server.world
    return {town.key(pk) for place in world.places.values() for pk in world.shown(place.location_id)}


def seen_keys(town: LiveTown) -> set[str]:
    """The posts of the tables and the ledger, each once and with all its pictures."""
    rows = town.rows("posts")
    keys = [row["post_key"] for row in rows]
    assert len(keys) == len(set(keys)), "a post stands twice in posts"
    assert not set(keys) & set(town.reasons()), "a dropped post stands in posts"
    told = {row["digest"] for row in town.rows("images")}
    shown = {digest for row in rows for digest in row["image_digests"]}
    assert shown <= told, "a picture stands in posts and not in images"
    assert all(town.store.blobs.path("original", digest).is_file() for digest in shown)
    return {*keys, *town.reasons()}


def is_whole(town: LiveTown) -> bool:
    """Whether everything is there and nothing waits."""
    return seen_keys(town) == all_keys(town) and not town.reasons("deferred")


def altered(town: LiveTown, path: str, **keys: Any) -> None:
    """The tab of the first place tells these keys in place of its own."""

    def change(answer: Answer) -> Answer:
        told = json.loads(answer.body)
        (told["native_location_data"]["recent"] if "native_location_data" in told else told).update(keys)
        return Answer.json(told)

    town.server.fail(path, change=change, times=None)


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
    def test_each_write_names_the_file_and_the_rerun_succeeds(self, town, monkeypatch, owner, name, skip):
        write, calls = getattr(owner, name), []

        def failing(*args: Any, **options: Any) -> Any:
            calls.append(name)
            if len(calls) <= skip:
                return write(*args, **options)
            with full_disk():
                return write(*args, **options)

        monkeypatch.setattr(owner, name, failing)
        with pytest.raises(OSError, match=str(town.store.root)) as told:
            town.collect()
        assert told.value.errno in (errno.EIO, errno.ENOSPC, errno.EFBIG)
        monkeypatch.setattr(owner, name, write)
        assert not list(town.store.root.rglob(".writing-*"))
        town.collect()
        assert is_whole(town)

    def test_the_tables_stand_as_they_stood(self, town, instagram, monkeypatch):
        town.collect()
        before = town.digests()
        instagram.world.add_post("1000", is_videos=(False,))
        write = Tables.append_once

        def failing(*args: Any, **options: Any) -> Any:
            with full_disk():
                return write(*args, **options)

        monkeypatch.setattr(Tables, "append_once", failing)
        with pytest.raises(OSError):
            town.collect()
        assert town.digests() == before
        monkeypatch.setattr(Tables, "append_once", write)
        town.collect()
        assert is_whole(town)


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
    assert is_whole(town)


@pytest.mark.fault("I5")
class TestStoppedInsideAWrite:
    """Ctrl-C between two statements: what belongs together is there whole or not at all."""

    @pytest.mark.parametrize(
        ("owner", "name"),
        [
            (Journal, "_take"),
            (Journal, "_note_cursor"),
            (Photos, "_settle"),
            (Journal, "note_image"),
            (Journal, "end_walk"),
            (Journal, "batch_images"),
            (Tables, "append_once"),
            (PrivateIds, "_insert"),
        ],
        ids=lambda value: getattr(value, "__name__", value),
    )
    @pytest.mark.parametrize("number", [1, 2, 3, 6])
    def test_nothing_is_lost_and_nothing_stands_twice(self, town, monkeypatch, owner, name, number):
        write, calls = getattr(owner, name), []

        def stopped(*args: Any, **options: Any) -> Any:
            calls.append(name)
            if len(calls) == number:
                raise KeyboardInterrupt
            return write(*args, **options)

        monkeypatch.setattr(owner, name, stopped)
        with pytest.raises(KeyboardInterrupt):
            town.collect()
            raise KeyboardInterrupt  # a write that is not made so often
        monkeypatch.setattr(owner, name, write)
        town.collect()
        assert is_whole(town)


class TestFilesThatAreLost:
    @pytest.mark.parametrize(
        "harm", [lambda data: b"garbage" * 999, lambda data: data[: len(data) // 2]], ids=["overwritten", "cut"]
    )
    @pytest.mark.parametrize("which", ["journal", "pace", "ids"])
    def test_a_damaged_file_is_named_and_the_run_after_it_was_moved_away_succeeds(self, town, instagram, which, harm):
        town.collect()
        before = town.digests()
        path = {
            "journal": journal_path(town.store, "town"),
            "pace": pace_path(town.store),
            "ids": town.store.private / "town.ids.sqlite",
        }[which]
        with closing(sqlite3.connect(path)) as disk:
            disk.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        path.write_bytes(harm(path.read_bytes()))
        instagram.requests.clear()
        with pytest.raises(ValueError, match=rf"{path} is damaged.*move it away"):
            town.collect()
        assert instagram.count("^/media/") == 0
        for part in path.parent.glob(f"{path.name}*"):
            part.unlink()
        town.find()
        town.collect()
        assert town.digests() == before

    @pytest.mark.parametrize("lost", ["tables", "tables/town/posts", "tables/town/drops"])
    def test_tables_that_are_gone_are_filled_anew_beside_the_old_journal(self, town, instagram, lost):
        pk = instagram.world.add_post("1000", is_videos=(True,))
        town.collect()
        before = town.digests()
        shutil.rmtree(town.store.root / lost)
        town.build()
        assert is_whole(town)
        assert town.reasons() == {town.key(pk): "video"}
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
            assert seen_keys(town) >= set(town.posts()) == all_keys(town)
            assert (report.counts["kept"], report.counts["dropped/duplicate_post"]) == (20, 1)


class TestPlacesThatChange:
    def test_a_place_that_was_nobodys_for_a_while_gets_all_its_posts_back(self, town):
        town.collect()
        before = town.digests()
        poi = town.pois.pop(0)
        report = town.build()
        assert report.counts["dropped/unmatched_place"] == 10
        assert seen_keys(town) == all_keys(town)
        town.pois.insert(0, poi)
        town.build()
        assert town.digests() == before

    def test_a_place_that_becomes_a_page_of_a_city_waits_with_its_posts(self, town, instagram):
        town.collect()
        before = town.digests()
        places = list(instagram.world.places.values())
        places[0].location_id = places[0].facebook_places_id = "c1000"
        instagram.world.places = {place.location_id: place for place in places}
        report = town.collect()
        assert "place_missing 1" in report.record.notes[0]
        assert town.digests() == before

    @pytest.mark.fault("I11")
    def test_the_second_place_of_a_post_is_noted(self, town, instagram):
        pk = instagram.world.shown("1001")[0]
        instagram.world.also_show(pk, "1000")
        town.collect()
        with closing(sqlite3.connect(journal_path(town.store, "town"))) as disk:
            assert len(disk.execute("SELECT * FROM sightings").fetchall()) == 1
        assert is_whole(town)


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
        assert is_whole(town)

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
        assert is_whole(town)

    def test_what_is_gone_is_noticed_though_the_clock_was_set_back(self, town, instagram):
        town.collect()
        instagram.world.remove(instagram.world.shown("1000")[0])
        town.clock.jump(-YEAR_S)
        town.collect()
        town.clock.pass_by(DAY_S)
        assert town.collect().counts["deleted"] == 1


class TestAnswersOfOtherTypes:
    @pytest.mark.fault("I3")
    @pytest.mark.parametrize(
        "told",
        [
            pytest.param({"next_max_id": "\ud800"}, id="a lone surrogate as cursor"),
            pytest.param({"next_media_ids": ["\ud800"]}, id="a lone surrogate among the ids"),
            pytest.param({"next_max_id": ["a"]}, id="a list as cursor"),
            pytest.param({"next_max_id": {"a": 1}}, id="an object as cursor"),
            pytest.param({"next_page": [2]}, id="a list as page"),
            pytest.param({"more_available": "true"}, id="text as more"),
            pytest.param({"more_available": 1}, id="a number as more"),
        ],
    )
    def test_a_cursor_of_another_type_is_a_change_of_the_source(self, town, instagram, told):
        altered(town, "web_info.*1000|1000/sections|locations/1000.*__a", **told)
        instagram.fail("explore/locations/1000", Answer(status=404), times=None)
        report = town.collect()
        assert "source_changed" in report.record.notes[0]
        assert len(seen_keys(town)) == 10, "the other place goes on"

    @pytest.mark.parametrize(
        "told", [{"next_max_id": 5}, {"next_page": "two"}, {"next_media_ids": "abc"}, {"next_max_id": "x" * 100_000}]
    )
    def test_what_a_cursor_tells_goes_back_as_it_came(self, town, instagram, told):
        altered(town, "web_info.*1000", **told)
        report = town.collect()
        assert "source_changed/status_400 1" in report.record.notes[0]
        assert len(seen_keys(town)) == 14

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            pytest.param({"location": {"pk": 1000.0, "name": "x"}}, "", id="a float as id of a place"),
            pytest.param({"location": [1]}, "", id="a list as place"),
            pytest.param({"caption": ["a", {"text": 1}]}, "", id="a list as caption"),
            pytest.param({"taken_at": 10**30}, "bad_time", id="a huge time"),
            pytest.param({"taken_at": [1]}, "bad_time", id="a list as time"),
            pytest.param({"image_versions2": "http://x/y.jpg"}, "image_missing", id="text as pictures"),
            pytest.param({"image_versions2": {"candidates": ["http://a/b", 3, None]}}, "image_missing", id="text"),
            pytest.param({"image_versions2": {"candidates": [{"url": 5, "width": "a"}]}}, "image_missing", id="5"),
            pytest.param({"image_versions2": {"candidates": [{"url": "http://["}]}}, "refused_address", id="["),
            pytest.param({"image_versions2": {"candidates": [{"url": "http://\ud800/"}]}}, "refused_address", id="d8"),
            pytest.param({"image_versions2": {"candidates": [{"url": "http://a\0b/"}]}}, "refused_address", id="NUL"),
            pytest.param({"user": {"username": "\ud800bob"}}, "", id="a lone surrogate as name"),
            pytest.param({"user": {"pk": 10**50}}, "", id="a huge account"),
            pytest.param({"carousel_media": "abc", "media_type": 8}, "", id="text as carousel, which has a cover"),
            pytest.param({"lat": "12", "lng": [1]}, "", id="text as latitude"),
        ],
    )
    def test_a_post_of_other_types_is_kept_or_has_a_reason(self, town, instagram, changes, reason):
        pk = instagram.world.add_post("1000", is_videos=(False,))
        instagram.world.changes[pk] |= {name: value for name, value in changes.items() if name != "taken_at"}
        if "taken_at" in changes:
            _tell(instagram, pk, changes)
        town.collect()
        assert {**town.reasons(), **town.reasons("deferred")}.get(town.key(pk), "") == reason
        assert seen_keys(town) == all_keys(town)

    @pytest.mark.fault("I3")
    def test_posts_of_an_unknown_shape_are_a_change_of_the_source(self, town, instagram):
        def change(answer: Answer) -> Answer:
            return Answer(body=answer.body.replace(b'"code"', b'"kode"'), headers=answer.headers)

        instagram.fail("web_info|sections|explore", change=change, times=None)
        with pytest.raises(StageError, match="unreadable_posts"):
            town.collect()

    def test_a_post_that_cannot_be_read_is_counted_with_its_reason(self, town, instagram):
        instagram.world.changes[instagram.world.add_post("1000")] = {"pk": "../x", "id": "../x"}
        report = town.collect()
        assert "bad_media_id" in str([report.counts, report.record.about, report.record.notes])

    @pytest.mark.fault("I10")
    def test_an_empty_picture_is_no_drop(self, town, instagram):
        instagram.fail("^/media/", Answer(), times=None)
        town.collect()
        assert town.reasons() == {}
        assert "not_an_image" in town.reasons("deferred").values()

    @pytest.mark.fault("I9")
    def test_one_byte_more_than_the_limit_is_too_many_though_no_length_was_told(
        self, instagram, monkeypatch, tmp_path
    ):
        monkeypatch.setenv("MRLF_INSTAGRAM_URL", instagram.url)
        instagram.fail("^/media/", Answer(body=bytes(2002), ending="cut_without_length"), times=None)
        hosts = AllowedHosts.from_environment()
        for limit in (1001, 1000):
            known = MediaHosts(tmp_path / "hosts.sqlite", FakeClock())
            with MediaFetcher(FakeClock(), hosts, known, limit, 60.0, Retries(max_tries=1)) as fetcher:
                if limit == 1001:
                    assert len(fetcher.fetch(f"{instagram.url}/media/x")) == 1001
                else:
                    with pytest.raises(BadResponseError, match="too_many_bytes"):
                        fetcher.fetch(f"{instagram.url}/media/x")

    def test_a_place_without_posts_is_done(self, town, instagram):
        instagram.world.places["1000"].pks = []
        assert town.collect().record.about["places"] == "2 of 2"
        assert len(town.posts()) == 10


def _tell(instagram: FakeInstagram, pk: int, changes: dict[str, Any]) -> None:
    """Change the media of a post as it goes out; the world itself wants a time."""

    def change(answer: Answer) -> Answer:
        told = json.loads(answer.body)
        sections = told["native_location_data"]["recent"]["sections"]
        medias = [entry["media"] for section in sections for entry in section["layout_content"].get("medias", [])]
        for media in medias:
            media |= changes if media["pk"] == pk else {}
        return Answer.json(told)

    instagram.fail("web_info.*1000", change=change, times=None)


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


def test_two_cities_hold_a_post_under_keys_of_their_own(town, store, tmp_path, instagram, monkeypatch):
    town.collect()
    other = LiveTown(store, tmp_path / "other", instagram, monkeypatch, num_posts=10, city_key="other")
    other.build()
    assert is_whole(town) and is_whole(other)


def test_a_city_of_another_name_asks_for_nothing_anew(town, instagram):
    town.collect()
    before = town.digests()
    instagram.requests.clear()
    town.city = town.city.model_copy(update={"name": "Gotham"})
    town.build()
    assert (instagram.count("search"), instagram.count("^/media/")) == (0, 0)
    assert town.digests() == before


def test_a_posts_folder_keeps_no_file_named_by_an_answer(town, instagram):
    instagram.world.changes[instagram.world.add_post("1000", is_videos=(False,))] |= {"code": "../../x"}
    town.collect()
    assert is_whole(town)
    assert not [path for path in Path(town.store.root).parent.rglob("*") if path.name == "x"]
