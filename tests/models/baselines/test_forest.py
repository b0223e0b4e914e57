"""Tagvisor: a forest on multi-hot hashtags, of those that enough training posts have."""

import dataclasses

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from models.baselines.forest import ForestBaseline
from models.data.text import normalise_hashtags
from tests.models.synthetic import NUM_CLASSES, city

TRAIN, TEST = city(300, seed=1), city(150, seed=2)
SMALL = dataclasses.replace(ForestBaseline.small(), num_threads=1)


@pytest.mark.slow
def test_it_is_scikit_learns_forest_of_100_trees_over_a_binary_vector():
    tags = sorted({tag for tags in TRAIN.hashtags for tag in tags})

    def multi_hot(samples):
        return np.array([[tag in normalise_hashtags(tags) for tag in kept] for tags in samples.hashtags], dtype=float)

    kept = [tag for tag in tags if sum(tag in own for own in TRAIN.hashtags) >= 2]
    theirs = RandomForestClassifier(100, random_state=0).fit(multi_hot(TRAIN), TRAIN.labels_N)
    ours = SMALL.fit(TRAIN, NUM_CLASSES).predict_proba(TEST)
    np.testing.assert_allclose(ours[:, theirs.classes_], theirs.predict_proba(multi_hot(TEST)), atol=1e-12)


@pytest.mark.slow
def test_the_seed_decides_and_the_number_of_threads_does_not():
    one, two = (
        dataclasses.replace(SMALL, num_threads=number).fit(TRAIN, NUM_CLASSES).predict_proba(TEST) for number in (1, 2)
    )
    assert np.array_equal(one, two)
    other = dataclasses.replace(SMALL, seed=1).fit(TRAIN, NUM_CLASSES).predict_proba(TEST)
    assert not np.array_equal(one, other)


def test_hashtags_of_too_few_posts_are_not_known():
    """A tag written twice in one post counts once."""
    twice = dataclasses.replace(TRAIN, hashtags=[[*tags, *tags] for tags in TRAIN.hashtags])
    none_left = ForestBaseline(min_hashtag_count=10_000).fit(TRAIN, NUM_CLASSES).predict_proba(TEST)
    assert (none_left == none_left[0]).all()
    classifier = ForestBaseline(min_hashtag_count=20, num_threads=1).fit(twice, NUM_CLASSES)
    known = set(classifier.vectoriser.vocabulary)
    assert known == {tag for tags in TRAIN.hashtags for tag in tags if sum(tag in own for own in TRAIN.hashtags) >= 20}


@pytest.mark.parametrize("wrong", [{"num_trees": 0}, {"min_hashtag_count": 0}], ids=str)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="at least 1"):
        ForestBaseline(**wrong)
