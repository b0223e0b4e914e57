"""The predictor: alike alone and among others, features as in training, and the network's own probabilities."""

import numpy as np
import pytest

from models.evaluation.metrics import with_temperature
from pipeline.predict.predictor import PredictOptions
from tests.fakes.hostile_captions import HOSTILE
from tests.fakes.predictor import NUM_PLACES, caption, picture, town_predictor

pytestmark = pytest.mark.slow


def questions():
    """Some of every kind: with and without picture, words and hashtags."""
    predictor = town_predictor()
    asked = [(picture(n), caption(n)) for n in range(4)] + [(picture(5), None), (None, caption(6)), (None, "#market")]
    asked += [(picture(7), text) for text, _ in HOSTILE.values()]
    return [predictor.read(*one) for one in asked]


def test_a_question_is_answered_alike_alone_and_among_others():
    predictor, asked = town_predictor(), questions()
    all_options = [PredictOptions(top=8, why=row % 2 == 0, coarse=row % 5 == 0) for row in range(len(asked))]
    together = predictor.answer(asked, all_options)
    for question, options, result in zip(asked, all_options, together, strict=True):
        [alone] = predictor.answer([question], [options])
        assert type(alone) is type(result)
        ours, theirs = flat(alone.model_dump()), flat(result.model_dump())
        assert ours.keys() == theirs.keys()
        for name, value in ours.items():
            assert value == theirs[name] or abs(value - theirs[name]) < 2e-3, name


def flat(value: object, name: str = "") -> dict[str, object]:
    """Every leaf of an answer by its place."""
    if isinstance(value, dict):
        return {k: v for key, one in value.items() for k, v in flat(one, f"{name}.{key}").items()}
    if isinstance(value, list):
        return {k: v for number, one in enumerate(value) for k, v in flat(one, f"{name}.{number}").items()}
    return {name: value}


def test_features_pass_through_float16_and_a_missing_picture_is_marked():
    predictor = town_predictor()
    posts = predictor.samples([predictor.read(picture(1), None), predictor.read(None, "amber")])
    assert posts.has_image_N.tolist() == [True, False]
    assert (posts.image_ND[0] == posts.image_ND[0].astype(np.float16)).all()
    assert (posts.image_ND[1] == 0).all() and posts.image_ND[0].any()
    assert posts.captions == ["", "amber"]


def test_probabilities_are_the_models_at_its_temperature():
    predictor, asked = town_predictor(), questions()
    posts = predictor.samples(asked)
    result = predictor.answer(asked, [PredictOptions(top=NUM_PLACES)] * len(asked))
    expected = with_temperature(predictor.model.predict_proba(posts), predictor.temperature)
    names = [label["name"] for label in predictor.places.labels]
    for answer, proba in zip(result, expected, strict=True):
        by_name = {place.name: place.probability for place in answer.places}
        np.testing.assert_allclose([by_name[name] for name in names], proba, atol=2e-6)


def test_influences_are_differences_of_the_probabilities_that_are_told():
    predictor, photo = town_predictor(), picture(2, 33)
    whole, wordless, alone = (predictor.read(*one) for one in ((photo, "coral"), (photo, None), (None, "coral")))
    [result] = predictor.answer([whole], [PredictOptions(why=True)])
    proba = predictor.probabilities(predictor.samples([whole, wordless, alone]))[:, 2]
    assert result.places[0].probability == pytest.approx(proba[0], abs=2e-6)
    assert result.why.words[0].influence == pytest.approx(proba[0] - proba[1], abs=2e-6)
    assert result.why.picture_influence == pytest.approx(proba[0] - proba[2], abs=2e-6)


def test_no_question_no_answer():
    assert town_predictor().answer([], []) == []
