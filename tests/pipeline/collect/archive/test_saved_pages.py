"""A saved page: every media it holds once, in its order, and none in what is no page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.collect.archive import folder as saved_pages
from pipeline.collect.archive.folder import page_medias, shortcode
from pipeline.collect.archive.json_files import UnreadableFile
from tests.fakes.archive import graphql_node, instaloader_json


def media(number: int) -> dict:
    return {"pk": number, "code": f"code{number}", "taken_at": 1, "user": {"pk": 1}}


def section(*numbers: int) -> dict:
    return {"layout_type": "media_grid", "layout_content": {"medias": [{"media": media(n)} for n in numbers]}}


def edges(*numbers: int) -> dict:
    return {"count": 9, "page_info": {"has_next_page": True}, "edges": [{"node": media(n)} for n in numbers]}


@pytest.mark.parametrize(
    ("structure", "expected"),
    [
        pytest.param({"sections": [section(1, 2), section(3)], "more_available": True}, [1, 2, 3], id="sections"),
        pytest.param(
            {"data": {"name": "x", "top": {"sections": [section(1)]}, "recent": {"sections": [section(2, 3)]}}},
            [1, 2, 3],
            id="tabs",
        ),
        pytest.param(
            {
                "native_location_data": {
                    "location_info": {"pk": 9, "name": "x"},
                    "ranked": {"sections": [section(1)]},
                    "recent": {"sections": [section(2)]},
                }
            },
            [1, 2],
            id="a place",
        ),
        pytest.param(
            {"graphql": {"hashtag": {"id": "1", "edge_hashtag_to_media": edges(2, 1)}}},
            [2, 1],
            id="GraphQL",
        ),
        pytest.param({"data": {"xdt_location_get_web_info_tab": edges(1, 2)}}, [1, 2], id="xdt tab"),
        pytest.param({"require": [[["x", [{"__bbox": {"result": {"tab": edges(4)}}}]]]]}, [4], id="a script"),
        pytest.param({"items": [media(1), media(2)], "status": "ok"}, [1, 2], id="feed"),
        pytest.param({"graphql": {"shortcode_media": media(7)}}, [7], id="one post"),
        pytest.param([edges(1), {"sections": [section(2)]}], [1, 2], id="a list of pages"),
        pytest.param({"sections": [section(1), section(1)]}, [1, 1], id="the same post twice"),
        pytest.param(
            {
                "sections": [
                    {
                        "layout_content": {
                            "one_by_two_item": {"clips": {"items": [{"media": media(5)}]}},
                            "fill_items": [{"media": media(6)}],
                        }
                    }
                ]
            },
            [5, 6],
            id="a large one among small ones",
        ),
    ],
)
def test_a_page_gives_its_media_in_their_order(structure, expected):
    assert [held["pk"] for held in page_medias(structure)] == expected


@pytest.mark.parametrize(
    "structure",
    [
        None,
        7,
        "text",
        [],
        {},
        [1, [2]],
        {"type": "FeatureCollection", "features": [{"id": 1, "properties": {"code": "x"}}]},
        {"edges": [{"node": {"id": 1, "text": "a comment", "owner": {"id": 2}}}]},
        {"users": [{"pk": 1, "username": "anna"}]},
        {"sections": [], "more_available": True},
        {"shortcode": "x", "id": "1", "owner": {}},
        instaloader_json(graphql_node()),
        instaloader_json({"remaining_data": edges(1)}, "FrozenNodeIterator"),
    ],
)
def test_what_is_no_page_gives_nothing(structure):
    assert page_medias(structure) == []


def test_a_media_of_a_section_that_is_none_is_reported_too():
    page = {"sections": [{"layout_content": {"medias": [{"media": media(1)}, {"media": None}, {"media": {"x": 1}}]}}]}
    assert page_medias(page) == [media(1), None, {"x": 1}]


def test_what_lies_inside_a_media_is_none():
    child, comment = media(2), {"pk": 3, "code": "x", "user": {}, "text": "y"}
    page = {"items": [{**media(1), "carousel_media": [child], "preview_comments": [comment]}]}
    assert [held["pk"] for held in page_medias(page)] == [1]


def test_a_page_of_far_too_many_is_refused(monkeypatch):
    monkeypatch.setattr(saved_pages, "MAX_MEDIAS", 3)
    assert len(page_medias({"items": [media(n) for n in range(3)]})) == 3
    with pytest.raises(UnreadableFile) as caught:
        page_medias({"items": [media(n) for n in range(4)]})
    assert caught.value.reason == "too_many_medias"


def test_nesting_without_end_is_walked_without_recursion():
    page: object = media(1)
    for _ in range(50_000):
        page = {"x": [page]}
    assert page_medias(page) == [media(1)]
    while isinstance(page, dict) and "x" in page:  # freed by hand: the interpreter frees nesting by recursion
        page = page["x"].pop()


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["medias", "media", "edges", "node", "items", "pk", "code", "user", "x"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_any_json_gives_a_list(structure):
    assert all(isinstance(shortcode(held), str) for held in page_medias(structure))


@pytest.mark.parametrize(
    ("held", "expected"),
    [(media(3), "code3"), ({"shortcode": "A", "code": "B"}, "A"), ({"code": 5}, ""), (None, ""), ({}, "")],
)
def test_the_shortcode_is_reported_by_both_shapes(held, expected):
    assert shortcode(held) == expected
