"""Posts that only two modalities together place: what is true of them, and what no sum over modalities can do."""

import hashlib
import itertools
from collections import Counter

import numpy as np
import pytest

from pipeline.demo import phrases
from pipeline.demo.city import _description
from pipeline.demo.interaction import SCENES_BY_CUE, additive_bound
from pipeline.demo.posts import Kind
from tests.pipeline.demo.demo_trees import plan, small

TAGS = {tag: (pair, x) for pair, tags in enumerate(phrases.PAIR_TAGS) for x, tag in enumerate(tags)}
SCENES = {scene: c for c, scenes in enumerate(SCENES_BY_CUE) for scene in scenes}
pytestmark = pytest.mark.fault("N16")


@pytest.fixture(scope="module")
def posts():
    return plan(small(interaction=0.6)).posts


@pytest.fixture(scope="module")
def told(posts):
    """Of each ambiguous post: pair, x, cue in caption (None without), cue in picture, which POI of the pair."""
    found = []
    for post in posts:
        if Kind.AMBIGUOUS in post.kinds:
            ((pair, x),) = [TAGS[tag] for tag in post.words.hashtags if tag in TAGS]
            said = [c for c, cues in enumerate(phrases.CUES) if any(cue in post.words.text for cue in cues)]
            assert pair == post.place // 2 and len(said) < 2
            found.append((pair, x, said[0] if said else None, SCENES[post.pictures[0].scene], post.place % 2))
    return found


def test_tag_and_cue_together_tell_the_place_of_every_such_post(told):
    assert len(told) > 20
    for _, x, said, seen, side in told:
        assert side == x ^ (seen if said is None else said)


def test_the_share_is_that_of_the_setting_and_the_other_posts_stay_as_they_were(posts):
    others = [(a, b) for a, b in zip(posts, plan(small()).posts, strict=True) if not {*a.kinds} & NOT_KEPT]
    assert others and all(ours == before for ours, before in others)
    usual = [post for post in posts if not post.kinds & SILENT]
    assert np.mean([Kind.AMBIGUOUS in post.kinds for post in usual]) == pytest.approx(0.6, abs=0.15)


SILENT = {Kind.REPOST, Kind.NO_CAPTION, Kind.OTHER_LANGUAGE, Kind.NO_HASHTAGS}
NOT_KEPT = {Kind.AMBIGUOUS, Kind.REPOST}


def test_a_city_without_the_setting_has_the_posts_of_before_it_was_there():
    told = [(post.caption, post.place, [spec.key for spec in post.pictures]) for post in plan(small()).posts]
    assert hashlib.sha256(repr(told).encode()).hexdigest()[:16] == "e0e8743ea94d16b1"


def test_a_city_without_the_setting_is_described_as_before_the_setting_was_there():
    assert "interaction" not in _description(small(), (0.0, 0.0), 5)["settings"]
    assert _description(small(interaction=0.5), (0.0, 0.0), 5)["settings"]["interaction"] == 0.5


def test_no_additive_model_is_right_in_all_four_cases_and_some_are_in_three():
    rng = np.random.default_rng(0)
    most = Counter()
    for g0, g1, h0, h1 in rng.normal(size=(500, 4)):
        score = {(x, c): (g0, g1)[x] + (h0, h1)[c] for x, c in itertools.product((0, 1), repeat=2)}
        most[sum((score[x, c] > 0) == (x == c) for x, c in score)] += 1
    assert max(most) == 3


@pytest.mark.parametrize(
    ("places", "bound"),
    [([0, 0, 1, 1], 0.75), ([0, 0, 0, 1], 0.875), ([0, 0, 2, 2], 1.0), ([0, 1, 2, 3], 0.75)],
    ids=["as many", "fewer of one", "partners that nobody posts of", "two pairs"],
)
def test_the_bound_is_half_of_the_rarer_place_of_each_pair_lost(places, bound):
    assert additive_bound(places, [True] * len(places)) == pytest.approx(bound)
    assert additive_bound(places * 2, [True] * len(places) + [False] * len(places)) == pytest.approx((1 + bound) / 2)
