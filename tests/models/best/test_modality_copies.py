"""Posts with each of their modalities alone: what is copied, and that nothing else changes."""

import dataclasses

import numpy as np

from models.best.modality_copies import for_copies, with_single_modalities
from models.data.samples import Samples
from models.data.text import Vocabulary
from models.mrlf.config import MrlfConfig
from tests.models.synthetic import city

POSTS = Samples(
    keys=["whole", "no tags", "picture alone", "caption alone", "no picture"],
    captions=["a fine day", "one day", " ", "so fine", "fine"],
    hashtags=[["sun"], ["#"], [], [], ["sea", "sun"]],
    image_ND=np.arange(10, dtype=np.float32).reshape(5, 2),
    labels_N=np.arange(5, dtype=np.int64),
    has_image_N=np.array([True, True, True, False, False]),
    groups=["ann", "bob", "ann", "cem", "bob"],
)


def test_the_posts_themselves_come_first_and_unchanged():
    shown = with_single_modalities(POSTS)
    assert shown.take(range(5)).sha256() == POSTS.sha256()


def test_each_post_of_more_than_one_modality_comes_again_with_each_alone():
    shown = with_single_modalities(POSTS)
    found = [
        (shown.keys[row].split(" (")[0], shown.captions[row], shown.hashtags[row], bool(shown.has_image_N[row]))
        for row in range(5, len(shown))
    ]
    assert found == [
        ("whole", "a fine day", [], False),
        ("no tags", "one day", [], False),
        ("no picture", "fine", [], False),
        ("whole", "", ["sun"], False),
        ("no picture", "", ["sea", "sun"], False),
        ("whole", "", [], True),
        ("no tags", "", [], True),
    ]


def test_labels_and_groups_go_with_the_copies():
    shown = with_single_modalities(POSTS)
    original = {
        key: (label, group) for key, label, group in zip(POSTS.keys, POSTS.labels_N, POSTS.groups, strict=True)
    }
    for key, label, group in zip(shown.keys, shown.labels_N, shown.groups, strict=True):
        assert original[key.split(" (")[0]] == (label, group)


def test_no_posts_give_no_copies():
    assert len(with_single_modalities(POSTS.take([]))) == 0


def test_the_vocabulary_is_that_of_the_posts_without_copies():
    posts, config = city(80), MrlfConfig.small()
    whole = dataclasses.replace(
        posts, captions=[caption or "x" for caption in posts.captions], hashtags=[t or ["y"] for t in posts.hashtags]
    )
    shown, limits = with_single_modalities(whole), for_copies(config)
    ours, expected = (
        Vocabulary.build(samples.captions, samples.hashtags, limit)
        for samples, limit in ((shown, limits), (whole, config))
    )
    assert ours == expected
