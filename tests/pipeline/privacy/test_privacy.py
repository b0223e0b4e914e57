"""Privacy, features 1 and 2: only allowed fields reach the disk, and no secret or name is seen anywhere."""

import logging
import lzma

import pytest

from pipeline.records import TABLES
from tests.fakes.archive import graphql_node, instaloader_json, iphone_node, media_id
from tests.fakes.private_ids import read_private_ids
from tests.fakes.town import CITY, Town

ALLOWED = ("Canary Lighthouse", "canarytag", "canary words")
"""Canaries in allowed fields: the name of the place, a hashtag, words of the caption."""

FORBIDDEN_NAMES = (
    "accessibility_caption",
    "title",
    "tracking_token",
    "organic_tracking_token",
    "media_preview",
    "video_url",
    "thumbnail_src",
    "display_url",
    "client_cache_key",
    "device_timestamp",
    "product_type",
    "gating_info",
    "fact_check_information",
    "commerciality_status",
    "music_metadata",
    "clips_metadata",
    "link",
    "story_cta",
    "inventory_source",
    "logging_info_token",
    "deleted_reason",
    "boosted_status",
    "crosspost_metadata",
    "explore",
    "headline",
    "invited_coauthor_producers",
    "mezql_token",
    "original_lang",
    "photo_of_you",
    "profile_grid",
    "sharing_friction_info",
    "shop_routing_user_id",
    "timezone_offset",
    "viewer_note",
    "number_of_qualities",
)


def hostile_node() -> dict:
    """A GraphQL node with some sixty fields whose values name themselves."""
    node = graphql_node(
        1,
        owner={
            "id": "9988776655",
            "username": "canary_owner",
            "full_name": "Canary Owner Name",
            "profile_pic_url": "canary_pic",
            "biography": "canary_bio",
            "external_url": "canary_external",
        },
        location={
            "id": "555",
            "name": "Canary Lighthouse",
            "lat": 12.0,
            "lng": -30.0,
            "slug": "canary_slug",
            "address_json": "canary_address",
            "phone": "canary_phone",
            "website": "canary_site",
        },
    )
    node |= {name: f"canary_{name}" for name in FORBIDDEN_NAMES}
    people = [{"node": {"user": {"username": "canary_tagged", "full_name": "canary_tagged_name"}, "x": 0.1}}]
    node |= {
        "edge_media_to_caption": {
            "edges": [
                {
                    "node": {
                        "text": "canary words #canarytag @canary_mention https://canary.link/x canary@mail.com",
                        "id": "canary_caption_id",
                    }
                }
            ]
        },
        "edge_media_to_tagged_user": {"edges": people},
        "edge_media_to_sponsor_user": {"edges": [{"node": {"sponsor": {"username": "canary_sponsor"}}}]},
        "edge_media_to_comment": {"edges": [{"node": {"text": "canary_comment", "owner": {"name": "canary_fan"}}}]},
        "edge_media_preview_like": {"edges": [{"node": {"username": "canary_liker"}}]},
        "coauthor_producers": [{"username": "canary_coauthor"}],
        "usertags": {"in": [{"user": {"username": "canary_usertag"}}]},
        "iphone_struct": {
            "user": {"username": "canary_iphone", "full_name": "canary_iphone_name"},
            "caption": {"text": "canary_second_caption"},
            "top_likers": ["canary_top_liker"],
        },
    }
    return node


def canaries(node: object) -> set[str]:
    """Every text in a node that names itself, but for the caption's text."""
    if isinstance(node, dict):
        return set().union(*(canaries(value) for name, value in node.items() if name != "text"), set())
    if isinstance(node, list):
        return set().union(*map(canaries, node), set())
    return {node} if isinstance(node, str) and "canary" in node.lower() else set()


def everything(town: Town) -> str:
    """All bytes of the store and all values of its tables as one text."""
    files = [path for path in town.store.root.rglob("*") if path.is_file() and path.parent.name != "private"]
    raw = b"\0".join([str(path).encode() + b"\0" + path.read_bytes() for path in files])
    values = [str(town.store.tables.read("town", name).to_pylist()) for name in TABLES]
    return "\0".join([raw.decode("latin-1"), *values])


@pytest.fixture
def town(store, tmp_path, monkeypatch, caplog) -> Town:
    """A town whose archive holds canaries in names of folders and files too."""
    monkeypatch.setenv("MRLF_PSEUDONYM_KEY", "5e" * 31 + "c7")
    caplog.set_level(logging.DEBUG)
    assert not CITY.is_synthetic  # else the key were the public one
    town = Town(
        store, tmp_path, pois=[{"poi_id": "p1", "name": "Canary Lighthouse", "latitude": 12.0, "longitude": -30.0}]
    )
    town.archive.post(1, stem="canary_folder/canary_stem", node=hostile_node())
    town.archive.post(
        2,
        stem="canary_folder/elsewhere",
        caption="canary_unplaced",
        location={"id": 3, "name": "canary_far", "lat": 1.0, "lng": 1.0},
    )
    town.archive.post(
        3,
        node=iphone_node(
            3,
            user={
                "pk": 4,
                "username": "canary_poster",
                "full_name": "canary_full",
                "is_private": False,
                "profile_pic_url": "canary_p",
            },
            location={"pk": 555, "name": "Canary Lighthouse", "lat": 12.0, "lng": -30.0},
        ),
    )
    town.archive.json("canary_folder/canary_profile.json", instaloader_json({"username": "canary_profile"}, "Profile"))
    town.archive.file("canary_folder/canary_broken.json", b'{"canary_broken')
    town.build()
    return town


def test_only_allowed_fields_reach_the_disk(town):
    found = everything(town)
    forbidden = canaries(hostile_node()) - set(ALLOWED)
    assert len(forbidden) >= 55
    written_in = {canary for canary in forbidden if canary in found}
    assert written_in == set()
    for part in (
        "canary_mention",
        "canary.link",
        "canary@mail",
        "canary_comment",
        "canary_second",
        "canary_folder",
        "canary_stem",
        "canary_broken",
        "canary_profile",
        "canary_unplaced",
        "canary_far",
        "canary_poster",
        "canary_full",
    ):
        assert part not in found, part
    for allowed in ALLOWED:
        assert allowed in found, allowed


def test_ids_of_people_and_posts_are_in_the_private_map_only(town):
    found = everything(town)
    for secret in ("9988776655", media_id(1), media_id(2), media_id(3), "Bvz000001", "Cbb000003"):
        assert secret not in found, secret
    assert sorted(read_private_ids(town.store, "town").values()) == [media_id(1), media_id(3)]


def test_the_secret_and_names_are_in_no_output_and_no_log(town, caplog):
    for text in (everything(town), caplog.text):
        for secret in ("5e" * 31, "canary_owner", "canary_poster", "canary_folder"):
            assert secret not in text
    assert "5e" * 31 not in "".join(path.name for path in town.store.root.rglob("*"))


def test_the_search_would_find_a_canary(town):
    """The search itself is sound: what lies in the archive is found there, packed files unpacked."""
    raw = lzma.decompress((town.archive.folder / "canary_folder" / "canary_stem.json.xz").read_bytes()).decode()
    assert all(canary in raw for canary in canaries(hostile_node()))
    town.store.tables.replace("town", "drops", [{"post_key": "a", "stage": "x", "reason": "canary_owner"}])
    assert "canary_owner" in everything(town)
