"""The fake Instagram answers in the shapes that were recorded, and keeps the rules that its clients are tested by."""

import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from tests.fakes.instagram_media import media, node
from tests.fakes.instagram_server import FakeInstagram
from tests.fakes.instagram_world import World
from tests.fakes.plain_client import HEADERS, PlainClient

PLACE = "212928653"
KINDS = [(False,), (True,), (False, True, False)]


@pytest.fixture
def instagram():
    with FakeInstagram() as instagram:
        instagram.world.add_location(PLACE, "Old Lighthouse", 12.0, -30.0, num_posts=60)
        yield instagram


def recorded_tabs(folder: Path) -> list[dict[str, Any]]:
    item = json.loads((folder / "instagram" / "ig_hashtag_sections_2022.json").read_text())
    return [item["data"]["top"], item["data"]["recent"]]


def medias_of(tab: dict[str, Any]) -> list[dict[str, Any]]:
    return [entry["media"] for section in tab["sections"] for entry in section["layout_content"]["medias"]]


def web_info(instagram: FakeInstagram) -> dict[str, Any]:
    answer = PlainClient(instagram).get_json("api/v1/locations/web_info/", {"location_id": PLACE})
    return answer["native_location_data"]


def pictures_of(item: dict[str, Any]) -> list[str]:
    parts = item.get("carousel_media") or [item]
    return [part["image_versions2"]["candidates"][0]["url"] for part in parts]


def assert_like(made: list[dict[str, Any]], recorded: list[dict[str, Any]]) -> None:
    """Every key that all the recorded ones have is there, and no key that none of them has; types are the same."""
    known, common = set().union(*recorded), set(recorded[0]).intersection(*recorded)
    types: dict[str, set[type]] = {key: {type(one[key]) for one in recorded if key in one} for key in known}
    for one in made:
        assert common <= set(one) <= known
        for key, value in one.items():
            assert value is None or type(value) in types[key] or types[key] == {type(None)}, key


def test_posts_have_the_keys_of_the_recorded_ones(shared_data, instagram):
    recorded = [item for tab in recorded_tabs(shared_data) for item in medias_of(tab)]
    world = instagram.world
    made = [media(world, world.add_post(PLACE, is_videos=flags)) for flags in KINDS] + medias_of(
        web_info(instagram)["recent"]
    )
    assert {item["media_type"] for item in made} == {1, 2, 8}
    assert_like(made, recorded)
    for key in ("user", "caption", "location", "image_versions2", "sharing_friction_info"):
        assert_like(
            [item[key] for item in made if key in item],
            [item[key] for item in recorded if key in item],
        )
    for key in ("carousel_media", "video_versions"):
        parts = [[part for item in some if key in item for part in item[key]] for some in (made, recorded)]
        assert_like(parts[0], parts[1])
    for some in (made, recorded):
        assert all(item["media_type"] == 8 or "image_versions2" in item for item in some)
        assert not any(item["media_type"] == 8 and "image_versions2" in item for item in some)
    candidates = [
        [c for item in some if "image_versions2" in item for c in item["image_versions2"]["candidates"]]
        for some in (made, recorded)
    ]
    assert_like(candidates[0], candidates[1])


def test_tabs_and_sections_have_the_keys_of_the_recorded_ones(shared_data, instagram):
    recorded = recorded_tabs(shared_data)
    native = web_info(instagram)
    made = [native["recent"], native["ranked"]]
    assert_like(made, recorded)
    sections = [[section for tab in tabs for section in tab["sections"]] for tabs in (made, recorded)]
    assert_like(sections[0], sections[1])
    assert_like([one["explore_item_info"] for one in sections[0]], [one["explore_item_info"] for one in sections[1]])
    assert {"pk", "name", "slug", "lat", "lng", "media_count", "category"} <= set(native["location_info"])


def test_instaloader_takes_every_post():
    from instaloader import InstaloaderContext, Post

    world = World()
    world.add_location(PLACE, "Old Lighthouse", 12.0, -30.0, num_posts=60)
    for pk in world.shown(PLACE):
        post = Post.from_iphone_struct(InstaloaderContext(quiet=True), media(world, pk))
        assert (post.mediaid, post.shortcode) == (pk, Post.mediaid_to_shortcode(pk))


def test_a_world_of_the_paper_is_made_at_once():
    started = time.perf_counter()
    world = World()
    for number in range(70):
        world.add_location(str(1000 + number), "A Place", 1, 2, num_posts=1500)
    assert time.perf_counter() - started < 0.5
    assert len({pk for place in world.places.values() for pk in place.pks}) == 70 * 1500


def test_two_worlds_stated_the_same_are_equal():
    worlds = [World(), World()]
    for world in worlds:
        world.add_location(PLACE, "Old Lighthouse", 12.0, -30.0, num_posts=30)
        world.add_post(PLACE, caption="hello")
    assert [media(worlds[0], pk) for pk in worlds[0].shown(PLACE)] == [
        media(worlds[1], pk) for pk in worlds[1].shown(PLACE)
    ]


def test_posts_stand_newest_first_and_owners_are_many_and_come_again(instagram):
    world = instagram.world
    pks = world.shown(PLACE)
    times = [world.taken_at(pk) for pk in pks]
    assert times == sorted(times, reverse=True) and len(set(times)) == len(times)
    owners = [world.owner_of(pk) for pk in pks]
    assert 20 < len(set(owners)) < len(owners)


