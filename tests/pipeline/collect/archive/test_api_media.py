"""A media of the API: three shapes, one post; whatever its values are it gives a post or a reason."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.collect.archive.api_media import ApiPost, api_post
from pipeline.collect.archive.fields import LocationStub, PostFields, post_fields
from pipeline.collect.archive.json_files import UnreadableFile
from tests.fakes.archive import TAKEN_UTC, graphql_node, instaloader_json, iphone_node, media_id

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLACE = LocationStub(location_id="212928653", name="Old Lighthouse", coordinates=(12.0, -30.0))


def versions(name: str, *sides: tuple[int, int]) -> dict:
    """The sizes of a picture, as the API states them."""
    return {"candidates": [{"width": w, "height": h, "url": f"https://x.invalid/{name}_{w}.jpg"} for w, h in sides]}


def iphone_media(number: int = 1, **changes) -> dict:
    """A good photo of the iPhone API, then `changes`; None takes a field out."""
    media = {
        "pk": int(media_id(number)),
        "id": f"{media_id(number)}_77001",
        "code": f"Cbb{number:06d}",
        "media_type": 1,
        "taken_at": int(TAKEN_UTC.timestamp()) + number,
        "image_versions2": versions("a", (640, 480), (320, 240)),
        "caption": {"text": "a fine morning at the harbour #harbour #morning", "pk": 1},
        "user": {"pk": 77001, "username": "Anna", "full_name": "Anna A", "is_private": False},
        "location": {"pk": 212928653, "name": "Old Lighthouse", "lat": 12.0, "lng": -30.0},
        **changes,
    }
    return {name: value for name, value in media.items() if value is not None}


def xdt_node(**changes) -> dict:
    """A node of the page of 2026: like the iPhone API's media with ids as text and much left out."""
    read = iphone_media(**{"pk": media_id(1), "__typename": "XDTMediaDict", "lat": None, **changes})
    read["user"] = changes.get("user", {"pk": "77001", "id": "77001", "username": "Anna"})
    return read


def part(kind: int, name: str) -> dict:
    return {"media_type": kind, "image_versions2": versions(name, (640, 480))}


def reason(media: object) -> str:
    with pytest.raises(UnreadableFile) as caught:
        api_post(media, NOW)
    return caught.value.reason


def test_a_photo_of_the_iphone_api():
    assert api_post(iphone_media(), NOW) == ApiPost(
        fields=PostFields(
            media_id=media_id(1),
            owner="77001",
            owner_names=("77001", "@anna"),
            is_private=False,
            taken_utc=TAKEN_UTC + timedelta(seconds=1),
            caption="a fine morning at the harbour #harbour #morning",
            is_videos=(False,),
            location=PLACE,
            coordinates=(12.0, -30.0),
        ),
        pictures=("https://x.invalid/a_640.jpg",),
        is_private=False,
    )


@pytest.mark.parametrize("media", [xdt_node(), graphql_node(owner={"id": "77001", "username": "Anna"})])
def test_the_other_shapes_give_the_same_post(media):
    assert api_post(media, NOW).fields == api_post(iphone_media(), NOW).fields


@pytest.mark.parametrize("node", [graphql_node, iphone_node])
@pytest.mark.parametrize("is_videos", [(False,), (True,), (False, True, False)])
def test_a_post_is_the_same_from_a_page_and_from_instaloaders_file(node, is_videos):
    read = node(is_videos=is_videos)
    media = read.get("iphone_struct", read)
    assert api_post(media, NOW).fields == post_fields(instaloader_json(read), NOW)


