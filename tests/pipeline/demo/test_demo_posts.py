"""The plan of the demo city: which posts there are, where, by whom, with which words."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from pipeline.demo import DemoSettings
from pipeline.demo.places import CATEGORIES, PLACES
from pipeline.demo.posts import DemoPlan, Kind, username
from pipeline.geo import distance_km
from pipeline.text.captions import hashtags
from tests.pipeline.demo.demo_trees import CENTRE, RADIUS_KM, plan, small


@pytest.fixture(scope="module")
def city() -> DemoPlan:
    """The city that everybody gets."""
    return plan(DemoSettings())


def km(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Kilometres between two points."""
    return float(
        distance_km(np.array([first[0]]), np.array([first[1]]), np.array([second[0]]), np.array([second[1]]))[0]
    )


@pytest.mark.parametrize("seed", range(5))
def test_every_kind_of_post_occurs_even_in_the_smallest_city(seed):
    posts = plan(small(seed=seed, num_posts=48)).posts
    assert {kind for post in posts for kind in post.kinds} == set(Kind) - {Kind.AMBIGUOUS}


def test_equal_settings_give_equal_plans_and_another_seed_another():
    assert plan(small()) == plan(small())
    assert plan(small(seed=1)).posts[0].caption != plan(small(seed=2)).posts[0].caption


@pytest.mark.slow
def test_one_poi_stays_below_a_floor_of_forty_posts_and_no_other(city):
    counts = Counter(post.place for post in city.posts)
    assert len(city.posts) == 1500 and len(counts) == 12
    assert [place for place, count in counts.items() if count < 40] == [11]
    assert all(count >= 80 for place, count in counts.items() if place != 11)


def test_each_category_has_three_pois():
    assert Counter(place.semantic_label for place in PLACES) == {name: 3 for name in CATEGORIES}


def test_a_few_users_post_much_and_most_a_little(city):
    counts = sorted(Counter(post.user for post in city.posts).values(), reverse=True)
    assert len(counts) > 180
    assert 0.01 < counts[0] / 1500 < 0.06 and counts[0] > 5 * counts[len(counts) // 2]


def test_posts_span_a_year_and_no_two_have_the_same_second(city):
    times = [post.taken_utc for post in city.posts]
    assert all(first < second for first, second in pairwise(times))
    assert 350 < (times[-1] - times[0]).days <= 365


def test_pois_lie_inside_the_circle_and_far_apart(city):
    assert all(km(CENTRE, place) < RADIUS_KM for place in city.coordinates)
    near = [km(a, b) for n, a in enumerate(city.coordinates) for b in city.coordinates[:n]]
    assert min(near) > 1


def test_locations_of_a_poi_are_tens_of_metres_off_under_a_slightly_other_name(city):
    names = Counter(location.place for location in city.locations)
    assert names[None] == 4 and all(names[place] in (1, 2) for place in range(12))
    for location in city.locations:
        if location.place is not None:
            distance = km((location.latitude, location.longitude), city.coordinates[location.place])
            assert 0.005 < distance < 0.06
    assert len({location.location_id for location in city.locations}) == len(city.locations)


def test_far_posts_are_kilometres_away_and_the_others_are_there(city):
    for post in city.posts:
        distance = km((post.latitude, post.longitude), (post.location.latitude, post.location.longitude))
        assert distance > 3 if Kind.FAR in post.kinds else distance < 0.2


def test_posts_elsewhere_and_only_they_are_at_locations_of_no_poi(city):
    for post in city.posts:
        assert post.location.place == (None if Kind.ELSEWHERE in post.kinds else post.place)


def test_a_repost_has_the_pictures_of_another_user_and_says_so(city):
    first: dict[object, int] = {}
    for post in city.posts:
        if Kind.REPOST in post.kinds:
            assert first[post.pictures] != post.user
        first.setdefault(post.pictures, post.user)
    reposts = [post for post in city.posts if post.words.text.startswith("Repost from @demo_user_")]
    assert len(reposts) > 30 and all(Kind.REPOST in post.kinds for post in reposts)


def test_captions_are_english_but_for_one_in_twelve(city):
    languages = Counter(post.words.language for post in city.posts)
    assert 0.06 < sum(count for code, count in languages.items() if code not in ("", "en")) / 1500 < 0.1
    assert {"es", "fr", "de", "pt", "ja", "ar", "hi"} < set(languages)


def test_the_project_reads_every_hashtag_as_it_was_meant(city):
    for post in city.posts:
        assert set(hashtags(post.caption)) == set(hashtags(" ".join(f"#{tag}" for tag in post.words.hashtags)))
        assert bool(hashtags(post.caption)) == (Kind.NO_HASHTAGS not in post.kinds)


def test_hashtags_have_a_long_tail_and_some_are_of_the_wrong_place(city):
    counts = Counter(tag for post in city.posts for tag in post.words.hashtags)
    assert counts.most_common(1)[0][1] > 200
    assert sum(count < 8 for count in counts.values()) > len(counts) / 2
    of_place = {tag: number for number, place in enumerate(PLACES) for tag in place.tags}
    wrong = sum(any(of_place.get(tag, post.place) != post.place for tag in post.words.hashtags) for post in city.posts)
    assert 0.05 < wrong / 1500 < 0.2
    assert any(not tag.isascii() and count >= 8 for tag, count in counts.items())


def test_names_of_users_and_places_are_made_up(city):
    assert username(7) == "demo_user_007"
    for post in city.posts:
        assert all(word.startswith("@demo_user_") for word in post.caption.split() if word.startswith("@"))


@pytest.mark.parametrize("num_pois", [4, 7, 12])
def test_any_number_of_pois_gets_posts(num_pois):
    posts = plan(small(num_pois=num_pois)).posts
    assert {post.place for post in posts} == set(range(num_pois))
