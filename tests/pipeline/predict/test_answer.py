"""Answers: places in order, distances on the globe, and coarse ones that name no place."""

from copy import copy
from dataclasses import replace

import numpy as np
import pytest

from models.evaluation.metrics import haversine_km
from pipeline.cli.predict_text import answer_lines
from pipeline.predict.answer import OTHER, Places, ranked_kinds, ranked_places, spread_km
from pipeline.predict.predictor import PredictOptions
from pipeline.training.run_files import known_sureness
from tests.fakes.predictor import KINDS, NAMES, caption, labels, picture, town_posts, town_predictor

pytestmark = pytest.mark.slow

PLACES = Places(labels())
PROBA = np.array([0.05, 0.4, 0.1, 0.02, 0.03, 0.3, 0.06, 0.04])


def answer(photo: bytes | None, words: object, **options):
    """What the town's predictor tells."""
    predictor = town_predictor()
    [result] = predictor.answer([predictor.read(photo, words)], [PredictOptions(**options)])
    return result


def test_places_come_by_probability_with_their_distance_from_the_first():
    result = ranked_places(PLACES, PROBA, 3)
    assert [place.name for place in result] == [NAMES[1], NAMES[5], NAMES[2]]
    assert [place.rank for place in result] == [1, 2, 3]
    assert [place.probability for place in result] == [0.4, 0.3, 0.1]
    distance = haversine_km(10.01, 20.0, 10.05, 20.0)
    assert [result[0].distance_km, result[1].distance_km] == [0.0, round(float(distance), 3)]
    assert len(ranked_places(PLACES, PROBA, 50)) == len(NAMES)


def test_of_equally_probable_places_the_first_class_is_first():
    assert [place.name for place in ranked_places(PLACES, np.full(8, 0.125), 8)] == list(NAMES)


@pytest.mark.parametrize("seed", range(5))
def test_the_spread_is_what_a_loop_over_distances_finds(seed):
    rng = np.random.default_rng(seed)
    places = Places(
        [{**label, "latitude": rng.uniform(-60, 60), "longitude": rng.uniform(-180, 180)} for label in labels()]
    )
    proba = rng.dirichlet(np.full(8, 0.5))
    first = int(proba.argmax())
    distances = [
        float(haversine_km(places.latitudes[first], places.longitudes[first], lat, lng))
        for lat, lng in zip(places.latitudes, places.longitudes, strict=True)
    ]
    radii = [
        min(r for r in distances if sum(p for p, d in zip(proba, distances, strict=True) if d <= r) >= share - 1e-9)
        for share in (0.5, 0.9)
    ]
    expected = sum(p * d for p, d in zip(proba, distances, strict=True))
    np.testing.assert_allclose(spread_km(places, proba), [expected, *radii])


def test_a_certain_answer_has_no_spread():
    assert spread_km(PLACES, np.eye(8)[3]) == (0.0, 0.0, 0.0)


def test_kinds_add_up_and_rare_ones_are_told_as_other():
    """Dining has two places, which `other` would nearly name: one more kind is told with it."""
    assert KINDS.count("Dining") == 2
    result = {kind.category: kind.probability for kind in ranked_kinds(PLACES, PROBA)}
    assert result == pytest.approx({"Landmarks": 0.55, OTHER: 0.45})
    assert sum(result.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("kinds", "shown"),
    [
        pytest.param("aaabbb", "aaabbb", id="none is rare"),
        pytest.param("aaaabcbc", "aaaaoooo", id="rare ones that hide each other"),
        pytest.param("aaaab", "ooooo", id="one place alone hides in all"),
        pytest.param("aaaabbbbbcc", "oooobbbbboo", id="two hide in the rarer kind"),
        pytest.param("ab", "oo", id="a city of two places"),
        pytest.param(["a"] * 4 + [""] * 3, "aaaaooo", id="places of unknown kind"),
        pytest.param(["a"] * 4 + [""], "ooooo", id="one place of unknown kind hides in all"),
    ],
)
def test_no_kind_and_not_other_either_is_fewer_than_three_places_where_there_are_more(kinds, shown):
    places = Places([{"category": kind} for kind in kinds])
    assert places.kinds() == [OTHER if kind == "o" else kind for kind in shown]


def test_a_coarse_answer_holds_no_place_and_no_coordinates():
    result = answer(picture(2), caption(2), coarse=True, why=True).model_dump_json()
    assert not [name for name in (*NAMES, "latitude", "longitude", "probability_", "poi") if name in result]
    assert "Landmarks" in result


