"""The linear experts: the anchor is the baseline itself, and the pool of all is one linear layer."""

import numpy as np
import pytest
from scipy.sparse import hstack
from sklearn.linear_model import LogisticRegression

from models.baselines import BASELINES
from models.linear.experts import EXPERTS, MAX_ITERATIONS, fit_expert, joined, rounded
from models.linear.pool import log_softmax
from models.linear.wide_features import WideFeatures
from tests.models.synthetic import NUM_CLASSES, city

ANCHOR = next(iter(EXPERTS))
TRAIN, ASKED = city(80), city(40, seed=3)


def fitted(train=TRAIN, num_classes=NUM_CLASSES, choice=3.0):
    features = WideFeatures.learn(train)
    blocks = features.transform(train)
    layers = {name: fit_expert(e, blocks, train.labels_N, num_classes, choice) for name, e in EXPERTS.items()}
    return layers, features


def test_the_anchor_is_the_baseline_on_all_three_modalities():
    layers, features = fitted()
    proba = np.exp(log_softmax(layers[ANCHOR].logits(features.transform(ASKED))))
    expected = BASELINES["logistic_all"].fit(TRAIN, NUM_CLASSES).predict_proba(ASKED)
    np.testing.assert_allclose(proba, expected, atol=1e-9)


def test_joined_experts_are_one_layer_of_their_weighted_scores():
    layers, features = fitted()
    weights = dict(zip(layers, [0.5, 0.0, 1.5, 0.2, 2.0], strict=True))
    blocks = features.transform(ASKED)
    expected = sum(weights[name] * layer.logits(blocks) for name, layer in layers.items())
    np.testing.assert_allclose(joined(layers, weights).logits(blocks), expected, atol=1e-9)


def test_rounding_moves_scores_by_next_to_nothing_and_drops_idle_blocks():
    layers, features = fitted()
    layer = joined(layers, {name: float(name == "image") for name in layers})
    small, blocks = rounded(layer), features.transform(ASKED)
    assert set(small.weights) == {"image"}
    np.testing.assert_allclose(small.logits(blocks), layer.logits(blocks), atol=1e-5)


@pytest.mark.parametrize(
    "num_met", [pytest.param(1, id="one class"), pytest.param(2, id="two"), pytest.param(3, id="three")]
)
def test_a_class_without_training_posts_is_next_to_impossible(num_met):
    train = TRAIN.take(np.flatnonzero(TRAIN.labels_N < num_met))
    layers, features = fitted(train)
    for layer in layers.values():
        proba = np.exp(log_softmax(layer.logits(features.transform(ASKED))))
        assert proba[:, num_met:].max() < 1e-6
        np.testing.assert_array_equal(layer.seen_C, np.arange(NUM_CLASSES) < num_met)


def test_two_classes_are_scored_as_scikit_learn_does():
    train = TRAIN.take(np.flatnonzero(TRAIN.labels_N < 2))
    layers, features = fitted(train, num_classes=2)
    proba = np.exp(log_softmax(layers[ANCHOR].logits(features.transform(ASKED))))
    regression = LogisticRegression(C=3.0, max_iter=MAX_ITERATIONS, tol=1e-3).fit(
        design(features, train), train.labels_N
    )
    np.testing.assert_allclose(proba, regression.predict_proba(design(features, ASKED)), atol=1e-9)
    expected = BASELINES["logistic_all"].fit(train, 2).predict_proba(ASKED)
    np.testing.assert_allclose(proba, expected, atol=1e-9)


def design(features, samples):
    """What scikit-learn is given: the anchor's blocks side by side."""
    blocks = features.transform(samples)
    return hstack([blocks[name] * scale for name, scale in EXPERTS[ANCHOR].scales.items()], format="csr")
