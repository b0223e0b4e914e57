"""The endpoints over a place's posts: all posts once in order, cursors as given, and every unknown shape is said."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.collect.archive.fields import LocationStub
from pipeline.collect.instagram.endpoints import (
    ENDPOINTS,
    Endpoint,
    InstaloaderEndpoint,
    PageEndpoint,
    SectionsEndpoint,
)
from pipeline.collect.instagram.endpoints.endpoint import read_tab
from pipeline.collect.web.errors import BadResponseError, SourceChangedError
from tests.fakes.http_server import Answer
from tests.fakes.instagram_server import FakeInstagram
from tests.fakes.plain_client import PlainClient

PLACE = "212928653"
STUB = LocationStub(location_id=PLACE, name="Old Lighthouse", coordinates=(12.0, -30.0))
PAGED = [pytest.param(SectionsEndpoint(), id="sections"), pytest.param(InstaloaderEndpoint(), id="instaloader")]
EVERY = [*PAGED, pytest.param(PageEndpoint(), id="page")]
SOME = 30


@pytest.fixture
def instagram():
    with FakeInstagram() as instagram:
        yield instagram


def add_place(instagram: FakeInstagram, num_posts: int = SOME, **oddities: Any) -> PlainClient:
    """A place in the world, and a client to it."""
    instagram.world.add_location(PLACE, "Old Lighthouse", 12.0, -30.0, num_posts=num_posts, **oddities)
    return PlainClient(instagram)


def walk(
    endpoint: Endpoint, client: PlainClient, max_pages: int = 20
) -> tuple[list[int], list[dict[str, Any] | None]]:
    """The ids of all posts on all pages and the cursors."""
    page = endpoint.first(client, PLACE)
    pks, cursors = [int(media["pk"]) for media in page.medias], [page.cursor]
    while page.cursor is not None and len(cursors) < max_pages:
        cursor = json.loads(json.dumps(page.cursor))  # as it comes back from the disk
        page = endpoint.after(client, PLACE, cursor)
        pks += [int(media["pk"]) for media in page.medias]
        cursors.append(page.cursor)
    return pks, cursors


def reason_of(ask: Callable[[], object]) -> str:
    """The reason of the change of the source that `ask` meets."""
    with pytest.raises(SourceChangedError) as raised:
        ask()
    return raised.value.reason


def test_the_endpoints_are_tried_in_the_stated_order():
    assert [(endpoint.name, endpoint.needs_login) for endpoint in ENDPOINTS] == [
        ("sections", True),
        ("page", False),
        ("instaloader", True),
    ]


@pytest.mark.parametrize("endpoint", PAGED)
@pytest.mark.parametrize("num_posts", [0, 1, 23, 24, 25, 48, 100])
def test_pages_are_followed_to_the_end_and_every_post_comes_once_in_order(instagram, endpoint, num_posts):
    client = add_place(instagram, num_posts)
    pks, cursors = walk(endpoint, client)
    assert pks == instagram.world.shown(PLACE)
    assert len(cursors) == len(client.asked) == max(1, -(-num_posts // 24))
    assert instagram.world.wrong_cursors == []


@pytest.mark.parametrize("endpoint", PAGED)
def test_an_endpoint_that_is_resumed_from_a_cursor_goes_on_where_it_was(instagram, endpoint):
    client = add_place(instagram, 60)
    cursor = endpoint.first(client, PLACE).cursor
    pks = [media["pk"] for media in type(endpoint)().after(client, PLACE, cursor).medias]
    assert pks == instagram.world.shown(PLACE)[24:48]


def test_the_cursor_goes_back_as_it_came(instagram):
    client = add_place(instagram, 60)
    endpoint = SectionsEndpoint()
    first = endpoint.first(client, PLACE)
    endpoint.after(client, PLACE, first.cursor)
    form = instagram.seen("/sections/")[-1].form
    assert set(first.cursor) == {"page", "max_id", "next_media_ids"}
    assert form == {
        "tab": "recent",
        "surface": "grid",
        "page": str(first.cursor["page"]),
        "max_id": first.cursor["max_id"],
        "next_media_ids": json.dumps(first.cursor["next_media_ids"]),
    }


def test_requests_come_from_the_page_of_the_place(instagram):
    client = add_place(instagram, 60)
    SectionsEndpoint().after(client, PLACE, SectionsEndpoint().first(client, PLACE).cursor)
    assert {request.headers["Referer"] for request in instagram.seen("/api/")} == {
        f"{instagram.url}/explore/locations/{PLACE}/"
    }


@pytest.mark.parametrize("endpoint", EVERY)
def test_the_first_page_reports_the_place(instagram, endpoint):
    page = endpoint.first(add_place(instagram), PLACE)
    assert page.location == STUB
    assert len(page.medias) == 24


@pytest.mark.fault("I16")
@pytest.mark.parametrize("endpoint", EVERY)
def test_coordinates_that_stand_in_no_post_are_taken_from_the_place(instagram, endpoint):
    page = endpoint.first(add_place(instagram, coordinates_in_posts=False), PLACE)
    assert page.location == STUB
    assert not any("lat" in media["location"] for media in page.medias)


@pytest.mark.fault("I16")
@pytest.mark.parametrize("endpoint", EVERY)
def test_a_place_without_coordinates_is_reported_without(instagram, endpoint):
    page = endpoint.first(add_place(instagram, has_coordinates=False), PLACE)
    assert page.location is not None and page.location.coordinates is None


def test_the_page_is_open_to_visitors_and_has_no_next(instagram):
    add_place(instagram)
    client = PlainClient(instagram, is_signed_in=False)
    page = PageEndpoint().first(client, PLACE)
    assert [int(media["pk"]) for media in page.medias] == instagram.world.shown(PLACE)[:24]
    assert page.cursor is None
    assert reason_of(lambda: PageEndpoint().after(client, PLACE, {})) == "page_has_no_next"


@pytest.mark.parametrize("num_posts", [0, 5, 40])
def test_the_older_keys_of_the_page_are_read_too(instagram, num_posts):
    client = add_place(instagram, num_posts)
    instagram.world.page_era = "2026-05"
    page = PageEndpoint().first(client, PLACE)
    assert page.location == STUB
    assert [media["pk"] for media in page.medias] == instagram.world.shown(PLACE)[:24]


@pytest.mark.parametrize("endpoint", PAGED)
def test_posts_of_the_other_known_grid_are_taken(instagram, endpoint):
    client = add_place(instagram, other_grid=True)
    assert sorted(walk(endpoint, client)[0]) == sorted(instagram.world.shown(PLACE))


@pytest.mark.fault("I11")
@pytest.mark.parametrize("endpoint", PAGED)
def test_a_post_on_two_pages_is_handed_on_twice(instagram, endpoint):
    client = add_place(instagram, 40, pages_overlap=3)
    pks, _ = walk(endpoint, client)
    shown = instagram.world.shown(PLACE)
    assert pks == shown[:24] + shown[21:]


# what the source can change ------------------------------------------------------------------------------------------


@pytest.mark.fault("I3")
@pytest.mark.parametrize("status", [201, 404])
@pytest.mark.parametrize("endpoint", EVERY)
def test_a_status_that_is_none_of_success_is_a_change_of_the_source(instagram, endpoint, status):
    client = add_place(instagram)
    instagram.fail("", Answer(status=status), times=None)
    assert reason_of(lambda: endpoint.first(client, PLACE)) == f"status_{status}"


@pytest.mark.fault("I3")
def test_the_address_of_instaloader_answers_201(instagram):
    client = add_place(instagram)
    instagram.world.answers_201 = True
    assert reason_of(lambda: InstaloaderEndpoint().first(client, PLACE)) == "status_201"


@pytest.mark.fault("I3")
@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ("native_location_data", "no_native_location_data"),
        ("recent", "no_tab"),
        ("sections", "no_sections"),
        ("layout_content", "section_without_medias"),
        ("medias", "section_without_medias"),
        ("media", "entry_without_media"),
        ("more_available", "no_more_available"),
        ("next_max_id", "more_without_cursor"),
    ],
)
@pytest.mark.parametrize("endpoint", PAGED)
def test_an_answer_without_a_key_that_leads_to_posts_is_a_change_of_the_source(instagram, endpoint, missing, reason):
    client = add_place(instagram, missing={missing})
    assert reason_of(lambda: endpoint.first(client, PLACE)) == reason


@pytest.mark.fault("I3")
@pytest.mark.parametrize("endpoint", PAGED)
@pytest.mark.parametrize("page", [1, 2])
def test_an_empty_section_is_a_change_of_the_source_on_every_page(instagram, endpoint, page):
    client = add_place(instagram, empty_section_at={page})
    assert reason_of(lambda: walk(endpoint, client)) == "empty_section"


@pytest.mark.fault("I3")
def test_other_places_answer_while_one_has_changed(instagram):
    client = add_place(instagram, missing={"medias"})
    instagram.world.add_location("7", "Pier", 1.0, 2.0, num_posts=5)
    assert reason_of(lambda: SectionsEndpoint().first(client, PLACE)) == "section_without_medias"
    assert len(SectionsEndpoint().first(client, "7").medias) == 5


@pytest.mark.fault("I3")
@pytest.mark.parametrize(
    ("missing", "era", "reason"),
    [
        ((), "unknown", "no_grid_in_page"),
        (("xdt_location_get_web_info_tab",), "2026-09", "no_grid_in_page"),
        (("edges",), "2026-09", "no_edges"),
        (("node",), "2026-09", "edge_without_node"),
        (("sections",), "2026-05", "no_sections"),
        (("medias",), "2026-05", "section_without_medias"),
    ],
)
def test_a_page_without_the_known_keys_is_a_change_of_the_source(instagram, missing, era, reason):
    client = add_place(instagram, missing=missing)
    instagram.world.page_era = era
    assert reason_of(lambda: PageEndpoint().first(client, PLACE)) == reason


@pytest.mark.fault("I3")
@pytest.mark.parametrize(
    "body",
    [b"", b"<html></html>", b"<script", b"<script>" * 200_000, b"</script>" * 1000],
    ids=["empty", "no_data", "cut", "unclosed", "closed_only"],
)
def test_any_page_is_read_or_said_to_have_changed(instagram, body):
    client = add_place(instagram)
    instagram.fail("", Answer(body=body))
    assert reason_of(lambda: PageEndpoint().first(client, PLACE)) == "no_grid_in_page"


@pytest.mark.fault("I3")
def test_data_nested_without_end_in_a_page_is_a_bad_answer(instagram):
    client = add_place(instagram)
    deep = '{"xdt_location_get_web_info_tab":' + "[" * 200_000 + "]" * 200_000 + "}"
    instagram.fail("", Answer.html(f'<script type="application/json" data-sjs>{deep}</script>'))
    with pytest.raises(BadResponseError, match="nested_too_deep"):
        PageEndpoint().first(client, PLACE)


@pytest.mark.fault("I3")
@pytest.mark.parametrize("endpoint", PAGED)
def test_a_web_page_in_place_of_json_is_a_bad_answer(instagram, endpoint):
    client = add_place(instagram)
    instagram.fail("", Answer.html("<html></html>"))
    assert reason_of(lambda: endpoint.first(client, PLACE)) == "html"


@pytest.mark.fault("I3")
@pytest.mark.parametrize(
    ("tab", "reason"),
    [
        (None, "no_tab"),
        ([], "no_tab"),
        ({"sections": {}}, "no_sections"),
        ({"sections": [None]}, "section_without_medias"),
        ({"sections": [{"layout_content": []}]}, "section_without_medias"),
        ({"sections": [{"layout_content": {"medias": {"items": []}}}]}, "section_without_medias"),
        ({"sections": [{"layout_content": {"medias": []}}]}, "empty_section"),
        ({"sections": [{"layout_content": {"fill_items": [], "medias": []}}]}, "empty_section"),
        ({"sections": [{"layout_content": {"medias": [7]}}]}, "entry_without_media"),
        ({"sections": [], "more_available": "yes"}, "no_more_available"),
        ({"sections": [], "more_available": True, "next_max_id": ""}, "more_without_cursor"),
    ],
)
def test_a_tab_of_another_shape_is_a_change_of_the_source(tab, reason):
    assert reason_of(lambda: read_tab(tab)) == reason


@pytest.mark.parametrize(
    ("stated", "cursor"),
    [
        (
            {"next_max_id": 17, "next_page": 2, "next_media_ids": ["1"]},
            {"max_id": 17, "page": 2, "next_media_ids": ["1"]},
        ),
        ({"next_max_id": "a", "next_page": None}, {"max_id": "a"}),
        ({"next_max_id": "a", "next_page": 0, "next_media_ids": []}, {"max_id": "a", "page": 0, "next_media_ids": []}),
    ],
)
def test_a_cursor_holds_what_was_reported(stated, cursor):
    assert read_tab({"sections": [], "more_available": True, **stated}) == ((), cursor)
    assert read_tab({"sections": [], "more_available": False, **stated}) == ((), None)


# loops and empty pages -----------------------------------------------------------------------------------------------


@pytest.mark.fault("I4")
@pytest.mark.parametrize("endpoint", PAGED)
def test_a_page_that_repeats_its_cursor_reports_the_same_cursor_again(instagram, endpoint):
    client = add_place(instagram, 100, loop_at_page=2)
    _, cursors = walk(endpoint, client, max_pages=4)
    assert cursors[0] == cursors[1] == cursors[2] == cursors[3]


@pytest.mark.fault("I4")
@pytest.mark.parametrize("endpoint", PAGED)
@pytest.mark.parametrize("page", [1, 2])
def test_an_empty_page_with_more_is_a_page_without_posts(instagram, endpoint, page):
    client = add_place(instagram, 60, empty_pages_at={page})
    pks, cursors = walk(endpoint, client)
    assert pks == instagram.world.shown(PLACE)
    assert len(cursors) == 4


@pytest.mark.fault("I4")
def test_empty_pages_without_end_each_have_a_cursor_of_their_own(instagram):
    client = add_place(instagram, 60, empty_pages_at=range(2, 10**9))
    pks, cursors = walk(SectionsEndpoint(), client, max_pages=5)
    assert len(pks) == 24
    assert len({json.dumps(cursor) for cursor in cursors}) == 5
