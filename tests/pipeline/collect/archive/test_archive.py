"""An archive: every metadata file once, its media by its stem, and nothing from outside the folder."""

import os
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pipeline.collect.archive.fields import LocationStub, PostFields
from pipeline.collect.archive.folder import Archive
from pipeline.errors import StageError
from tests.fakes.archive import FakeArchive, graphql_node, instaloader_json, iphone_node, media_id


@pytest.fixture
def fake(tmp_path) -> FakeArchive:
    return FakeArchive(tmp_path / "archive")


def entries(fake):
    return list(Archive.scan(fake.folder).entries())


def pictures(fake, path="a.json") -> list[str]:
    (entry,) = [entry for entry in entries(fake) if entry.path == path]
    return [picture.name for picture in entry.media.pictures]


def carousel(fake, *, is_videos=(False, False, False), files=(), stem="a"):
    fake.json(f"{stem}.json", instaloader_json(graphql_node(is_videos=is_videos)))
    for name in files:
        fake.file(name, b"x")


def test_folders_are_read_recursively_in_the_order_of_paths(fake):
    fake.post(3, stem="b/c/z")
    fake.post(2, stem="b/a", suffix=".json")
    fake.post(1, stem="a")
    assert [entry.path for entry in entries(fake)] == ["a.json.xz", "b/a.json", "b/c/z.json.xz"]
    assert all(entry.fields and len(entry.media.pictures) == 1 for entry in entries(fake))


def test_a_photo_is_found_by_the_stem(fake):
    carousel(fake, is_videos=(False,), files=["a.webp", "a.png", "a.jpg", "ab.jpg", "a_profile_pic.jpg"])
    assert pictures(fake) == ["a.jpg"]


@pytest.mark.parametrize("name", ["a.jpeg", "a.JPG", "a.png", "a.webp", "a_1.jpg"])
def test_a_photo_may_have_another_suffix(fake, name):
    carousel(fake, is_videos=(False,), files=[name])
    assert pictures(fake) == [name]


@pytest.mark.fault("M18")
@pytest.mark.parametrize("name", ["a.heic", "a.HEIC", "a.avif", "a_1.heic", "a.gif", "a.jfif"])
def test_a_photo_may_bear_the_name_of_any_format(fake, name):
    carousel(fake, is_videos=(False,), files=[name])
    assert pictures(fake) == [name]


def test_a_carousel_is_in_the_order_of_its_numbers(fake):
    carousel(fake, is_videos=(False,) * 11, files=["a_10.jpg", "a_2.jpg", "a_1.jpg", "a_11.webp", "a_12.jpg"])
    assert pictures(fake) == ["a_1.jpg", "a_2.jpg", "a_10.jpg", "a_11.webp"]


def test_the_videos_of_a_carousel_and_their_covers_are_skipped(fake):
    carousel(fake, is_videos=(False, True, False), files=["a_1.jpg", "a_2.jpg", "a_2.mp4", "a_3.jpg"])
    assert pictures(fake) == ["a_1.jpg", "a_3.jpg"]


def test_a_stem_that_is_another_posts_is_not_taken(fake):
    carousel(fake, files=["a_1.jpg", "a_2.jpg"])
    fake.json("a_2.json", instaloader_json(graphql_node(2)))
    assert pictures(fake) == ["a_1.jpg"]
    assert pictures(fake, "a_2.json") == ["a_2.jpg"]


def test_stems_that_differ_in_case_only_are_two(fake):
    carousel(fake, is_videos=(False,), stem="Bvz", files=["bvz.jpg"])
    assert pictures(fake, "Bvz.json") == []


def test_of_a_carousel_saved_as_one_picture_that_one_is_taken(fake):
    carousel(fake, files=["a.jpg"])
    assert pictures(fake) == ["a.jpg"]


def test_where_the_file_does_not_say_its_media_the_photos_beside_it_are_taken(fake):
    fake.json("a.json", instaloader_json(graphql_node(__typename="GraphSidecar")))
    for name in ("a_1.jpg", "a_2.jpg", "a_2.mp4", "a_3.png"):
        fake.file(name, b"x")
    assert pictures(fake) == ["a_1.jpg", "a_3.png"]


