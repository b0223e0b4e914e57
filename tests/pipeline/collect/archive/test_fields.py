"""The allow-list: every era's file gives the same fields, and everything odd a reason."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.collect.archive.fields import LocationStub, NotInFileError, OfflineContext, PostFields, post_fields
from pipeline.collect.archive.json_files import UnreadableFile
from tests.fakes.archive import TAKEN_UTC, graphql_node, instaloader_json, iphone_node, media_id

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLACE = LocationStub(location_id="212928653", name="Old Lighthouse", coordinates=(12.0, -30.0))


def fields(structure) -> PostFields:
    return post_fields(structure, NOW)


def post(**changes) -> PostFields:
    return fields(instaloader_json(graphql_node(**changes)))


def reason(structure) -> str:
    with pytest.raises(UnreadableFile) as caught:
        fields(structure)
    return caught.value.reason


def test_a_graphql_post():
    assert post() == PostFields(
        media_id=media_id(1),
        owner="77001",
        owner_names=("77001", "@anna"),
        is_private=False,
        taken_utc=TAKEN_UTC + timedelta(seconds=1),
        caption="a fine morning at the harbour #harbour #morning",
        is_videos=(False,),
        location=PLACE,
        coordinates=(12.0, -30.0),
    )


def test_an_iphone_post_reports_its_own_coordinates():
    read = fields(instaloader_json(iphone_node()))
    assert read.coordinates == (12.001, -30.001)
    assert read.location == PLACE
    assert (read.media_id, read.owner, read.is_videos) == (media_id(1), "77001", (False,))


@pytest.mark.parametrize("node", [graphql_node, iphone_node])
def test_a_carousel_reports_which_of_its_media_are_videos(node):
    assert fields(instaloader_json(node(is_videos=(False, True, False)))).is_videos == (False, True, False)


@pytest.mark.parametrize("node", [graphql_node, iphone_node])
def test_a_video_is_one(node):
    assert fields(instaloader_json(node(is_videos=(True,)))).is_videos == (True,)


def test_a_sidecar_without_its_children_does_not_ask_instagram():
    assert post(__typename="GraphSidecar").is_videos is None
    assert post(__typename=None).is_videos is None


def test_instaloader_has_no_road_to_the_network():
    with pytest.raises(NotInFileError):
        OfflineContext().get_json("path", {})


@pytest.mark.fault("I13")
@pytest.mark.parametrize("node", [graphql_node, iphone_node])
def test_a_post_without_a_caption_has_an_empty_one(node):
    assert fields(instaloader_json(node(caption=None))).caption == ""


def test_a_caption_is_scrubbed_before_it_leaves_the_parser():
    assert post(caption="with @anna, https://anna.de").caption == "with <USER>, <URL>"


def test_a_monstrous_caption_is_cut():
    assert len(post(caption="x" * 1_000_000).caption) == 10_000


@pytest.mark.fault("I15")
@pytest.mark.parametrize(
    "taken",
    [0, -5, int(TAKEN_UTC.timestamp()) * 1000, int(NOW.timestamp()) + 90_000, "soon", None, True, 1e400, float("nan")],
    ids=["zero", "negative", "milliseconds", "future", "text", "missing", "bool", "infinite", "nan"],
)
def test_a_time_that_cannot_be_is_none(taken):
    assert post(taken_at_timestamp=taken).taken_utc is None


@pytest.mark.fault("I15")
@pytest.mark.parametrize("taken", [1622550600, "1622550600", 1622550600.9])
def test_a_time_is_utc(taken):
    assert post(taken_at_timestamp=taken).taken_utc == datetime(2021, 6, 1, 12, 30, tzinfo=UTC)


@pytest.mark.fault("I17")
@pytest.mark.parametrize(
    "read",
    ["../../../etc", "a/b/c/d/e", "x" * 400, "1234", "", None, True, 12.5, ["12345"], "12345\n", "１２３４５"],
)
def test_a_media_id_of_another_shape_is_refused(read):
    assert reason(instaloader_json(graphql_node(id=read))) == "bad_media_id"


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (2014000000000000001, "2014000000000000001"),
        ("2014000000000000001_77001", "2014000000000000001"),
        ("Bvz_Kl-RRowAB", "Bvz_Kl-RRowAB"),
    ],
)
def test_a_media_id_is_text_without_its_owner(read, expected):
    assert post(id=read).media_id == expected


@pytest.mark.parametrize(
    ("owner", "expected"),
    [({"id": 7}, "7"), ({"id": "7", "username": "Anna"}, "7"), ({"username": "Anna"}, "@anna"), ({"pk": 9}, "9")],
)
def test_the_owner_is_the_id_else_the_name(owner, expected):
    assert post(owner=owner).owner == expected


def test_an_account_is_known_by_all_its_names_ids_first():
    read = post(owner={"id": 7, "username": "Anna"}, user={"pk": "8", "username": "anna"})
    assert read.owner_names == ("7", "8", "@anna")


@pytest.mark.parametrize(("read", "expected"), [(True, True), (False, False), (None, False), ("true", False)])
def test_a_private_account_is_reported(read, expected):
    assert post(owner={"id": 7, "is_private": read}).is_private is expected


@pytest.mark.parametrize("owner", [None, {}, {"id": None}, {"username": " "}, "anna", []])
def test_a_post_of_nobody_is_refused(owner):
    assert reason(instaloader_json(graphql_node(owner=owner))) == "no_owner"


@pytest.mark.fault("I16")
@pytest.mark.parametrize(
    ("location", "expected"),
    [
        pytest.param(None, None, id="none"),
        pytest.param({"name": "no id"}, None, id="without an id"),
        pytest.param({"id": "../x", "name": "y"}, None, id="an id that is none"),
        pytest.param("Paris", None, id="text"),
        pytest.param({"id": "5", "name": "X"}, LocationStub(location_id="5", name="X", coordinates=None), id="stub"),
        pytest.param(
            {"id": 5, "name": "X", "lat": 0, "lng": 0},
            LocationStub(location_id="5", name="X", coordinates=None),
            id="null island",
        ),
        pytest.param(
            {"pk": 5, "name": "a\0\u202eb", "lat": 91, "lng": 0},
            LocationStub(location_id="5", name="ab", coordinates=None),
            id="hostile name, latitude 91",
        ),
        pytest.param(
            {"id": "5", "name": "X", "lat": "1,5", "lng": "2° W"},
            LocationStub(location_id="5", name="X", coordinates=(1.5, -2.0)),
            id="coordinates as text",
            marks=pytest.mark.fault("P27"),
        ),
        pytest.param(
            {"id": "5", "lat": 1.5, "lng": 2},
            LocationStub(location_id="5", name="", coordinates=(1.5, 2.0)),
            id="without a name",
        ),
    ],
)
def test_the_place_is_read_from_the_file(location, expected):
    assert post(location=location).location == expected


@pytest.mark.fault("P24")
@pytest.mark.parametrize(
    ("second", "expected"),
    [
        pytest.param({"pk": 5, "name": "Y", "lat": 1.5, "lng": 2}, (1.5, 2.0), id="the same place"),
        pytest.param({"pk": 6, "name": "Y", "lat": 1.5, "lng": 2}, None, id="another place"),
        pytest.param(None, None, id="none"),
    ],
)
def test_coordinates_that_the_first_statement_of_a_place_leaves_out_are_in_the_second(second, expected):
    read = post(location={"id": "5", "name": "X"}, iphone_struct={"location": second}).location
    assert read == LocationStub(location_id="5", name="X", coordinates=expected)


@pytest.mark.parametrize(
    ("structure", "expected"),
    [
        pytest.param(instaloader_json({"id": "1", "username": "x"}, "Profile"), "not_a_post", id="profile"),
        pytest.param(instaloader_json({"id": "1"}, "StoryItem"), "not_a_post", id="story"),
        pytest.param(instaloader_json({"name": "x"}, "Hashtag"), "not_a_post", id="hashtag"),
        pytest.param(instaloader_json({"query_hash": "x"}, "FrozenNodeIterator"), "not_a_post", id="iterator"),
        pytest.param(instaloader_json({}, "Something"), "not_a_post", id="a later kind"),
        pytest.param({"results": []}, "not_instaloader", id="another program"),
        pytest.param({"node": 1, "instaloader": 2}, "not_instaloader", id="alike"),
        pytest.param([1, 2], "not_instaloader", id="list"),
        pytest.param("text", "not_instaloader", id="text"),
        pytest.param({"shortcode": "x", "date_utc": "2017-01-01"}, "instaloader_v3", id="Instaloader 3"),
        pytest.param(instaloader_json({"id": "12345"}), "bad_media_id", id="node without a shortcode"),
    ],
)
def test_what_is_no_post_has_a_reason(structure, expected):
    assert reason(structure) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(graphql_node(is_videos=(False, True)))), JSON)
def test_any_value_in_any_field_gives_a_post_or_a_reason(name, value):
    try:
        read = fields(instaloader_json({**graphql_node(is_videos=(False, True)), name: value}))
    except UnreadableFile:
        return
    read.caption.encode()


def test_recorded_pages_of_the_iphone_api_are_posts(shared_data):
    from instaloader import InstaloaderContext, Post, get_json_structure

    page = json.loads((shared_data / "instagram" / "ig_hashtag_sections_2022.json").read_text())
    media = list(medias(page))
    context = InstaloaderContext(quiet=True)
    read = [fields(get_json_structure(Post.from_iphone_struct(context, item))) for item in media]
    assert len({post.media_id for post in read}) == 33
    assert sum(len(post.is_videos) > 1 for post in read) == 11
    assert {post.location.location_id: post.coordinates for post in read if post.location} == {
        "358445924": (19.18234, 72.98095),
        "389983831": (40.0, -100.0),
        "213572516": (18.5203, 73.8567),
        "212941492": (25.7751, -80.1936),
        "567041712": (-11.0, -53.0),
    }


def medias(value):
    """Every media of a page, wherever it stands."""
    if isinstance(value, dict):
        if isinstance(value.get("media"), dict):
            yield value["media"]
        for inner in value.values():
            yield from medias(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from medias(inner)
