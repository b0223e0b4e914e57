"""Posts that change at their source: private, edited, moved, with fewer pictures; their rows follow."""

import pytest

from tests.fakes.http_server import Answer

DAY_S = 86_400.0


@pytest.mark.fault("I27")
class TestAPostThatChanges:
    def test_one_that_turned_private_is_gone_with_the_page_that_reports_it(self, collected, instagram):
        pk = instagram.world.shown("1000")[3]
        instagram.world.change(pk, user={"pk": 5, "username": "x", "is_private": True})
        report = collected.collect()
        row = collected.posts()[collected.key(pk)]
        assert (row["state"], row["caption"], row["image_digests"]) == ("deleted", "", [])
        assert report.record.about["updated_posts"] == "1"
        assert collected.waiting().is_nothing

    def test_one_that_turned_private_and_is_shown_no_more_is_gone_at_the_first_word(self, collected, instagram):
        pk = instagram.world.shown("1000")[3]
        instagram.world.make_private(pk)
        collected.clock.pass_by(31 * DAY_S)
        report = collected.collect()
        assert collected.posts()[collected.key(pk)]["state"] == "deleted"
        assert (report.record.about["updated_posts"], collected.waiting().is_nothing) == ("1", True)

    def test_a_caption_that_was_edited_is_the_rows_and_its_pictures_stay(self, collected, instagram):
        pk = instagram.world.shown("1000")[3]
        before = collected.posts()[collected.key(pk)]
        instagram.world.change(pk, caption="Quite another story #lighthouse")
        instagram.requests.clear()
        report = collected.collect()
        after = collected.posts()[collected.key(pk)]
        assert (after["caption"], after["hashtags"]) == ("Quite another story #lighthouse", ["lighthouse"])
        assert after["image_digests"] == before["image_digests"]
        assert (report.record.about["updated_posts"], report.record.about["new_posts"]) == ("1", "0")
        assert instagram.count("^/media/") == 0

    @pytest.mark.slow
    def test_an_edit_before_the_pictures_came_is_not_lost(self, town, instagram):
        pk = instagram.world.shown("1000")[3]
        fault = instagram.fail(f"^/media/{pk}", Answer(status=503), times=None)
        town.collect()
        instagram.world.change(pk, caption="Another story")
        town.collect()
        fault.times = 0
        town.clock.pass_by(DAY_S)
        town.collect()
        assert town.posts()[town.key(pk)]["caption"] == "Another story"

    @pytest.mark.parametrize(("location_id", "is_there"), [("1001", True), ("4711", False)])
    def test_one_that_moved_belongs_to_its_new_place_or_to_none(self, collected, instagram, location_id, is_there):
        pk = instagram.world.shown("1000")[3]
        instagram.world.change(pk, location={"pk": int(location_id), "name": "There", "lat": 12.01, "lng": -30.0})
        report = collected.collect()
        row = collected.posts().get(collected.key(pk))
        assert (row["poi_id"] if row else None) == ("p1" if is_there else None)
        assert ("unmatched_place" in collected.reasons().values()) is not is_there
        assert report.record.about["updated_posts"] == "1"

    def test_a_carousel_that_lost_a_picture_loses_it_here_too(self, town, instagram):
        pk = instagram.world.add_post("1000", is_videos=(False, False, False))
        town.collect()
        instagram.world.change(pk, is_videos=(False, False))
        town.collect()
        assert len(town.posts()[town.key(pk)]["image_digests"]) == 2

    def test_nothing_is_updated_where_nothing_changed(self, collected):
        collected.clock.pass_by(31 * DAY_S)
        report = collected.collect()
        assert report.is_reused and report.record.about["updated_posts"] == "0"