def test_every_picture_is_a_whole_jpeg_of_its_own(instagram):
    addresses = [address for item in medias_of(web_info(instagram)["recent"]) for address in pictures_of(item)]
    answers = [requests.get(address, timeout=5) for address in addresses]
    assert {(answer.status_code, answer.headers["Content-Type"]) for answer in answers} == {(200, "image/jpeg")}
    assert len({answer.content for answer in answers}) == len(addresses) > 24
    for answer in answers:
        image = Image.open(io.BytesIO(answer.content))
        image.load()
        assert image.size == (96, 72)


def test_an_old_address_is_refused_and_media_info_reports_a_new_one(instagram):
    pk = instagram.world.add_post(PLACE, is_videos=(False,))
    [old] = pictures_of(media(instagram.world, pk))
    instagram.world.expire_media(pk)
    [item] = PlainClient(instagram).get_json(f"api/v1/media/{pk}/info/")["items"]
    [new] = pictures_of(item)
    assert [requests.get(address, timeout=5).status_code for address in (old, new)] == [403, 200]


@pytest.mark.parametrize("status", [404, 400])
def test_a_removed_post_is_gone_everywhere(instagram, status):
    world = instagram.world
    world.gone_status = status
    pk = world.shown(PLACE)[0]
    addresses = pictures_of(media(world, pk))
    world.remove(pk)
    answer = requests.get(
        f"{instagram.url}/api/v1/media/{pk}/info/", headers=HEADERS, cookies=world.cookies(), timeout=5
    )
    assert (answer.status_code, answer.json()["message"]) == (status, "Media not found or unavailable")
    assert requests.get(addresses[0], timeout=5).status_code == 404
    assert pk not in [item["pk"] for item in medias_of(web_info(instagram)["recent"])]


def test_a_private_post_is_shown_by_its_own_address_only(instagram):
    pk = instagram.world.shown(PLACE)[0]
    instagram.world.make_private(pk)
    [item] = PlainClient(instagram).get_json(f"api/v1/media/{pk}/info/")["items"]
    assert item["user"]["is_private"]
    assert pk not in [item["pk"] for item in medias_of(web_info(instagram)["recent"])]


def test_posts_of_a_removed_account_are_gone(instagram):
    world = instagram.world
    pk = world.add_post(PLACE, owner=77)
    world.remove_account(77)
    assert pk not in world.shown(PLACE) and len(world.shown(PLACE)) == 60


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"caption": "só"}, {"caption": {"text": "só"}}),
        ({"owner": 5}, {"user": {"pk": 5}, "caption": {"user_id": 5}}),
        ({"like_count": -1, "taken_at": 0}, {"like_count": -1, "taken_at": 0}),
        ({"is_videos": (False, True)}, {"media_type": 8, "carousel_media_count": 2}),
    ],
)
def test_a_change_replaces_what_follows_from_numbers(instagram, changes, expected):
    item = media(instagram.world, instagram.world.add_post(PLACE, **changes))
    for key, value in expected.items():
        assert item[key] | value == item[key] if isinstance(value, dict) else item[key] == value


def test_a_change_to_none_takes_a_key_out(instagram):
    item = media(instagram.world, instagram.world.add_post(PLACE, caption=None, location=None, lat=None, lng=None))
    assert item["caption"] is None
    assert not {"location", "lat", "lng"} & set(item)


def test_a_post_can_show_the_pictures_of_another_again(instagram):
    world = instagram.world
    first = world.add_post(PLACE, is_videos=(False,))
    second = world.add_post(PLACE, is_videos=(False,), pictures_of=first)
    addresses = [pictures_of(media(world, pk))[0] for pk in (first, second)]
    assert addresses[0] != addresses[1]
    assert len({requests.get(address, timeout=5).content for address in addresses}) == 1


@pytest.mark.parametrize("left_out", ["X-IG-App-ID", "X-Requested-With", "X-CSRFToken", "Cookie"])
def test_what_needs_an_account_sends_others_to_the_login_page(instagram, left_out):
    cookies = "; ".join(f"{name}={value}" for name, value in instagram.world.cookies().items())
    headers = HEADERS | {"X-CSRFToken": instagram.world.csrf_token, "Cookie": cookies}
    address = f"{instagram.url}/api/v1/locations/{PLACE}/sections/"
    for sent, status in ((headers, 200), ({k: v for k, v in headers.items() if k != left_out}, 302)):
        form = {"tab": "recent", "surface": "grid"}
        answer = requests.post(address, form, headers=sent, allow_redirects=False, timeout=5)
        assert answer.status_code == status
    assert answer.headers["Location"].startswith("/accounts/login/")


def test_an_ended_session_is_that_of_nobody(instagram):
    cookies = instagram.world.cookies()
    instagram.world.end_session()
    address = f"{instagram.url}/api/v1/locations/web_info/?location_id={PLACE}"
    answer = requests.get(address, headers=HEADERS, cookies=cookies, allow_redirects=False, timeout=5)
    assert answer.status_code == 302


def test_a_page_embeds_nodes_with_text_ids_and_without_full_names(instagram):
    item = node(instagram.world, instagram.world.shown(PLACE)[0])
    assert isinstance(item["pk"], str) and isinstance(item["user"]["pk"], str)
    assert "full_name" not in item["user"] and "carousel_media" in item
