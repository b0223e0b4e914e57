"""Posts: every file of an archive is kept, dropped or deferred once, by the first rule against it."""

import json
import os
from collections import Counter
from datetime import UTC, datetime

import pytest

from pipeline.cities import City
from pipeline.collect.instagram.live import Runtime
from pipeline.collect.posts import PostsSettings, build_posts
from pipeline.collect.waiting import what_waits
from pipeline.errors import StageError
from pipeline.privacy.pseudonyms import load_pseudonyms
from tests.fakes.archive import TAKEN_UTC, graphql_node, instaloader_json, iphone_node, media_id
from tests.fakes.clock import FakeClock
from tests.fakes.permissions import plain_user
from tests.fakes.pictures import encoded, pixels
from tests.fakes.private_ids import read_private_ids
from tests.fakes.town import CITY, Town

ELSEWHERE = {"id": "9", "name": "Elsewhere", "lat": 1, "lng": 1}
MUSEUM = {"id": "8", "name": "Harbour Museum", "lat": 12.05, "lng": -30.0}


@pytest.fixture
def town(store, tmp_path) -> Town:
    """A town with one good post, number 1."""
    town = Town(store, tmp_path)
    town.archive.post(1)
    return town


def test_a_good_post_is_a_row_with_its_picture(town):
    path = town.archive.post(1, caption="with @anna #Harbour #harbour")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    report = town.build()
    (image,), (post,) = town.rows("images"), town.rows("posts")
    pseudonyms = load_pseudonyms(town.store, CITY)
    assert post == {
        "post_key": pseudonyms.post_key(media_id(1)),
        "media_key": pseudonyms.media_key(media_id(1)),
        "user_key": pseudonyms.user_key("77001"),
        "poi_id": "p1",
        "location_id": "212928653",
        "taken_utc": TAKEN_UTC.replace(second=1),
        "caption": "with <USER> #Harbour #harbour",
        "hashtags": ["harbour"],
        "image_digests": [image["digest"]],
        "num_media": 1,
        "latitude": 12.0,
        "longitude": -30.0,
        "source": "archive",
        "retrieved_utc": datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC),
        "state": "active",
    }
    assert (image["width"], image["height"], image["format"], image["outcome"]) == (64, 48, "JPEG", "ok")
    assert (
        town.store.blobs.get("original", image["digest"])
        == (town.archive.folder / "2021-06-01_000001.jpg").read_bytes()
    )
    assert report.counts == {
        "seen": 1,
        "posts": 1,
        "kept": 1,
        "deleted": 0,
        "deferred": 0,
        "dropped": 0,
        "users": 1,
        "images": 1,
    }


def test_both_eras_of_nodes_and_both_forms_of_files_give_equal_rows(town):
    town.archive.post(2, node=graphql_node(2), suffix=".json")
    town.archive.post(3, node=iphone_node(3))
    town.build()
    rows = [town.posts()[town.key(number)] for number in (1, 2, 3)]
    assert {row["caption"] for row in rows} == {"a fine morning at the harbour #harbour #morning"}
    assert {row["user_key"] for row in rows} == {rows[0]["user_key"]}
    assert [row["latitude"] for row in rows] == [12.0, 12.0, 12.001]


