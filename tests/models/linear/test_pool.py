"""The pool: better than each classifier where they complete each other, the anchor alone where they do not."""

import numpy as np
import pytest

from models.linear.pool import PULL, fit_pool, log_shares, log_softmax

RNG = np.random.default_rng(0)
NUM, CLASSES = 600, 5
LABELS = RNG.integers(0, CLASSES, NUM)
FOLDS = np.arange(NUM) % 3


def expert(strength, seed):
    """Scores that favour the true class by `strength`, in noise of their own."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(NUM, CLASSES)) + strength * np.eye(CLASSES)[LABELS]


def accuracy(pool, logits):
    return np.mean(np.tensordot(pool.weights_M, log_softmax(logits), 1).argmax(axis=1) == LABELS)


def test_classifiers_that_complete_each_other_are_pooled_and_better():
    logits = np.stack([expert(1.5, 1), expert(1.5, 2), expert(1.5, 3)])
    pool = fit_pool(logits, LABELS, FOLDS)
    assert pool.is_pooled and (pool.weights_M > 0.5).all()
    assert accuracy(pool, logits) > pool.anchor_accuracy + 0.1


@pytest.mark.parametrize(
    "companion",
    [
        pytest.param(expert(0.0, 4), id="noise"),
        pytest.param(30 * expert(0.0, 5), id="sure of itself and wrong"),
        pytest.param(-expert(2.0, 6), id="against the truth"),
        pytest.param(np.zeros((NUM, CLASSES)), id="silent"),
    ],
)
def test_a_useless_companion_leaves_the_anchor_alone(companion):
    anchor = 1.4 * expert(1.4, 7)
    pool = fit_pool(np.stack([anchor, companion]), LABELS, FOLDS)
    assert pool.weights_M[1] < 0.02
    moved = np.tensordot(pool.weights_M, log_softmax(np.stack([anchor, companion])), 1).argmax(axis=1)
    assert np.mean(moved == anchor.argmax(axis=1)) > 0.99


def test_little_data_moves_the_weights_little():
    logits = np.stack([expert(1.0, 8), expert(1.5, 9)])
    few, many = (fit_pool(logits[:, :count], LABELS[:count], FOLDS[:count]) for count in (8, NUM))
    assert abs(few.weights_M[1]) < 0.5 * many.weights_M[1]


def test_weights_that_do_worse_on_other_folds_are_not_used():
    """The companion is right in one fold and wrong in the others, so what it earned in some does not carry over."""
    companion = np.where((FOLDS == 0)[:, None], expert(6.0, 12), -expert(6.0, 13))
    pool = fit_pool(np.stack([expert(2.0, 11), companion]), LABELS, FOLDS)
    assert pool.pool_accuracy < pool.anchor_accuracy
    assert not pool.is_pooled and pool.weights_M.tolist() == [1.0, 0.0]


def test_no_sample_leaves_the_anchor_alone():
    pool = fit_pool(np.zeros((3, 0, CLASSES)), LABELS[:0], FOLDS[:0])
    assert not pool.is_pooled and pool.weights_M.tolist() == [1.0, 0.0, 0.0]


def test_one_fold_alone_is_no_reason_to_pool():
    logits = np.stack([expert(1.0, 1), expert(3.0, 2)])
    pool = fit_pool(logits, LABELS, np.zeros(NUM, dtype=int))
    assert not pool.is_pooled and pool.weights_M.tolist() == [1.0, 0.0]


def test_the_weights_are_the_minimum_of_what_they_are_said_to_minimise():
    logits = log_softmax(np.stack([expert(1.5, 1), expert(1.0, 2)]))
    weights = fit_pool(logits, LABELS, FOLDS).weights_M

    def value(tried):
        pooled = log_softmax(np.tensordot(tried, logits, 1))
        return -pooled[np.arange(NUM), LABELS].sum() + PULL * ((tried - [1.0, 0.0]) ** 2).sum()

    steps = ([0.01, 0], [-0.01, 0], [0, 0.01], [0, -0.01])
    assert all(value(weights) < value(weights + step) for step in np.array(steps))


@pytest.mark.fault("T29")
def test_how_often_a_class_is_counts_once_however_many_classifiers_know_it():
    """Four classifiers of their own evidence, each with the prior of classes 1:20; added up it counts four times."""
    drawn = np.random.default_rng(1)
    shares = 20.0 ** -np.arange(CLASSES)
    shares = np.maximum(shares, 1 / 20) / np.maximum(shares, 1 / 20).sum()
    labels = drawn.choice(CLASSES, NUM, p=shares)
    evidence = [1.2 * drawn.normal(size=(NUM, CLASSES)) + 1.44 * np.eye(CLASSES)[labels] for _ in range(4)]
    logits = np.stack(evidence) + np.log(shares)
    prior = log_shares(labels, CLASSES)
    plain, weighed = (fit_pool(logits, labels, FOLDS, prior_C=given) for given in (None, prior))
    assert plain.prior_weight == 0 and weighed.weights_M.sum() + weighed.prior_weight == pytest.approx(1, abs=0.6)
    assert weighed.weights_M.sum() > 2 and weighed.pool_loss < plain.pool_loss - 0.01

    def recall_of_rare(pool, bias):
        found = (np.tensordot(pool.weights_M, log_softmax(logits), 1) + bias).argmax(axis=1)
        return np.mean((found == labels)[labels > 0])

    assert recall_of_rare(weighed, weighed.prior_weight * prior) > recall_of_rare(plain, 0) + 0.03


def test_a_class_without_a_post_is_as_rare_as_the_rarest():
    assert np.exp(log_shares(np.array([0, 0, 0, 2]), 4)).tolist() == pytest.approx([0.75, 0.25, 0.25, 0.25])