@pytest.mark.fault("I11")
@pytest.mark.parametrize(
    ("media", "expected", "is_videos"),
    [
        pytest.param(iphone_media(), ["a_640"], (False,), id="photo"),
        pytest.param(iphone_media(media_type=2), [], (True,), id="video, whose picture is its cover"),
        pytest.param(iphone_media(media_type=2, product_type="clips"), [], (True,), id="reel"),
        pytest.param(
            iphone_media(media_type=8, carousel_media=[part(1, "p"), part(2, "q"), part(1, "r")]),
            ["p_640", "r_640"],
            (False, True, False),
            id="carousel of photos and a video",
        ),
        pytest.param(
            iphone_media(media_type=8, carousel_media=[part(2, "p"), part(2, "q")]),
            [],
            (True, True),
            id="of videos",
        ),
        pytest.param(
            iphone_media(media_type=8, carousel_media=[part(1, f"p{n}") for n in range(10)]),
            [f"p{n}_640" for n in range(10)],
            (False,) * 10,
            id="of ten",
        ),
        pytest.param(
            iphone_media(media_type=8, carousel_media=[part(1, "p"), part(19, "q"), "x", None]),
            ["p_640"],
            (False, True),
            id="with a part of a later kind",
        ),
        pytest.param(iphone_media(media_type=8), ["a_640"], None, id="carousel without its parts: the cover"),
        pytest.param(
            iphone_media(media_type=None, carousel_media=[part(1, "p"), part(1, "q")]),
            ["p_640", "q_640"],
            (False, False),
            id="carousel that does not name its kind",
        ),
        pytest.param(
            iphone_media(media_type=None, video_versions=[{"url": "x"}]),
            [],
            (True,),
            id="video that does not name its kind",
        ),
        pytest.param(iphone_media(media_type="1"), ["a_640"], (False,), id="kind as text"),
    ],
)
def test_the_photos_are_reported_in_their_order_and_no_video(media, expected, is_videos):
    read = api_post(media, NOW)
    assert read.pictures == tuple(f"https://x.invalid/{name}.jpg" for name in expected)
    assert read.fields.is_videos == is_videos


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        pytest.param(versions("a", (100, 100), (300, 200), (200, 200)), "https://x.invalid/a_300.jpg", id="largest"),
        pytest.param({"candidates": [{"url": "u1"}, {"url": "u2"}]}, "u1", id="no sizes: the first"),
        pytest.param(
            {"candidates": [{"url": "u1", "width": "9", "height": None}, {"url": "u2"}]}, "u1", id="odd sizes"
        ),
        pytest.param({"candidates": [{"url": None}, {"url": 5}, "x", {"url": "u3"}]}, "u3", id="addresses are text"),
        pytest.param({"candidates": {}}, None, id="no list"),
        pytest.param({"candidates": []}, None, id="none"),
        pytest.param(None, None, id="nothing"),
    ],
)
def test_the_largest_picture_is_taken(read, expected):
    assert api_post(iphone_media(image_versions2=read), NOW).pictures == ((expected,) if expected else ())


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        pytest.param(graphql_node(), ("https://x.invalid/a.jpg",), id="photo"),
        pytest.param(graphql_node(is_videos=(True,)), (), id="video"),
        pytest.param(
            graphql_node(is_videos=(False, True, False)),
            ("https://x.invalid/0.jpg", "https://x.invalid/2.jpg"),
            id="carousel",
        ),
        pytest.param(
            graphql_node(__typename="GraphSidecar"), ("https://x.invalid/a.jpg",), id="carousel without its parts"
        ),
        pytest.param(graphql_node(__typename="XDTGraphVideo", is_video=True), (), id="the later name of a kind"),
        pytest.param(graphql_node(__typename=None), ("https://x.invalid/a.jpg",), id="without its kind"),
        pytest.param(graphql_node(display_url=7), (), id="an address that is none"),
    ],
)
def test_the_photos_of_a_graphql_node(node, expected):
    assert api_post(node, NOW).pictures == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"pk": 2014000000000000001}, "2014000000000000001", id="number"),
        pytest.param({"pk": "2014000000000000001"}, "2014000000000000001", id="text"),
        pytest.param({"pk": "2014000000000000001_77001"}, "2014000000000000001", id="with its owner"),
        pytest.param({"pk": None, "id": "2014000000000000001_77001"}, "2014000000000000001", id="in id only"),
    ],
)
def test_an_id_is_text_whatever_the_page_makes_of_it(changes, expected):
    assert api_post(iphone_media(**changes), NOW).fields.media_id == expected


