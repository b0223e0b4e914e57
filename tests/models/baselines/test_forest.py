"""Tagvisor: a forest on multi-hot hashtags, of those that enough training posts have."""

import dataclasses

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from models.baselines.deepgeo import DeepgeoConfig
from models.baselines.forest import ForestBaseline
from models.baselines.loctwi import LocTwiConfig
from models.candidates import Setup, fit_candidate
from models.data.samples import Samples
from models.data.text import Vocabulary, normalise_hashtags
from models.mrlf.config import MrlfConfig
from tests.models.synthetic import NUM_CLASSES, city

TRAIN, TEST = city(300, seed=1), city(150, seed=2)
SMALL = ForestBaseline(num_threads=1)


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


def tagged(num_tags: int, posts_each: int) -> Samples:
    """Posts of one hashtag each, which tells the class."""
    tags = [f"tag{number}" for number in range(num_tags) for _ in range(posts_each)]
    return Samples(
        keys=[str(row) for row in range(len(tags))],
        captions=[""] * len(tags),
        hashtags=[[tag] for tag in tags],
        image_ND=np.zeros((len(tags), 1), dtype=np.float32),
        labels_N=np.repeat(np.arange(num_tags) % 8, posts_each),
    )


@pytest.mark.fault("T24")
@pytest.mark.parametrize(
    "num_tags", [pytest.param(16, id="16 tags"), pytest.param(160, marks=pytest.mark.slow, id="160 tags")]
)
def test_tags_that_curation_keeps_are_not_counted_again_in_training(num_tags):
    """55 posts of the city have each tag, 44 of them are for training: at 50 again there the forest knew none."""
    posts, is_train = tagged(num_tags, 55), np.arange(55 * num_tags) % 5 != 0
    train, test = posts.take(is_train), posts.take(~is_train)
    setup = Setup(num_classes=8, class_lat_C=np.zeros(8), class_lng_C=np.zeros(8), num_threads=1)
    forest = fit_candidate("tagvisor", train, test, setup, settings={"preset": "paper"})
    assert (forest.predict_proba(test).argmax(axis=1) == test.labels_N).mean() > 0.99
    for config in (MrlfConfig.paper(), DeepgeoConfig.paper(), LocTwiConfig.paper()):
        assert len(Vocabulary.build(train.captions, train.hashtags, config).hashtags) == num_tags
