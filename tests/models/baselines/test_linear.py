"""The baselines of the report: proper probabilities over all classes, and each learns its modality."""

import dataclasses

import numpy as np
import pytest

from models.baselines import BASELINES, LogisticBaseline
from tests.models.synthetic import NUM_CLASSES, city

TRAIN, TEST = city(400, seed=1), city(200, seed=2)
NAMES = ["majority", "logistic_hashtags", "logistic_text", "logistic_image", "logistic_all"]
CONTENT = {"logistic_hashtags": "hashtags", "logistic_text": "captions", "logistic_image": "image_ND"}


def without(samples, *fields):
    """The same posts with nothing in `fields`."""
    nothing = {
        "captions": [""] * len(samples),
        "hashtags": [[] for _ in samples.keys],
        "image_ND": np.ones_like(samples.image_ND),
    }
    return dataclasses.replace(samples, **{field: nothing[field] for field in fields})


def accuracy_of(name, train=TRAIN, test=TEST):
    proba = BASELINES[name].fit(train, NUM_CLASSES).predict_proba(test)
    return (proba.argmax(axis=1) == test.labels_N).mean()


def test_the_registry_names_what_the_reports_name():
    assert list(BASELINES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_probabilities_over_all_classes_also_those_absent_in_training(name):
    few = TRAIN.take(np.flatnonzero((TRAIN.labels_N > 2) & (TRAIN.labels_N < 9)))
    proba = BASELINES[name].fit(few, NUM_CLASSES).predict_proba(TEST)
    assert proba.shape == (200, NUM_CLASSES) and proba.dtype == np.float64
    np.testing.assert_allclose(proba.sum(axis=1), 1.0, atol=1e-9)
    assert not proba[:, [0, 1, 2, 9, 10, 11]].any()
    assert BASELINES[name].fit(few, NUM_CLASSES).predict_proba(TEST.take([])).shape == (0, NUM_CLASSES)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "content"), CONTENT.items())
def test_each_reads_its_own_modality_and_no_other(name, content):
    others = [field for field in CONTENT.values() if field != content]
    assert accuracy_of(name) > 0.35
    assert accuracy_of(name, without(TRAIN, *others), without(TEST, *others)) == accuracy_of(name)


def test_all_modalities_together_beat_each_alone():
    assert accuracy_of("logistic_all") > max(accuracy_of(name) for name in CONTENT) + 0.05


def test_majority_gives_the_shares_of_training():
    proba = BASELINES["majority"].fit(TRAIN, NUM_CLASSES).predict_proba(TEST)
    np.testing.assert_allclose(proba, np.tile(np.bincount(TRAIN.labels_N, minlength=12) / 400, (200, 1)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fields", [("captions",), ("hashtags",), ("captions", "hashtags", "image_ND")], ids=str)
def test_a_modality_that_is_empty_throughout_breaks_nothing(name, fields):
    proba = BASELINES[name].fit(without(TRAIN, *fields), NUM_CLASSES).predict_proba(TEST)
    np.testing.assert_allclose(proba.sum(axis=1), 1.0, atol=1e-9)


@pytest.mark.fault("T1")
@pytest.mark.parametrize("name", NAMES)
def test_training_samples_of_one_class_give_that_class(name):
    one = TRAIN.take(np.flatnonzero(TRAIN.labels_N == 4))
    for few in (one, one.take([0])):
        assert (BASELINES[name].fit(few, NUM_CLASSES).predict_proba(TEST).argmax(axis=1) == 4).all()


@pytest.mark.fault("T8")
@pytest.mark.parametrize("name", NAMES)
def test_the_same_samples_give_the_same_probabilities(name):
    one, two = (BASELINES[name].fit(TRAIN, NUM_CLASSES).predict_proba(TEST) for _ in range(2))
    assert np.array_equal(one, two)


def test_no_training_samples_are_refused():
    with pytest.raises(ValueError, match="train split is empty"):
        BASELINES["logistic_all"].fit(TRAIN.take([]), NUM_CLASSES)


def test_characters_alone_leave_the_words_out():
    """With the words of a post in another order, character n-grams within words are the same."""
    classifier = LogisticBaseline(has_characters=True).fit(TRAIN, NUM_CLASSES)
    turned = dataclasses.replace(TEST, captions=[" ".join(caption.split()[::-1]) for caption in TEST.captions])
    np.testing.assert_allclose(classifier.predict_proba(turned), classifier.predict_proba(TEST), atol=1e-9)
    with_words = BASELINES["logistic_text"].fit(TRAIN, NUM_CLASSES)
    assert np.abs(with_words.predict_proba(turned) - with_words.predict_proba(TEST)).max() > 1e-3


@pytest.mark.parametrize("value", [0.0, 9.0])
def test_what_stands_where_a_picture_is_missing_is_not_looked_at(value):
    """Neither in training, where it would move the scales, nor when asked."""

    def blanked(samples, value):
        has_image_N = np.arange(len(samples)) % 3 > 0
        image_ND = np.where(has_image_N[:, None], samples.image_ND, np.float32(value))
        return dataclasses.replace(samples, image_ND=image_ND, has_image_N=has_image_N)

    def asked(value):
        classifier = BASELINES["logistic_all"].fit(blanked(TRAIN, value), NUM_CLASSES)
        return classifier.predict_proba(blanked(TEST, value))

    assert np.array_equal(asked(value), asked(-3.0))
