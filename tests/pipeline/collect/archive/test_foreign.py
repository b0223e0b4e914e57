"""Archives of other tools: gallery-dl's is read; what lacks places is named, with the way to a readable one."""

import pytest

from pipeline.collect.archive.fields import LocationStub
from pipeline.collect.archive.folder import Archive
from pipeline.collect.archive.foreign import is_own_export
from pipeline.errors import StageError
from tests.fakes.archive import FakeArchive, iphone_node, media_id
from tests.fakes.pictures import encoded, pixels
from tests.fakes.town import CITY, Town


@pytest.fixture
def fake(tmp_path) -> FakeArchive:
    return FakeArchive(tmp_path / "archive")


@pytest.fixture
def town(store, tmp_path) -> Town:
    return Town(store, tmp_path)


def sidecar(number: int = 1, **changes):
    """gallery-dl's JSON of a picture; `changes` replace its fields, None takes a field out."""
    content = {
        "category": "instagram",
        "subcategory": "posts",
        "post_id": media_id(number),
        "post_shortcode": f"Cbb{number:06d}",
        "post_url": f"https://www.instagram.com/p/Cbb{number:06d}/",
        "post_date": "2021-06-01 12:30:01",
        "date": "2021-06-01 12:30:01",
        "description": "with @ben at the harbour #harbour",
        "tags": ["#harbour"],
        "location_id": "212928653",
        "location_slug": "old-lighthouse",
        "owner_id": "77001",
        "username": "anna",
        "fullname": "Anna",
        "tagged_users": [{"id": "5", "username": "ben", "full_name": "Ben"}],
        "num": 1,
        "count": 1,
        "media_id": media_id(number),
        "shortcode": f"Cbb{number:06d}",
        "display_url": "https://x.invalid/1.jpg",
        "video_url": None,
        "extension": "jpg",
        **changes,
    }
    return {name: value for name, value in content.items() if value is not None}


def carousel(fake: FakeArchive, numbers: tuple[int, ...] = (1, 2, 3), count: int = 3, video: int = 0) -> None:
    """The files that gallery-dl writes of a post of `count` pictures."""
    for number in numbers:
        name = f"{media_id(1)}_{media_id(90 - number)}.{'mp4' if number == video else 'jpg'}"
        urls = {"video_url": "https://x.invalid/v.mp4"} if number == video else {}
        part = sidecar(num=number, count=count, media_id=media_id(90 - number), sidecar_media_id=media_id(1), **urls)
        fake.json(f"anna/{name}.json", part)
        fake.file(f"anna/{name}", encoded(pixels(number)))


@pytest.mark.fault("I38")
@pytest.mark.parametrize("name", ["1.jpg.json", "1.json", "any name.webp.json"])
def test_a_picture_of_gallery_dl_is_a_post(fake, name):
    fake.json(name, sidecar())
    picture = name.removesuffix(".json") if name != "1.json" else "1.jpg"
    fake.file(picture, encoded(pixels()))
    (entry,) = Archive.scan(fake.folder).entries()
    fields = entry.fields
    assert (fields.media_id, fields.owner_names) == (media_id(1), ("77001", "@anna"))
    assert fields.location == LocationStub(location_id="212928653", name="old lighthouse", coordinates=None)
    assert (str(fields.taken_utc), fields.caption) == (
        "2021-06-01 12:30:01+00:00",
        "with <USER> at the harbour #harbour",
    )
    assert (fields.is_videos, [path.name for path in entry.media.pictures]) == ((False,), [picture])


@pytest.mark.fault("I38")
def test_the_files_of_a_carousel_are_one_post_in_the_order_of_their_numbers(town):
    carousel(town.archive, video=2)
    report = town.build()
    (post,) = town.rows("posts")
    assert post["num_media"] == 3
    assert post["image_digests"] == [town.store.blobs.put("original", encoded(pixels(number))) for number in (1, 3)]
    assert {name: report.counts[name] for name in ("seen", "kept", "dropped")} == {"seen": 3, "kept": 1, "dropped": 2}
    assert set(town.reasons().values()) == {"part_of_post"}


@pytest.mark.fault("I38")
def test_a_part_that_was_not_saved_is_none_and_a_copy_is_a_duplicate(town):
    carousel(town.archive, numbers=(2,), count=3)
    carousel(town.archive, numbers=(2,), count=3)
    town.archive.json("copy.jpg.json", sidecar(num=2, count=3))
    town.build()
    (post,) = town.rows("posts")
    assert (post["num_media"], len(post["image_digests"])) == (3, 1)
    assert list(town.reasons().values()) == ["duplicate_post"]


@pytest.mark.fault("I38")
def test_a_file_of_a_whole_post_has_the_pictures_of_its_id(fake):
    fake.json(f"{media_id(1)}.json", sidecar(media_id=None, num=None, shortcode=None, display_url=None, count=3))
    names = [f"{media_id(1)}_{media_id(number)}" for number in (2, 3, 4)]
    for name in (f"{names[0]}.jpg", f"{names[1]}.jpg", f"{names[2]}.mp4", f"{names[2]}.jpg", f"{media_id(7)}.jpg"):
        fake.file(name, b"x")
    (entry,) = Archive.scan(fake.folder).entries()
    assert [path.name for path in entry.media.pictures] == [f"{names[0]}.jpg", f"{names[1]}.jpg"]
    assert entry.media.has_video