@pytest.mark.fault("I16")
@pytest.mark.parametrize(
    ("location", "expected"),
    [
        pytest.param(None, None, id="none"),
        pytest.param({}, None, id="empty"),
        pytest.param(
            {"pk": "5", "name": "X"},
            LocationStub(location_id="5", name="X", coordinates=None),
            id="no coordinates",
        ),
        pytest.param(
            {"pk": 5, "id": 5, "name": None, "lat": None, "lng": None},
            LocationStub(location_id="5", name="", coordinates=None),
            id="nulls",
        ),
    ],
)
def test_a_place_may_be_missing_or_have_no_coordinates(location, expected):
    fields = api_post({**iphone_media(), "location": location}, NOW).fields
    assert (fields.location, fields.coordinates) == (expected, None)


@pytest.mark.fault("I13")
@pytest.mark.parametrize(
    ("caption", "expected"),
    [(None, ""), ({}, ""), ({"text": None}, ""), ({"text": "hi @anna"}, "hi <USER>"), ("plain", "plain"), (["x"], "")],
)
def test_a_caption_may_be_missing_or_of_another_shape(caption, expected):
    assert api_post({**iphone_media(), "caption": caption}, NOW).fields.caption == expected


@pytest.mark.fault("I15")
@pytest.mark.parametrize("taken", [0, -5, int(TAKEN_UTC.timestamp()) * 1000, int(NOW.timestamp()) + 90_000, None])
@pytest.mark.parametrize("likes", [None, -1, "hidden"])
def test_a_time_that_cannot_be_is_none_and_likes_are_not_looked_at(taken, likes):
    media = {**iphone_media(), "taken_at": taken, "like_count": likes}
    assert api_post(media, NOW).fields.taken_utc is None


@pytest.mark.parametrize(
    ("user", "owner", "names"),
    [
        ({"pk": 7, "id": "7", "username": "Anna"}, "7", ("7", "@anna")),
        ({"pk": "7", "id": "8"}, "8", ("8", "7")),
        ({"username": " Anna "}, "@anna", ("@anna",)),
    ],
)
def test_an_account_is_known_by_all_its_names(user, owner, names):
    fields = api_post(iphone_media(user=user), NOW).fields
    assert (fields.owner, fields.owner_names) == (owner, names)


@pytest.mark.parametrize(
    ("media", "expected"),
    [
        pytest.param(iphone_media(), False, id="public"),
        pytest.param(iphone_media(user={"pk": 7, "username": "a", "is_private": True}), True, id="private"),
        pytest.param(iphone_media(user={"pk": 7}), False, id="not stated"),
        pytest.param(graphql_node(owner={"id": "7", "is_private": True}), True, id="owner of a GraphQL node"),
        pytest.param(iphone_media(user=None, owner={"pk": 7, "is_private": True}), True, id="owner"),
    ],
)
def test_a_private_account_is_reported(media, expected):
    read = api_post(media, NOW)
    assert (read.is_private, read.fields.is_private) == (expected, expected)