@pytest.mark.parametrize(("files", "has_video"), [([], False), (["a.mp4"], True), (["a.jpg"], True)])
def test_a_video_has_no_photo(fake, files, has_video):
    carousel(fake, is_videos=(True,), files=files)
    (entry,) = entries(fake)
    assert (entry.media.pictures, entry.media.has_video) == ((), has_video)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.json", b'{"node": {', "truncated_file"),
        ("a.json", b"", "truncated_file"),
        ("a.json", b"<html>", "not_json"),
        ("a.json", b'{"type": "FeatureCollection", "features": []}', "not_instaloader"),
        ("a_comments.json", b'[{"id": 1, "text": "x"}]', "not_a_post"),
        ("a.json.xz", b"{}", "not_json"),
    ],
)
def test_what_is_no_post_has_a_reason(fake, name, data, reason):
    fake.file(name, data)
    assert [(entry.fields, entry.reason) for entry in entries(fake)] == [(None, reason)]


def test_links_are_not_followed(fake, tmp_path):
    outside = FakeArchive(tmp_path / "outside")
    secret = outside.post(1, stem="secret")
    (fake.folder / "a.json.xz").symlink_to(secret)
    (fake.folder / "linked").symlink_to(outside.folder)
    fake.post(2, stem="b", pictures=0)
    (fake.folder / "b.jpg").symlink_to(outside.folder / "secret.jpg")
    assert [(entry.path, entry.reason, entry.media.pictures) for entry in entries(fake)] == [
        ("a.json.xz", "not_a_regular_file", ()),
        ("b.json.xz", "", ()),
    ]


def test_the_digest_changes_with_any_file_and_only_then(fake):
    path = fake.post(1)
    digest = Archive.scan(fake.folder).digest
    assert Archive.scan(fake.folder).digest == digest
    picture = fake.file("new.jpg", b"x")
    with_picture = Archive.scan(fake.folder).digest
    os.utime(path, ns=(1, 1))
    touched = Archive.scan(fake.folder).digest
    picture.rename(fake.folder / "other.jpg")
    assert len({digest, with_picture, touched, Archive.scan(fake.folder).digest}) == 4


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.touch()])
def test_an_empty_or_missing_folder_is_reported_with_what_to_do(tmp_path, make):
    make(tmp_path / "nothing")
    with pytest.raises(StageError, match=r"cities\.yaml"):
        Archive.scan(tmp_path / "nothing")


def test_the_recorded_files_are_four_posts(shared_data):
    read = {entry.path: entry for entry in Archive.scan(shared_data / "instagram" / "instaloader_posts").entries()}
    assert {path: (e.fields.media_id, str(e.fields.taken_utc), e.fields.owner) for path, e in read.items()} == {
        "2019-04-03_16-43-25_UTC.json": ("2014000000000000001", "2019-04-03 16:43:25+00:00", "0"),
        "2019-04-03_19-50-53_UTC.json.xz": ("2014000000000000003", "2019-04-03 19:50:53+00:00", "0"),
        "2019-04-03_21-32-36_UTC.json": ("2014000000000000002", "2019-04-03 21:32:36+00:00", "0"),
        "2023-05-24_11-28-06_UTC.json.xz": ("2014000000000000009", "2023-05-24 11:28:06+00:00", "0"),
    }
    places = [entry.fields.location for entry in read.values()]
    assert [(place.location_id, place.name, place.coordinates) for place in places] == [
        ("212928653", "Miami Beach, Florida", (25.813, -80.1341)),
        ("212988663", "New York, New York", (40.7142, -74.0064)),
        ("213445472", "Laguna Beach, California", (33.5315, -117.769)),
        ("213281320", "Dubai, United Arab Emirates", None),
    ]
    assert [entry.fields.is_videos for entry in read.values()] == [
        (False,),
        (False,) * 9 + (True,),
        (False,) * 7,
        (True,),
    ]
    assert all(entry.media.pictures == () and not entry.media.has_video for entry in read.values())


def page(*media) -> dict:
    """A sections page of these media, as a person saves it from the browser."""
    sections = [{"layout_content": {"medias": [{"media": one}]}} for one in media]
    return {"data": {"name": "x", "recent": {"sections": sections, "more_available": True}}}


def api_media(number: int, **changes) -> dict:
    """A good media of the API; its shortcode is Cbb00000<number>."""
    return {**iphone_node(number)["iphone_struct"], **changes}