@pytest.mark.parametrize("number", range(8))
def test_the_town_is_recognised_from_each_part_alone(number):
    for photo, words in (
        (picture(number, 90), None),
        (None, caption(number, 90)),
        (picture(number, 91), caption(number, 91)),
    ):
        assert answer(photo, words).places[0].name == NAMES[number]


def test_what_is_missing_and_what_is_not_read_is_said():
    assert len(answer(picture(0), "amber").notes) == 0
    assert "no picture" in answer(None, "amber").notes[0]
    assert "no word" in answer(picture(0), None).notes[0]
    assert answer(None, "amber #bridge #rare").unknown_hashtags == ["rare"]
    assert "must not be used to find one" in answer(None, "amber").notice


def test_why_names_the_telling_word_and_shares_out_attention():
    why = answer(None, "quiet morning walking with elm and rain #town", why=True).why
    strongest = max([*why.words, *why.hashtags], key=lambda part: part.influence)
    assert strongest.text == "elm"
    assert sum(part.attention for part in why.words) == pytest.approx(1)
    assert sum(part.attention for part in why.hashtags) == pytest.approx(1)
    assert why.picture_influence is None
    assert answer(picture(3), None, why=True).why.picture_influence > 0.3
    assert answer(None, "amber").why is None


@pytest.mark.parametrize("options", [{"why": True, "top": 3}, {"coarse": True}], ids=["places", "coarse"])
def test_the_lines_hold_the_answer_and_the_notice(options):
    result = answer(picture(1), "birch <b>x</b> #market #rare", **options)
    lines = "\n".join(answer_lines(result))
    assert result.notice in lines
    assert all(len(line) < 250 for line in lines.splitlines())
    expected = (
        ["Landmarks"] if options.get("coarse") else ["Birch Market", "#market", "#rare", "the picture", "km off"]
    )
    assert all(text in lines for text in expected)


@pytest.mark.fault("N20")
@pytest.mark.parametrize("words", ["今日は海へ行きました", "zebra xylophone #never", "#never"])
def test_of_words_that_no_post_has_it_says_none_and_guesses_all_the_same(words):
    result = answer(None, words)
    assert not result.is_known_place and result.surer_than is None
    assert "there is nothing to go by" in result.notes[0]
    assert len(result.places) == 5
    assert (
        answer_lines(result)[0] == f"Little Town: none of the known places; the best guess is {result.places[0].name}"
    )


@pytest.mark.fault("N20")
def test_a_post_that_looks_like_no_place_is_doubted_and_one_that_shows_it_is_not():
    town = town_predictor()
    posts = town_posts(range(30, 60))
    known = known_sureness(town.model, posts, town.model.predict_proba(posts))
    asker = copy(town)
    asker.known = replace(town.known, sureness=known)
    torn = asker.read(None, "amber birch coral dune elm fern gale hay #bridge #bar #pier #museum")
    whole, alone = asker.read(picture(3, 90), caption(3, 90)), asker.read(None, caption(3, 90))
    options = [PredictOptions()] * 3 + [PredictOptions(coarse=True)]
    doubted, shown, text, coarse = asker.answer([torn, whole, alone, torn], options)
    assert not doubted.is_known_place and doubted.surer_than <= 0.05
    assert "less sure of this post than of" in doubted.notes[0]
    assert shown.is_known_place and text.is_known_place, "each beside posts that show as much"
    assert not coarse.is_known_place and coarse.notes == doubted.notes


@pytest.mark.fault("N20")
@pytest.mark.parametrize(
    ("abstain", "num_known", "is_known", "has_share"),
    [
        pytest.param(0.05, 19, False, True, id="just enough known posts"),
        pytest.param(0.05, 18, True, False, id="too few known posts for the share"),
        pytest.param(0.0, 1000, True, False, id="switched off"),
    ],
)
def test_a_share_needs_its_number_of_known_posts(abstain, num_known, is_known, has_share):
    town = town_predictor()
    known = replace(town.known, sureness={"text": np.zeros(num_known)}, abstain=abstain)
    doubt = known.doubt(town.read(None, "amber"), np.full(8, 0.125))
    assert (doubt.is_known_place, doubt.surer_than is not None) == (is_known, has_share)


@pytest.mark.fault("N20")
def test_of_a_model_of_before_nothing_is_doubted_but_unknown_words():
    town = town_predictor()
    known = replace(town.known, sureness={})
    assert known.doubt(town.read(None, "amber"), np.full(8, 0.125)).is_known_place
    assert not known.doubt(town.read(None, "zebra"), np.full(8, 0.125)).is_known_place