@pytest.mark.fault("I38")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"subcategory": "stories"}, "not_a_post"),
        ({"post_url": "https://www.instagram.com/stories/anna/"}, "not_a_post"),
        ({"post_id": "x"}, "bad_media_id"),
        ({"owner_id": None, "username": None}, "no_owner"),
    ],
)
def test_what_is_no_post_of_gallery_dl_has_a_reason(fake, changes, reason):
    fake.json("1.jpg.json", sidecar(**changes))
    assert [entry.reason for entry in Archive.scan(fake.folder).entries()] == [reason]


@pytest.mark.fault("I38")
@pytest.mark.parametrize(
    "changes", [{"post_date": 7, "date": []}, {"location_id": None}, {"description": 3}, {"num": "x", "count": -1}]
)
def test_odd_values_are_none(fake, changes):
    fake.json("1.jpg.json", sidecar(**changes))
    assert [entry.reason for entry in Archive.scan(fake.folder).entries()] == [""]


@pytest.mark.fault("I38")
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"post_id": None, "post_shortcode": None, "post_date": None}, id="before 2020"),
        pytest.param({"post_date": "2021-06-01T12:30:01"}, id="with a T"),
        pytest.param({"post_date": "2021-06-01T14:30:01+02:00"}, id="with a time zone"),
        pytest.param({"post_id": int(media_id(1)), "owner_id": 77001, "location_id": 212928653}, id="ids are numbers"),
    ],
)
def test_every_year_of_gallery_dl_gives_the_same_post(fake, changes):
    fake.json("1.jpg.json", sidecar(**changes))
    (entry,) = Archive.scan(fake.folder).entries()
    fields = entry.fields
    assert (fields.media_id, fields.owner, str(fields.taken_utc)) == (
        media_id(1),
        "77001",
        "2021-06-01 12:30:01+00:00",
    )
    assert fields.location is not None
    assert fields.location.location_id == "212928653"


@pytest.mark.fault("I38")
def test_coauthors_of_gallery_dl_are_authors_and_tagged_people_are_not(fake):
    fake.json("1.jpg.json", sidecar(coauthors=[{"id": "78", "username": "Cleo", "full_name": "Cleo"}]))
    (entry,) = Archive.scan(fake.folder).entries()
    assert entry.fields.author_names == ("77001", "@anna", "78", "@cleo")


EXPORTS = {
    "posts of 2023": [{"media": [{"uri": "media/posts/1.jpg", "creation_timestamp": 1, "title": "caf\u00c3\u00a9"}]}],
    "a carousel": [{"media": [{"uri": "a.jpg"}], "title": "x", "creation_timestamp": 1}],
    "archived": {"ig_archived_post_media": [{"media": [{"uri": "a.jpg", "creation_timestamp": 1}]}]},
    "stories": {"ig_stories": [{"uri": "a.jpg", "creation_timestamp": 1, "title": ""}]},
    "followers": [{"title": "", "media_list_data": [], "string_list_data": [{"href": "x", "value": "ben"}]}],
    "posts of 2025": [
        {"timestamp": 1, "media": [], "label_values": [{"label": "Caption", "value": "x"}], "fbid": "1"}
    ],
}


@pytest.mark.fault("I39")
@pytest.mark.parametrize("name", EXPORTS)
def test_a_file_of_instagrams_own_export_is_known(fake, name):
    fake.json("your_instagram_activity/media/posts_1.json", EXPORTS[name])
    assert [entry.reason for entry in Archive.scan(fake.folder).entries()] == ["own_export"]


@pytest.mark.parametrize("content", [[], {}, 1, [1], [[[]]], {"a": 1}, iphone_node(), {"uri": "x"}])
def test_other_json_is_no_export(content):
    assert not is_own_export(content)


NAMELESS = {
    "a zip": ("instagram-anna-2025-01-01-abc.zip", "own export"),
    "the export as pages": ("your_instagram_activity/media/posts_1.html", "own export"),
    "Instaloader without metadata": ("anna/2021-06-01_12-30-01_UTC_1.jpg", "--no-metadata-json"),
    "its captions": ("anna/2021-06-01_12-30-01_UTC.txt", "--no-metadata-json"),
    "gallery-dl without metadata": (f"instagram/anna/{media_id(1)}_{media_id(2)}.jpg", "--write-metadata"),
}


@pytest.mark.fault("I39")
@pytest.mark.parametrize("name", NAMELESS)
def test_a_folder_without_metadata_is_named_with_what_to_do(fake, name):
    path, words = NAMELESS[name]
    fake.file(path, b"x")
    with pytest.raises(StageError, match=words) as caught:
        Archive.scan(fake.folder)
    assert (
        "run " in str(caught.value)
        or "gallery-dl --write-metadata" in str(caught.value)
        or "save" in str(caught.value)
    )


@pytest.mark.fault("I39")
def test_an_export_that_is_larger_than_any_posts_metadata_is_known_by_its_names(town):
    town.archive.file("content/posts_1.json", b"[" + b" " * 17_000_000 + b"]")
    with pytest.raises(StageError, match="Download your information"):
        town.build()


@pytest.mark.fault("I39")
def test_an_export_is_told_how_to_get_a_readable_archive(town):
    town.archive.json("your_instagram_activity/media/posts_1.json", EXPORTS["posts of 2023"])
    with pytest.raises(StageError, match=r"Download your information.*instaloader --login NAME NAME"):
        town.build()
    assert town.store.stage_record(CITY.key, "posts") is None