def test_a_saved_page_gives_one_entry_per_media_in_its_order(fake):
    fake.json("b.json", page(api_media(2), api_media(1), {"code": "x"}, None))
    fake.post(3, stem="a")
    read = entries(fake)
    assert len(Archive.scan(fake.folder)) == 2
    assert [(entry.path, entry.fields and entry.fields.media_id, entry.reason) for entry in read] == [
        ("a.json.xz", media_id(3), ""),
        ("b.json#1", media_id(2), ""),
        ("b.json#2", media_id(1), ""),
        ("b.json#3", None, "unknown_media_type"),
        ("b.json#4", None, "not_a_post"),
    ]


def test_a_page_is_read_packed_too(fake):
    fake.json("b.json.xz", {"graphql": {"hashtag": {"edge_hashtag_to_media": {"edges": [{"node": graphql_node(1)}]}}}})
    assert [entry.path for entry in entries(fake)] == ["b.json.xz#1"]


def test_the_media_of_a_page_are_found_by_the_shortcode(fake):
    parts = [{"media_type": kind, "image_versions2": {"candidates": [{"url": "u"}]}} for kind in (1, 2, 1)]
    fake.json("page.json", page(api_media(1), api_media(2, media_type=8, carousel_media=parts), api_media(3)))
    for name in ("Cbb000001.jpg", "Cbb000002_1.jpg", "Cbb000002_2.jpg", "Cbb000002_3.webp", "page.jpg", "page_1.jpg"):
        fake.file(name, b"x")
    read = [[picture.name for picture in entry.media.pictures] for entry in entries(fake)]
    assert read == [["Cbb000001.jpg"], ["Cbb000002_1.jpg", "Cbb000002_3.webp"], []]


@pytest.mark.fault("I17")
@pytest.mark.parametrize("code", ["../secret", "/etc/passwd", "a/b", "x" * 400, "cbb000001"])
def test_a_shortcode_leads_out_of_no_folder_and_its_case_counts(tmp_path, code):
    fake = FakeArchive(tmp_path / "archive" / "deeper")
    FakeArchive(tmp_path / "archive").file("secret.jpg", b"x")
    fake.file("Cbb000001.jpg", b"x")
    fake.json("page.json", page(api_media(1, code=code)))
    assert [entry.media.pictures for entry in entries(fake)] == [()]


@pytest.mark.parametrize(
    ("name", "num_posts", "num_places"),
    [("ig_hashtag_sections_2022.json", 33, 5), ("ig_hashtag_graphql_2022.json", 76, 0)],
)
def test_the_recorded_pages_are_archives(shared_data, tmp_path, name, num_posts, num_places):
    fake = FakeArchive(tmp_path / "archive")
    fake.file(name, (shared_data / "instagram" / name).read_bytes())
    read = entries(fake)
    assert [entry.path for entry in read] == [f"{name}#{number}" for number in range(1, num_posts + 1)]
    assert all(entry.fields for entry in read)
    assert sum(entry.fields.location is not None for entry in read) == num_places


def test_a_recorded_post_is_read_to_the_letter(shared_data, tmp_path):
    fake = FakeArchive(tmp_path / "archive")
    fake.file("p.json", (shared_data / "instagram" / "ig_hashtag_sections_2022.json").read_bytes())
    (post,) = [entry.fields for entry in entries(fake) if entry.fields.media_id == "2800000000000000014"]
    assert post.caption.startswith("Understanding FastAPI\n\nA Thread")
    assert "Follow <USER>" in post.caption
    assert replace(post, caption="") == PostFields(
        media_id="2800000000000000014",
        owner="0",
        owner_names=("0", "@redacted"),
        is_private=False,
        taken_utc=datetime(2022, 3, 28, 9, 47, 53, tzinfo=UTC),
        caption="",
        is_videos=(False,) * 5,
        location=LocationStub(location_id="213572516", name="Pune, Maharashtra", coordinates=(18.5203, 73.8567)),
        coordinates=(18.5203, 73.8567),
    )


@pytest.mark.fault("S22")
def test_folders_and_files_may_have_any_name_also_one_that_is_no_text(tmp_path):
    fake = FakeArchive(tmp_path / "a\\b [x]%2F{y}*?#")
    for number, stem in enumerate(["a [1]", "b%20c", "d\udcffe", "f\\g"], start=1):
        fake.post(number, stem=f"{stem}/{stem}")
    assert [len(entry.media.pictures) for entry in Archive.scan(fake.folder).entries()] == [1] * 4
