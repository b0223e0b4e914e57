"""The wide part's trials: on users that were not learned from, with the regularisation that did best there."""

import dataclasses

import numpy as np
import pytest

from models.linear.experts import EXPERTS, fit_expert
from models.linear.pool import mean_loss
from models.linear.wide import NUM_FOLDS, cross_fit, fit_wide, folds_of
from models.linear.wide_features import WideFeatures
from tests.models.synthetic import NUM_CLASSES, city

TRAIN = dataclasses.replace(city(120), groups=[f"user {number % 40}" for number in range(120)])


@pytest.fixture(scope="module")
def crossed():
    return cross_fit(TRAIN, NUM_CLASSES, folds_of(TRAIN, seed=0))


def test_folds_are_of_like_size_and_keep_a_user_together():
    fold_N = folds_of(TRAIN, seed=0)
    assert sorted(np.bincount(fold_N)) == [39, 39, 42]
    users = [{TRAIN.groups[row] for row in np.flatnonzero(fold_N == fold)} for fold in range(NUM_FOLDS)]
    assert sum(len(one) for one in users) == len(set.union(*users)) == 40


def test_folds_follow_the_seed_alone():
    first, again, other = (folds_of(TRAIN, seed=seed) for seed in (0, 0, 1))
    assert (first == again).all() and (first != other).any()


@pytest.mark.parametrize("num_users", [1, 2])
def test_too_few_users_make_no_folds(num_users):
    few = dataclasses.replace(TRAIN, groups=[f"user {number % num_users}" for number in range(120)])
    assert not folds_of(few, seed=0).any()


def test_what_only_memory_could_know_stays_at_chance():
    """Labels that have nothing to do with the posts: a fold that was learned from would be predicted right."""
    labels_N = np.random.default_rng(0).integers(0, 2, len(TRAIN))
    drawn = dataclasses.replace(TRAIN, labels_N=labels_N)
    crossed = cross_fit(drawn, 2, folds_of(drawn, seed=0))
    learned = fit_wide(drawn, 2, crossed.choices).logits(drawn)
    for held_out_NC, memory_NC in zip(crossed.logits_MNC[:1], learned[:1], strict=True):
        assert np.mean(memory_NC.argmax(axis=1) == labels_N) > 0.95
        assert 0.3 < np.mean(held_out_NC.argmax(axis=1) == labels_N) < 0.7


@pytest.mark.slow
def test_each_fold_is_scored_by_experts_of_the_others(crossed):
    fold_N = folds_of(TRAIN, seed=0)
    inside, outside = TRAIN.take(fold_N != 1), TRAIN.take(fold_N == 1)
    expected = fit_wide(inside, NUM_CLASSES, crossed.choices).logits(outside)
    np.testing.assert_allclose(crossed.logits_MNC[:, fold_N == 1], expected, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hashtags", "image"])
def test_the_choice_is_the_one_of_lowest_loss(crossed, name):
    losses = _losses(EXPERTS[name])
    assert crossed.choices[name] == EXPERTS[name].choices[int(np.argmin(losses))]


def _losses(expert):
    """With each choice of one expert, fold by fold, fitted anew."""
    fold_N = folds_of(TRAIN, seed=0)
    held_out_KNC = np.empty((len(expert.choices), len(TRAIN), NUM_CLASSES))
    for fold in range(NUM_FOLDS):
        inside, outside = TRAIN.take(fold_N != fold), TRAIN.take(fold_N == fold)
        features = WideFeatures.learn(inside)
        learned, asked = features.transform(inside), features.transform(outside)
        for number, choice in enumerate(expert.choices):
            layer = fit_expert(expert, learned, inside.labels_N, NUM_CLASSES, choice)
            held_out_KNC[number, fold_N == fold] = layer.logits(asked)
    return [mean_loss(held_out_NC, TRAIN.labels_N) for held_out_NC in held_out_KNC]


@pytest.mark.slow
def test_a_class_of_one_user_is_not_judged():
    lonely = dataclasses.replace(TRAIN, labels_N=np.where(np.arange(120) % 40 == 7, 11, TRAIN.labels_N % 11))
    crossed = cross_fit(lonely, NUM_CLASSES, folds_of(lonely, seed=0))
    np.testing.assert_array_equal(crossed.is_usable_N, lonely.labels_N != 11)