@pytest.mark.parametrize(
    ("media", "expected"),
    [
        pytest.param(iphone_media(media_type=19), "unknown_media_type", id="a later kind"),
        pytest.param(iphone_media(media_type=True), "unknown_media_type", id="kind of another type"),
        pytest.param(iphone_media(media_type=None, image_versions2=None), "unknown_media_type", id="nothing to show"),
        pytest.param(graphql_node(__typename="GraphStory"), "unknown_media_type", id="a later GraphQL kind"),
        pytest.param(iphone_media(user=None), "no_owner", id="nobody"),
        pytest.param(iphone_media(user={"full_name": "Anna"}), "no_owner", id="neither id nor name"),
        pytest.param(graphql_node(owner=None), "no_owner", id="nobody's node"),
        pytest.param(iphone_media(code=None), "bad_media_id", id="no shortcode"),
        pytest.param(iphone_media(pk="../x", id=None), "bad_media_id", id="an id that is none"),
        pytest.param(iphone_media(pk=[1], id=None), "bad_media_id", id="an id of another type"),
        pytest.param(None, "not_a_post", id="null"),
        pytest.param([], "not_a_post", id="list"),
        pytest.param({}, "unknown_media_type", id="empty"),
    ],
)
def test_what_is_no_post_has_a_reason(media, expected):
    assert reason(media) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
WHOLE = iphone_media(media_type=8, carousel_media=[part(1, "p"), part(2, "q")], lat=1.0, lng=1.0)


@pytest.mark.parametrize("good", [WHOLE, graphql_node(is_videos=(False, True))], ids=["iphone", "graphql"])
@given(data=st.data())
def test_any_value_in_any_field_gives_a_post_or_a_reason(good, data):
    name, value = data.draw(st.sampled_from(sorted(good))), data.draw(JSON)
    try:
        read = api_post({**good, name: value}, NOW)
    except UnreadableFile:
        return
    read.fields.caption.encode()
    assert all(isinstance(address, str) for address in read.pictures)


def test_only_the_allowed_fields_leave_a_media_of_sixty():
    foreign = {f"field_{n}": f"canary_{n}" for n in range(60)}
    user = {"pk": 7, "username": "anna", "full_name": "canary_name", "biography": "canary_bio", "is_private": False}
    media = iphone_media(
        **foreign,
        user=user,
        accessibility_caption="canary_seen",
        usertags={"in": [{"user": "canary_tagged"}]},
        preview_comments=[{"text": "canary_comment"}],
        title="canary_title",
        coauthor_producers=[{"pk": 8, "username": "ben", "full_name": "canary_coauthor"}],
        location={"pk": 5, "name": "X", "address": "canary_address", "phone": "canary_phone"},
        music_metadata={"x": "canary_music"},
        video_versions=[{"url": "canary_video"}],
        likers=["canary_liker"],
    )
    node = graphql_node(**foreign, owner={"id": "7", "full_name": "canary_name"}, accessibility_caption="canary_seen")
    for read in (api_post(media, NOW), api_post(node, NOW)):
        assert "canary" not in repr(read)


def recorded(shared_data, name: str) -> list[ApiPost]:
    page = json.loads((shared_data / "instagram" / name).read_text())
    return [api_post(media, NOW) for media in medias(page)]


def medias(value: object):
    """Every media of a recorded page, wherever it stands."""
    if isinstance(value, dict):
        for name in ("media", "node"):
            if isinstance(value.get(name), dict) and "taken_at" in "".join(value[name]):
                yield value[name]
        for inner in value.values():
            yield from medias(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from medias(inner)


def test_the_recorded_sections_are_33_posts(shared_data):
    read = recorded(shared_data, "ig_hashtag_sections_2022.json")
    assert len({post.fields.media_id for post in read}) == 33
    assert sum(post.fields.is_videos == (True,) for post in read) == 4
    assert sum(len(post.fields.is_videos) > 1 for post in read) == 11
    photos = [sum(not is_video for is_video in post.fields.is_videos) for post in read]
    assert [len(post.pictures) for post in read] == photos
    assert all(address.startswith("https://") for post in read for address in post.pictures)


def test_the_recorded_graphql_nodes_are_76_posts(shared_data):
    read = recorded(shared_data, "ig_hashtag_graphql_2022.json")
    assert len(read) == 76
    assert sum(not post.pictures for post in read) == 8
    assert {post.fields.location for post in read} == {None}
