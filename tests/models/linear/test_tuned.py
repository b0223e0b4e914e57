"""The tuned linear model: chosen on validation posts that it was not fitted on, then fitted on all it was given."""

import dataclasses

import numpy as np
import pytest

from models.baselines import BASELINES
from models.data.samples import joined
from models.linear.experts import Expert, fit_expert
from models.linear.tuned import HASHTAGS, INVERSE_REGULARISATIONS, MIDDLE, choose, fit_tuned
from models.linear.wide_features import WideFeatures
from tests.models.synthetic import NUM_CLASSES, city

pytestmark = pytest.mark.fault("T26")
TRAIN, VALIDATION, TEST = city(120, seed=1), city(60, seed=2), city(200, seed=3)


def loss_of(choice: float, hashtags: str) -> float:
    """Of the validation posts, by a model of the training posts."""
    features = WideFeatures.learn(TRAIN)
    expert = Expert({"characters": 1.5, "words": 1.5, hashtags: 1.5, "image": 1.5}, ())
    layer = fit_expert(expert, features.transform(TRAIN), TRAIN.labels_N, NUM_CLASSES, choice)
    logits_VC = layer.logits(features.transform(VALIDATION))
    own_V = logits_VC[np.arange(len(VALIDATION)), VALIDATION.labels_N]
    return float(np.mean(np.logaddexp.reduce(logits_VC, axis=1) - own_V))


@pytest.mark.slow
def test_it_has_the_lowest_loss_on_validation_of_all_it_may_be():
    tried = {(c, hashtags): loss_of(c, hashtags) for c in INVERSE_REGULARISATIONS for hashtags in HASHTAGS}
    assert choose(TRAIN, VALIDATION, NUM_CLASSES) == min(tried, key=lambda each: tried[each])


@pytest.mark.slow
def test_posts_that_it_is_also_trained_on_are_left_out_while_it_is_chosen():
    """Chosen on posts that it knows, it would hold its weights as little as it may."""
    together = joined([TRAIN, VALIDATION])
    expected = choose(TRAIN, VALIDATION, NUM_CLASSES)
    assert choose(together, VALIDATION, NUM_CLASSES) == expected
    fitted = fit_tuned(together, VALIDATION, NUM_CLASSES)
    assert fitted.config.inverse_regularisation == expected[0] and expected[1] in fitted.config.blocks
    untuned = BASELINES["logistic_all"].fit(together, NUM_CLASSES)
    right, plainly = ((model.predict_proba(TEST).argmax(1) == TEST.labels_N).mean() for model in (fitted, untuned))
    assert right >= plainly


@pytest.mark.parametrize("asked", [VALIDATION.take([]), TRAIN], ids=["no post", "only posts that it is trained on"])
def test_where_nothing_is_to_choose_on_it_is_what_other_cities_chose(asked):
    assert choose(TRAIN, asked, NUM_CLASSES) == MIDDLE


def test_posts_of_one_place_tell_nothing_of_others():
    one = dataclasses.replace(TRAIN, labels_N=np.full(len(TRAIN), 3))
    assert (fit_tuned(one, VALIDATION, NUM_CLASSES).predict_proba(TEST).argmax(axis=1) == 3).all()
