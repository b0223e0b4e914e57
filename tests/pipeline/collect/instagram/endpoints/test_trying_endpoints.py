"""Trying the endpoints: each is asked once, and nothing more where a person or time is needed."""

from typing import Any

import pytest

from pipeline.collect.instagram.endpoints import SectionsEndpoint, try_endpoints
from pipeline.collect.web.errors import HumanError
from tests.fakes.http_server import Answer
from tests.fakes.instagram_server import FakeInstagram
from tests.fakes.plain_client import PlainClient

PLACE = "212928653"


@pytest.fixture
def instagram():
    with FakeInstagram() as instagram:
        yield instagram


def add_place(instagram: FakeInstagram, num_posts: int = 30, **oddities: Any) -> PlainClient:
    """A place in the world, and a client to it."""
    instagram.world.add_location(PLACE, "Old Lighthouse", 12.0, -30.0, num_posts=num_posts, **oddities)
    return PlainClient(instagram)


def test_trying_says_of_each_endpoint_what_it_answers(instagram):
    client = add_place(instagram, 60)
    instagram.world.answers_201 = True
    assert try_endpoints(client, PLACE) == [
        ("sections", "answers: 24 posts, more: yes, the place with coordinates"),
        ("page", "answers: 24 posts, more: no, the place with coordinates"),
        ("instaloader", "source_changed: status_201"),
    ]
    assert len(client.asked) == 3


def test_trying_as_a_visitor_skips_the_endpoints_that_need_a_login(instagram):
    add_place(instagram, 60, has_coordinates=False)
    client = PlainClient(instagram, is_signed_in=False)
    assert try_endpoints(client, PLACE) == [
        ("sections", "skipped: needs a login"),
        ("page", "answers: 24 posts, more: no, no coordinates"),
        ("instaloader", "skipped: needs a login"),
    ]
    assert len(client.asked) == 1


@pytest.mark.fault("I2")
def test_trying_stops_where_a_person_is_needed(instagram):
    client = add_place(instagram)
    instagram.world.end_session()
    with pytest.raises(HumanError):
        SectionsEndpoint().first(client, PLACE)
    client.asked.clear()
    assert try_endpoints(client, PLACE) == [
        ("sections", "a person is needed: sign in"),
        ("page", "not asked: login_required"),
        ("instaloader", "not asked: login_required"),
    ]
    assert len(client.asked) == 1


@pytest.mark.fault("I1")
def test_trying_stops_where_everybody_has_to_wait(instagram):
    client = add_place(instagram)
    instagram.fail("", Answer(status=429), times=None)
    assert try_endpoints(client, PLACE) == [
        ("sections", "not now: throttled"),
        ("page", "not asked: throttled"),
        ("instaloader", "not asked: throttled"),
    ]
    assert len(client.asked) == 1


def test_trying_goes_on_after_an_answer_that_did_not_come(instagram):
    client = add_place(instagram, 5)
    instagram.fail("", Answer(status=502))
    assert try_endpoints(client, PLACE)[:2] == [
        ("sections", "no answer: status_502"),
        ("page", "answers: 5 posts, more: no, the place with coordinates"),
    ]
