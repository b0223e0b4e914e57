"""An archive and live collection write the same tables with the same keys, whichever comes first."""

import pytest

from tests.fakes.archive import FakeArchive, graphql_node
from tests.fakes.http_server import Answer
from tests.fakes.live_town import LiveTown

pytestmark = pytest.mark.slow


@pytest.fixture
def town(mixed_town) -> LiveTown:
    return mixed_town


OF_ARCHIVE = 2_000_000_000_000_000_777
HERE = {"id": "1000", "name": "Lighthouse 0", "lat": 12.0, "lng": -30.0}


class TestManySources:
    """Live and archive write the same tables with the same keys, whichever comes first."""

    @pytest.fixture
    def archive(self, tmp_path) -> FakeArchive:
        return FakeArchive(tmp_path / "archive")

    def add(self, archive: FakeArchive, pk: int, **changes) -> None:
        """A post of the first place in the archive."""
        archive.post(pk % 1000, node=graphql_node(1, id=str(pk), location=HERE), **changes)

    def build(self, town: LiveTown, archive: FakeArchive, *, is_live: bool = True):
        live = LiveTown.settings() if is_live else None
        town.city = town.city.model_copy(update={"live": live})
        town.find(archive=archive.folder)
        report = town.collect(archive=archive.folder)
        town.seen_keys()
        return report

    def test_a_post_of_an_archive_is_not_fetched_again(self, town, instagram, archive):
        pk = next(iter(instagram.world.shown("1000")))
        self.add(archive, pk)
        report = self.build(town, archive)
        assert town.posts()[town.key(pk)]["source"] == "archive"
        assert not [request for request in instagram.seen("^/media/") if str(pk) in request.path]
        assert report.counts["seen"] == 20
        assert town.collect(archive=archive.folder).is_reused

    def test_an_archive_post_without_its_picture_is_completed_live(self, town, instagram, archive):
        pk = instagram.world.add_post("1000", is_videos=(False,))
        self.add(archive, pk, pictures=0)
        self.build(town, archive, is_live=False)
        assert town.reasons("deferred") == {town.key(pk): "image_missing"}
        self.build(town, archive)
        row = town.posts()[town.key(pk)]
        assert (row["source"], len(row["image_digests"])) == ("live", 1)
        assert town.reasons("deferred") == {}

    def test_an_archive_post_that_was_dropped_for_its_picture_is_completed_live(self, town, instagram, archive):
        pk = instagram.world.add_post("1000", is_videos=(False,))
        self.add(archive, pk, pictures=0)
        archive.file(f"2021-06-01_{pk % 1000:06d}.jpg", b"no picture")
        self.build(town, archive, is_live=False)
        assert town.reasons() == {town.key(pk): "not_an_image"}
        self.build(town, archive)
        assert town.posts()[town.key(pk)]["source"] == "live"
        assert town.key(pk) not in town.reasons()

    @pytest.mark.parametrize("status", [403, 404])
    def test_a_live_post_without_its_picture_is_completed_by_an_archive(self, town, instagram, archive, status):
        pk = instagram.world.add_post("1000", is_videos=(False,))
        instagram.fail(f"^/media/{pk}", Answer(status=status), times=None)
        self.add(archive, OF_ARCHIVE)
        self.build(town, archive)
        assert town.key(pk) in {**town.reasons(), **town.reasons("deferred")}
        self.add(archive, pk)
        report = self.build(town, archive)
        row = town.posts()[town.key(pk)]
        assert (row["source"], row["state"]) == ("archive", "active")
        assert town.key(pk) not in {**town.reasons(), **town.reasons("deferred")}
        assert report.counts["seen"] == 22

    def test_a_live_post_that_comes_into_an_archive_later_stays_as_it_is(self, town, instagram, archive):
        pk = instagram.world.add_post("1000", is_videos=(False,))
        self.add(archive, OF_ARCHIVE)
        self.build(town, archive)
        self.add(archive, pk)
        self.build(town, archive)
        assert town.posts()[town.key(pk)]["source"] == "live"
        assert "duplicate_post" in town.reasons().values()

    def test_an_archive_that_is_taken_away_takes_its_posts_with_it_and_leaves_the_live_ones(self, town, archive):
        self.add(archive, OF_ARCHIVE)
        self.build(town, archive)
        town.collect()
        assert {row["source"] for row in town.rows("posts")} == {"live"}

    def test_a_lost_journal_asks_for_pages_again_and_for_no_post_that_is_there(self, collected, instagram):
        before = collected.digests()
        for path in (collected.store.root / "crawl").glob("town.sqlite*"):
            path.unlink()
        instagram.requests.clear()
        collected.find()
        collected.collect()
        assert instagram.count("^/media/") == 0
        assert collected.digests() == before