class TestOutcomes:
    """One odd post beside the good one: its outcome and nothing else changes."""

    @pytest.mark.fault("I15")
    @pytest.mark.fault("I16")
    def test_a_post_is_dropped_by_the_first_rule(self, town):
        rules = {
            "no place": ({"location": None}, "no_place"),
            "another place": ({"location": ELSEWHERE}, "unmatched_place"),
            "no time": ({"taken_at_timestamp": 0}, "bad_time"),
            "milliseconds": ({"taken_at_timestamp": 1622550600000}, "bad_time"),
            "video with its cover": ({"is_videos": (True,)}, "video"),
            "place before time": ({"location": None, "taken_at_timestamp": 0}, "no_place"),
            "time before media": ({"is_videos": (True,), "taken_at_timestamp": 0}, "bad_time"),
        }
        for number, (changes, _) in enumerate(rules.values(), start=2):
            town.archive.post(number, **changes)
        report = town.build()
        reasons = town.reasons()
        for number, (name, (_, reason)) in enumerate(rules.items(), start=2):
            assert reasons[town.key(number)] == reason, name
        assert len(reasons) == len(rules)
        assert list(town.posts()) == [town.key(1)]
        dropped = {name: count for name, count in report.counts.items() if name.startswith("dropped/")}
        assert dropped == {f"dropped/{name}": count for name, count in Counter(reasons.values()).items()}

    def test_the_caption_of_a_dropped_post_is_not_stored(self, town):
        town.archive.post(2, location=ELSEWHERE, caption="canary")
        town.build()
        assert not any("canary" in str(town.rows(table)) for table in ("posts", "drops", "deferred", "images"))

    def test_a_file_that_is_no_post_is_dropped_under_the_key_of_its_path(self, town):
        files = {
            "half.json": (b'{"node": {', "truncated_file"),
            "half_packed.json.xz": (b"\xfd7zXZ\0", "truncated_file"),
            "page.json": (b"<html></html>", "not_json"),
            "map.json": (b'{"type": "FeatureCollection"}', "not_instaloader"),
            "deep.json": (b"[" * 200_000, "nested_too_deep"),
            "x_comments.json": (b"[]", "not_a_post"),
            "profile.json": (json.dumps(instaloader_json({}, "Profile")).encode(), "not_a_post"),
            "path.json": (json.dumps(instaloader_json(graphql_node(2, id="../x"))).encode(), "bad_media_id"),
            "nobody.json": (json.dumps(instaloader_json(graphql_node(2, owner=None))).encode(), "no_owner"),
        }
        for name, (data, _) in files.items():
            town.archive.file(name, data)
        town.build()
        key = load_pseudonyms(town.store, CITY).file_key
        assert town.reasons() == {key(name): reason for name, (_, reason) in files.items()}

    @pytest.mark.fault("M1")
    def test_posts_of_bad_pictures_are_dropped_and_these_are_listed_without_their_bytes(self, town):
        pictures = [
            (b"<!DOCTYPE html>", "not_an_image"),
            (b'{"status": "fail"}', "not_an_image"),
            (b"", "not_an_image"),
            (encoded(pixels())[:-100], "truncated"),
            (encoded(pixels(), "GIF"), "unsupported_format"),
            (encoded(pixels(size=(31, 31))), "too_small"),
            (encoded(pixels(size=(200, 200))), "too_many_pixels"),
            (encoded(pixels()) + b"\0" * 100_000, "too_many_bytes"),
        ]
        for number, (data, _) in enumerate(pictures, start=2):
            town.archive.post(number, pictures=0)
            town.archive.file(f"2021-06-01_{number:06}.jpg", data)
        town.build(max_image_pixels=10_000, max_image_bytes=50_000)
        assert town.reasons() == {town.key(number): reason for number, (_, reason) in enumerate(pictures, start=2)}
        outcomes = sorted(image["outcome"] for image in town.rows("images"))
        assert outcomes == sorted(["ok", *(reason for _, reason in pictures)])
        assert len(town.blobs()) == 1

    @pytest.mark.fault("M18")
    @pytest.mark.parametrize(
        ("data", "reason"), [(b"\0\0\0\x20ftypheic" + b"\0" * 40, "unsupported_format"), (None, None)]
    )
    def test_a_picture_named_heic_is_what_its_first_bytes_say(self, town, data, reason):
        town.archive.post(2, pictures=0)
        town.archive.file("2021-06-01_000002.heic", data or encoded(pixels(2)))
        town.build()
        assert town.reasons() == ({town.key(2): reason} if reason else {})
        assert town.rows("deferred") == []

    @pytest.mark.fault("M16")
    @pytest.mark.parametrize("settings", [{"max_image_pixels": 60_000_000}, {"min_image_side_px": 8}])
    def test_no_setting_takes_a_picture_that_is_not_decoded_later(self, settings):
        with pytest.raises(ValueError, match=next(iter(settings))):
            PostsSettings(**settings)

    def test_a_carousel_keeps_its_good_photos_and_lists_the_bad(self, town):
        town.archive.post(2, is_videos=(False, True, False, False), pictures=4)
        town.archive.file("2021-06-01_000002_3.jpg", b"<html>")
        report = town.build()
        post = town.posts()[town.key(2)]
        outcomes = {image["digest"]: image["outcome"] for image in town.rows("images")}
        assert [outcomes[digest] for digest in post["image_digests"]] == ["ok", "not_an_image", "ok"]
        assert post["num_media"] == 4
        assert report.counts["images"] == 3

    def test_a_post_without_any_media_is_deferred_and_stands_in_posts(self, town):
        parts = [(False,), (True,), (False, False), (False, True)]
        for number, is_videos in enumerate(parts, start=2):
            town.archive.post(number, is_videos=is_videos, pictures=0)
        report = town.build()
        posts = town.posts()
        assert town.reasons("deferred") == {town.key(number): "image_missing" for number in range(2, 2 + len(parts))}
        assert {row["not_before_utc"] for row in town.rows("deferred")} == {None}
        for number, is_videos in enumerate(parts, start=2):
            assert posts[town.key(number)]["image_digests"] == [], is_videos
        assert report.counts["deferred/image_missing"] == len(parts)

    def test_a_carousel_of_which_only_a_videos_cover_is_there_is_deferred(self, town):
        town.archive.post(2, is_videos=(True, False), pictures=1)
        town.build()
        assert town.reasons("deferred") == {town.key(2): "image_missing"}


