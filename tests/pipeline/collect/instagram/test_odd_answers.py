"""Answers of other types than the source gives: a post is kept or has a reason, a place waits, the others go on."""

import json
from typing import Any

import pytest

from pipeline.collect.instagram.addresses import AllowedHosts
from pipeline.collect.instagram.media.downloads import MediaFetcher
from pipeline.collect.instagram.media.hosts import MediaHosts
from pipeline.collect.web.errors import BadResponseError
from pipeline.collect.web.retries import Retries
from pipeline.errors import StageError
from tests.fakes.clock import FakeClock
from tests.fakes.http_server import Answer
from tests.fakes.instagram_server import FakeInstagram
from tests.fakes.live_town import LiveTown

pytestmark = pytest.mark.slow


def altered(town: LiveTown, path: str, **keys: Any) -> None:
    """The tab of the first place has these keys in place of its own."""

    def change(answer: Answer) -> Answer:
        stated = json.loads(answer.body)
        (stated["native_location_data"]["recent"] if "native_location_data" in stated else stated).update(keys)
        return Answer.json(stated)

    town.server.fail(path, change=change, times=None)


ODD_POSTS: dict[str, tuple[dict[str, Any], str]] = {
    "a float as id of a place": ({"location": {"pk": 1000.0, "name": "x"}}, ""),
    "a list as place": ({"location": [1]}, ""),
    "a list as caption": ({"caption": ["a", {"text": 1}]}, ""),
    "a huge time": ({"taken_at": 10**30}, "bad_time"),
    "a list as time": ({"taken_at": [1]}, "bad_time"),
    "text as pictures": ({"image_versions2": "http://x/y.jpg"}, "image_missing"),
    "a list of text as pictures": ({"image_versions2": {"candidates": ["http://a/b", 3, None]}}, "image_missing"),
    "a number as address": ({"image_versions2": {"candidates": [{"url": 5, "width": "a"}]}}, "image_missing"),
    "half an address": ({"image_versions2": {"candidates": [{"url": "http://["}]}}, "refused_address"),
    "no text as address": (
        {"image_versions2": {"candidates": [{"url": "http://\ud800/"}]}},
        "refused_address",
    ),
    "a NUL in an address": ({"image_versions2": {"candidates": [{"url": "http://a\0b/"}]}}, "refused_address"),
    "a lone surrogate as name": ({"user": {"username": "\ud800bob"}}, ""),
    "a huge account": ({"user": {"pk": 10**50}}, ""),
    "text as carousel, which has a cover": ({"carousel_media": "abc", "media_type": 8}, ""),
    "text as latitude": ({"lat": "12", "lng": [1]}, ""),
}
"""What is odd about a post, and the reason that it gets; "" where it is kept."""


class TestAnswersOfOtherTypes:
    @pytest.mark.fault("I3")
    @pytest.mark.parametrize(
        "stated",
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
    def test_a_cursor_of_another_type_is_a_change_of_the_source(self, town, instagram, stated):
        altered(town, "web_info.*1000|1000/sections|locations/1000.*__a", **stated)
        instagram.fail("explore/locations/1000", Answer(status=404), times=None)
        report = town.collect()
        assert "source_changed" in report.record.notes[0]
        assert len(town.seen_keys()) == 10, "the other place goes on"

    @pytest.mark.parametrize(
        "stated", [{"next_max_id": 5}, {"next_page": "two"}, {"next_media_ids": "abc"}, {"next_max_id": "x" * 100_000}]
    )
    def test_what_a_cursor_reports_goes_back_as_it_came(self, town, instagram, stated):
        altered(town, "web_info.*1000", **stated)
        report = town.collect()
        assert "source_changed/status_400 1" in report.record.notes[0]
        assert len(town.seen_keys()) == 14

    def test_a_post_of_other_types_is_kept_or_has_a_reason(self, town, instagram):
        pks = {}
        for name, (changes, _) in ODD_POSTS.items():
            pk = pks[name] = instagram.world.add_post("1000", is_videos=(False,))
            instagram.world.changes[pk] |= {key: value for key, value in changes.items() if key != "taken_at"}
        _tell(instagram, {pk: ODD_POSTS[name][0] for name, pk in pks.items() if "taken_at" in ODD_POSTS[name][0]})
        town.collect()
        reasons = {**town.reasons(), **town.reasons("deferred")}
        for name, pk in pks.items():
            assert reasons.get(town.key(pk), "") == ODD_POSTS[name][1], name
        assert town.seen_keys() == town.all_keys()

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
    def test_one_byte_more_than_the_limit_is_too_many_though_no_length_was_reported(
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


def _tell(instagram: FakeInstagram, changes: dict[int, dict[str, Any]]) -> None:
    """Change the media of posts as they go out; the world itself wants a time."""

    def change(answer: Answer) -> Answer:
        stated = json.loads(answer.body)
        sections = stated["native_location_data"]["recent"]["sections"]
        medias = [entry["media"] for section in sections for entry in section["layout_content"].get("medias", [])]
        for media in medias:
            media |= changes.get(media["pk"], {})
        return Answer.json(stated)

    instagram.world.page_size = 2 * len(ODD_POSTS)  # all on the first page
    instagram.fail("web_info.*1000", change=change, times=None)
