"""Posts of a crawl and their pictures: one row each, with all its photos, and none of who opted out."""

import pytest

from pipeline.privacy.opt_out_removal import register_opt_out
from tests.fakes.http_server import Answer, changed
from tests.fakes.live_town import LiveTown

pytestmark = pytest.mark.slow


@pytest.fixture
def town(mixed_town) -> LiveTown:
    return mixed_town


class TestPictures:
    @pytest.mark.fault("I7")
    def test_an_address_that_has_lapsed_is_asked_for_once_and_then_fetched(self, town, instagram):
        instagram.fail("^/media/", Answer(status=403), times=2)
        town.collect()
        assert town.seen_keys() == town.all_keys()
        assert 1 <= instagram.count("api/v1/media") <= 2
        assert town.reasons("deferred") == {}

    @pytest.mark.fault("I7")
    def test_an_address_that_stays_lapsed_defers_the_post_until_tomorrow(self, town, instagram):
        fault = instagram.fail("^/media/", Answer(status=403), times=None)
        report = town.collect()
        assert set(town.reasons("deferred").values()) <= {"media_expired", "media_host_rests", "not_fetched_yet"}
        assert report.counts["kept"] == 0
        assert instagram.count("api/v1/media") <= 10, "no post is refreshed on an ill host"
        fault.times = 0
        town.clock.pass_by(86_401)
        assert town.collect().counts["deferred"] == 0
        assert town.seen_keys() == town.all_keys()

    @pytest.mark.fault("I7")
    @pytest.mark.parametrize("change", [{"status": 503}, {"ending": "reset"}, {"ending": "cut"}])
    def test_a_passing_trouble_is_tried_again(self, town, instagram, change):
        instagram.fail("^/media/", change=changed(**change), every=31, times=None)
        town.collect()
        assert town.seen_keys() == town.all_keys()
        assert town.reasons("deferred") == {}

    @pytest.mark.fault("I10")
    def test_a_picture_that_comes_cut_twice_is_no_picture_and_waits(self, town, instagram):
        instagram.fail("^/media/", change=changed(ending="cut_without_length"), times=None)
        report = town.collect()
        assert set(town.reasons().values()) <= {"video"}
        assert "truncated" in town.reasons("deferred").values()
        assert {row["outcome"] for row in town.rows("images")} == {"truncated"}
        assert report.counts["kept"] == 0
        assert not list((town.store.root / "blobs").rglob("[0-9a-f]*.*"))

    @pytest.mark.fault("I8")
    @pytest.mark.parametrize("to", ["http://169.254.169.254/latest", "http://localhost:1/", "file:///etc/passwd"])
    def test_a_redirect_to_a_private_place_is_refused_and_counted(self, town, instagram, to):
        instagram.fail("^/media/", Answer.redirect(to), times=None)
        town.collect()
        assert set(town.reasons().values()) <= {"video"}
        assert "refused_address" in town.reasons("deferred").values()


class TestPosts:
    @pytest.mark.fault("I11")
    def test_a_post_at_two_places_is_one_row_of_the_place_it_names(self, town, instagram):
        pk = next(pk for pk in instagram.world.shown("1001") if pk)
        instagram.world.also_show(pk, "1000")
        town.collect()
        assert town.seen_keys() == town.all_keys()
        assert town.posts().get(town.key(pk), {"location_id": "1001"})["location_id"] == "1001"

    @pytest.mark.fault("I11")
    def test_a_post_on_two_pages_is_one_row(self, town, instagram):
        instagram.world.places["1000"].pages_overlap = 5
        town.collect()
        assert town.seen_keys() == town.all_keys()

    @pytest.mark.fault("I11")
    def test_a_carousel_gives_all_its_photos_and_none_of_its_videos(self, town, instagram):
        pk = instagram.world.add_post("1000", is_videos=(False,) * 6 + (True,) + (False,) * 3)
        town.collect()
        row = town.posts()[town.key(pk)]
        assert (len(row["image_digests"]), row["num_media"]) == (9, 10)

    @pytest.mark.fault("I11")
    def test_a_video_and_a_reel_are_dropped(self, town, instagram):
        pk = instagram.world.add_post("1000", is_videos=(True,), product_type="clips")
        town.collect()
        assert town.reasons()[town.key(pk)] == "video"

    @pytest.mark.fault("I11")
    def test_the_same_picture_posted_again_is_stored_once(self, town, instagram):
        first = instagram.world.add_post("1000", is_videos=(False,))
        again = instagram.world.add_post("1001", is_videos=(False,), pictures_of=first)
        town.collect()
        posts = town.posts()
        assert posts[town.key(first)]["image_digests"] == posts[town.key(again)]["image_digests"]

    @pytest.mark.fault("I16")
    def test_a_place_whose_posts_have_no_coordinates_lends_them_its_own(self, store, tmp_path, instagram, monkeypatch):
        town = LiveTown(
            store, tmp_path / "town", instagram, monkeypatch, num_places=1, place={"coordinates_in_posts": False}
        )
        town.build()
        assert {(row["latitude"], row["longitude"]) for row in town.rows("posts")} == {(12.0, -30.0)}

    @pytest.mark.fault("I17")
    def test_an_id_that_could_be_a_path_is_refused(self, town, instagram):
        instagram.world.page_size = 8  # a page of such posts alone is a change of the source
        for pk in ("../../etc/passwd", "a/b", "x" * 400, ""):
            instagram.world.changes[instagram.world.add_post("1000")] = {"pk": pk, "id": pk}
        town.collect()
        assert town.reasons("deferred") == {}
        assert len(town.seen_keys()) == 24
        assert list(town.reasons().values()).count("bad_media_id") == 4
        town.collect()
        assert len(town.seen_keys()) == 24

    def test_a_private_account_is_not_taken(self, town, instagram):
        owner = {"pk": 5, "username": "x", "is_private": True}
        pk = instagram.world.add_post("1000", is_videos=(False,), user=owner)
        town.collect()
        assert town.reasons()[town.key(pk)] == "private"
        assert not [request for request in instagram.seen("^/media/") if str(pk) in request.path]

    def test_who_opted_out_is_never_asked_for(self, town, instagram):
        pk = instagram.world.add_post("1000", is_videos=(False,))
        register_opt_out(town.store, [str(pk)])
        town.collect()
        assert town.reasons()[town.key(pk)] == "opted_out"
        assert not [request for request in instagram.seen("^/media/") if str(pk) in request.path]

    def test_who_opts_out_while_a_picture_is_waited_for_is_not_asked_for(self, town, instagram):
        fault = instagram.fail("^/media/", Answer(status=403), times=None)
        town.collect()
        pk = next(pk for pk in instagram.world.shown("1000") if town.key(pk) in town.reasons("deferred"))
        register_opt_out(town.store, [str(pk)])
        fault.times = 0
        town.clock.pass_by(86_401)
        instagram.requests.clear()
        town.collect()
        assert town.key(pk) not in town.posts()
        assert town.reasons()[town.key(pk)] == "opted_out"
        assert not [request for request in instagram.requests if str(pk) in request.path]

    def test_who_opts_out_later_leaves_a_tombstone(self, collected, instagram):
        pk = next(pk for pk in instagram.world.shown("1000") if collected.key(pk) in collected.posts())
        assert register_opt_out(collected.store, [str(pk)]) == {"town": 1}
        report = collected.collect()
        assert collected.posts()[collected.key(pk)]["state"] == "deleted"
        assert report.counts["deleted"] == 1