@pytest.mark.fault("I13")
def test_a_hostile_caption_goes_through_the_table(town):
    captions = {
        "null": (None, ""),
        "zero-width": ("\u200b\u200b", ""),
        "letters": ("é" * 2200, "é" * 2200),
        "emoji": ("😀" * 2200, "😀" * 2200),
        "controls": ("a\0b\x9f", "ab"),
        "lone surrogate": ("x\ud83dy", "x\ufffdy"),
        "bidi": ("a\u202eb", "ab"),
        "storm": ("a" + "\u0301" * 99, "á" + "\u0301" * 98),
    }
    for number, (caption, _) in enumerate(captions.values(), start=2):
        town.archive.post(number, caption=caption)
    town.build()
    posts = town.posts()
    for number, (name, (_, stored)) in enumerate(captions.items(), start=2):
        assert posts[town.key(number)]["caption"] == stored, name


@pytest.mark.fault("I11")
class TestOneRowPerPost:
    def test_the_same_post_in_two_folders_is_one(self, town):
        town.archive.post(1, stem="b/again")
        report = town.build()
        assert list(town.posts()) == [town.key(1)]
        assert town.reasons() == {load_pseudonyms(town.store, CITY).file_key("b/again.json.xz"): "duplicate_post"}
        assert report.counts["seen"] == 2

    def test_the_one_with_its_pictures_is_taken(self, town):
        town.archive.post(2, stem="a", pictures=0)
        town.archive.post(2, stem="b", node=iphone_node(2))
        town.build()
        assert len(town.posts()[town.key(2)]["image_digests"]) == 1
        assert town.reasons("deferred") == {}

    def test_a_post_found_under_two_places_belongs_to_its_own(self, town):
        town.archive.post(2, stem="%212928653/a", location=MUSEUM)
        town.archive.post(2, stem="%8/a", location=MUSEUM)
        town.archive.post(3, stem="1", location=ELSEWHERE)
        town.archive.post(3, stem="2", location=MUSEUM)
        town.build()
        assert [town.posts()[town.key(number)]["poi_id"] for number in (2, 3)] == ["p2", "p2"]

    def test_the_same_picture_of_two_posts_is_stored_once(self, town):
        data = (town.archive.folder / "2021-06-01_000001.jpg").read_bytes()
        town.archive.post(2, pictures=0)
        town.archive.file("2021-06-01_000002.jpg", data)
        town.build()
        assert len(town.rows("posts")) == 2
        assert len(town.rows("images")) == len(town.blobs()) == 1


class TestRerun:
    def test_an_unchanged_archive_is_reused(self, town):
        assert not town.build().is_reused
        assert town.build().is_reused

    def test_a_picture_that_arrives_later_is_picked_up(self, town):
        town.archive.post(2, pictures=0)
        town.build()
        town.archive.post(2)
        town.build()
        assert town.reasons("deferred") == {}
        assert len(town.posts()[town.key(2)]["image_digests"]) == 1

    def test_a_post_that_was_taken_out_is_gone_from_every_table(self, town):
        path = town.archive.post(2)
        town.build()
        path.unlink()
        town.build()
        assert list(town.posts()) == [town.key(1)]
        assert read_private_ids(town.store, "town") == {town.key(1): media_id(1)}

    def test_pictures_that_are_stored_are_not_written_again(self, town):
        town.build()
        (digest,) = town.blobs()
        before = town.store.blobs.path("original", digest).stat().st_mtime_ns
        town.archive.post(2)
        town.build()
        assert town.store.blobs.path("original", digest).stat().st_mtime_ns == before

    def test_two_runs_over_copies_of_an_archive_give_equal_digests(self, town, tmp_path):
        from pipeline.store import Store

        town.archive.post(2, is_videos=(False, False), pictures=2)
        other = Town(Store(tmp_path / "other"), tmp_path)
        (town.store.private / "pseudonym.key").write_text("ab" * 32)
        (other.store.private / "pseudonym.key").write_text("ab" * 32)
        assert town.build().record.outputs == other.build().record.outputs

    def test_another_key_gives_other_rows(self, town, monkeypatch):
        town.build()
        monkeypatch.setenv("MRLF_PSEUDONYM_KEY", "ab" * 32)
        assert not town.build().is_reused
        assert list(town.posts()) == [town.key(1)]


@pytest.mark.fault("I22")
def test_posts_that_lay_in_the_future_are_read_again_when_the_clock_is_right(town):
    clock = FakeClock(datetime(2019, 1, 1, tzinfo=UTC))
    town.runtime = Runtime(clock=clock)
    town.archive.post(2)
    assert town.build().counts["dropped/bad_time"] == 2
    assert town.build().is_reused
    clock.jump((datetime(2026, 3, 1, tzinfo=UTC) - clock.now()).total_seconds())
    assert town.build().counts["kept"] == 2
    assert town.build().is_reused


@pytest.mark.fault("I42")
class TestWhatHangsOnTheWorld:
    def test_a_clock_that_is_behind_is_told(self, town):
        town.runtime = Runtime(clock=FakeClock(datetime(2019, 1, 1, tzinfo=UTC)))
        assert "later than this machine's clock, the first of them 2021-06-01" in town.build().record.notes[0]

    def test_what_a_clock_that_is_ahead_took_is_read_again(self, town):
        town.archive.post(2, taken_at_timestamp=int(datetime(2090, 1, 1, tzinfo=UTC).timestamp()))
        town.runtime = Runtime(clock=FakeClock(datetime(2090, 2, 1, tzinfo=UTC)))
        assert town.build().counts["kept"] == 2
        town.runtime = Runtime(clock=FakeClock(datetime(2026, 3, 1, tzinfo=UTC)))
        assert town.build().counts["dropped/bad_time"] == 1

    @pytest.mark.parametrize(
        ("suffix", "reason"), [(".xz", "not_readable"), (".jpg", "image_not_readable")], ids=["metadata", "picture"]
    )
    def test_a_file_that_may_not_be_read_waits_and_is_tried_again(self, town, suffix, reason):
        town.archive.post(2, stem="two")
        path = next(path for path in town.archive.folder.rglob("two*") if path.suffix == suffix)
        path.chmod(0)
        with plain_user():
            first = town.build()
            assert first.counts["kept"] == first.counts[f"deferred/{reason}"] == 1
            assert "give this user the right to read the files" in first.record.notes[-1]
            assert not town.build().is_reused
            path.chmod(0o600)
            assert town.build().counts["kept"] == 2
            assert town.build().is_reused

    def test_a_picture_of_a_carousel_that_may_not_be_read_costs_the_post_no_picture(self, town):
        town.archive.post(2, stem="two", is_videos=(False, False), pictures=2)
        path = max(town.archive.folder.rglob("two*.jpg"))
        path.chmod(0)
        with plain_user():
            assert town.build().counts["deferred/image_not_readable"] == 1
            path.chmod(0o600)
            town.build()
        assert len(town.posts()[town.key(2)]["image_digests"]) == 2

    def test_an_archive_of_which_nothing_may_be_read_says_so(self, town):
        for path in town.archive.folder.rglob("*.json*"):
            path.chmod(0)
        with plain_user(), pytest.raises(StageError, match="this user may not read them: give it the right to"):
            town.build()


@pytest.mark.fault("I25")
def test_an_archive_whose_pictures_are_missing_waits_for_them(town):
    assert what_waits(town.store, town.city, datetime.now(UTC)).is_nothing
    town.archive.post(2, pictures=0)
    notes = town.build().record.notes
    waits = what_waits(town.store, town.city, datetime.now(UTC))
    assert (waits.files, waits.is_for_files) == ({"image_missing": 1}, True)
    assert notes[-1].startswith("incomplete: ") and "put the pictures beside their metadata" in notes[-1]
    assert town.build().record.notes == notes, "of a run that reuses its tables, too"


def test_the_ledger_closes_over_every_kind_of_file(town):
    town.archive.post(2, location=ELSEWHERE)
    town.archive.post(3, pictures=0)
    town.archive.post(4, is_videos=(True,))
    town.archive.post(1, stem="again")
    town.archive.file("x.json", b"{")
    counts = town.build().counts
    assert counts["seen"] == 6 == counts["kept"] + counts["dropped"] + counts["deferred"]
    assert counts["posts"] == counts["kept"] + counts["deferred"] == 2
    assert sum(count for name, count in counts.items() if name.startswith("dropped/")) == counts["dropped"]


def test_the_private_map_leads_from_post_keys_to_media_ids(town):
    town.archive.post(2, location=ELSEWHERE)
    town.build()
    assert read_private_ids(town.store, "town") == {town.key(1): media_id(1)}


class TestMessages:
    def test_a_folder_without_a_post(self, town):
        town.build()
        for path in town.archive.folder.iterdir():
            path.unlink()
        town.archive.file("a.json", b"[1]")
        with pytest.raises(StageError, match=r"none of the 1 metadata files .*\(not_instaloader 1\)"):
            build_posts(town.store, CITY, PostsSettings(archive=town.archive.folder))
        assert list(town.posts()) == [town.key(1)]

    def test_an_empty_and_a_missing_folder(self, town, tmp_path):
        town.build()
        for folder in (tmp_path / "missing", tmp_path / "empty"):
            (tmp_path / "empty").mkdir(exist_ok=True)
            with pytest.raises(StageError, match=r"cities\.yaml"):
                build_posts(town.store, CITY, PostsSettings(archive=folder))

    def test_places_first(self, store, tmp_path):
        with pytest.raises(StageError, match="build the stages pois and places first"):
            build_posts(store, CITY, PostsSettings(archive=tmp_path))

    def test_where_every_post_is_dropped_a_note_says_what_to_change(self, town):
        town.pois = [{"poi_id": "p", "name": "X", "latitude": 12.1, "longitude": -30}]
        report = town.build()
        assert "unmatched_place" in report.record.notes[0]
        assert "overrule" in report.record.notes[0]

    def test_where_no_post_has_its_pictures_a_note_says_so(self, town):
        (town.archive.folder / "2021-06-01_000001.jpg").unlink()
        assert "beside the metadata" in town.build().record.notes[0]


def test_the_recorded_files_are_four_deferred_posts(store, tmp_path, shared_data):
    pois = [
        {"poi_id": "miami", "name": "Miami Beach, Florida", "latitude": 25.813, "longitude": -80.1341},
        {"poi_id": "ny", "name": "New York, New York", "latitude": 40.7142, "longitude": -74.0064},
        {"poi_id": "laguna", "name": "Laguna Beach, California", "latitude": 33.5315, "longitude": -117.769},
        {"poi_id": "dubai", "name": "Dubai, United Arab Emirates", "latitude": 25.2, "longitude": 55.27},
    ]
    world = City(key="world", name="World", latitude=40, longitude=-74, radius_km=20_000)
    town = Town(store, tmp_path, pois=pois, city=world)
    town.archive.folder = shared_data / "instagram" / "instaloader_posts"
    counts = town.build().counts
    posts = {post["poi_id"]: (post["taken_utc"], post["num_media"], post["hashtags"]) for post in town.rows("posts")}
    assert posts == {
        "miami": (
            datetime(2019, 4, 3, 16, 43, 25, tzinfo=UTC),
            1,
            ["mygirl", "wecameforthecubanfood", "momdaughtertime", "tag", "miami", "southbeach", "springbreak2019"],
        ),
        "ny": (datetime(2019, 4, 3, 19, 50, 53, tzinfo=UTC), 10, []),
        "laguna": (
            datetime(2019, 4, 3, 21, 32, 36, tzinfo=UTC),
            7,
            ["siblinglove", "beachfun", "naturebugs", "springbreak2019", "tag"],
        ),
        "dubai": (
            datetime(2023, 5, 24, 11, 28, 6, tzinfo=UTC),
            1,
            ["mercedesamg", "mercedesbenz", "eqs53", "eqs", "mercedeseq", "amg", "amgperformance"],
        ),
    }
    assert counts == {
        "seen": 4,
        "posts": 4,
        "kept": 0,
        "deleted": 0,
        "deferred": 4,
        "dropped": 0,
        "users": 1,
        "images": 0,
        "deferred/image_missing": 4,
    }
