"""Features of the wide part: scikit-learn's own, the same after storing, harmless where a post lacks something."""

import dataclasses

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from models.data.samples import Samples
from models.data.text import normalise, words_of
from models.linear.wide_features import BLOCKS, WideFeatures
from tests.models.synthetic import city

TRAIN, ASKED = city(60), city(30, seed=5)


def samples(captions, hashtags, has_image=True):
    count = len(captions)
    image_ND = np.random.default_rng(0).normal(size=(count, 4)).astype(np.float32)
    has_image_N = np.full(count, has_image)
    return Samples(
        keys=[str(number) for number in range(count)],
        captions=captions,
        hashtags=hashtags,
        image_ND=image_ND,
        labels_N=np.zeros(count, np.int64),
        has_image_N=has_image_N,
    )


@pytest.mark.parametrize(
    ("block", "reference"),
    [
        pytest.param(
            "characters",
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=2, sublinear_tf=True),
            id="characters",
        ),
        pytest.param(
            "words",
            TfidfVectorizer(tokenizer=words_of, token_pattern=None, ngram_range=(1, 2), sublinear_tf=True),
            id="words",
        ),
    ],
)
def test_the_text_blocks_are_those_of_scikit_learn(block, reference):
    features = WideFeatures.learn(TRAIN)
    reference.fit([normalise(caption) for caption in TRAIN.captions])
    expected = reference.transform([normalise(caption) for caption in ASKED.captions])
    assert features.terms[block] == tuple(reference.get_feature_names_out())
    np.testing.assert_allclose(features.transform(ASKED)[block].toarray(), expected.toarray(), rtol=1e-12, atol=0)


def test_hashtags_are_one_each_and_their_weighted_block_has_length_one():
    features = WideFeatures.learn(samples(["", "", ""], [["a", "b"], ["a"], ["#A", "c"]]))
    blocks = features.transform(samples(["", "", ""], [["a", "c"], ["unheard"], []]))
    np.testing.assert_array_equal(blocks["hashtags"].toarray(), [[1, 0, 1], [0, 0, 0], [0, 0, 0]])
    weighted = blocks["hashtags_idf"].toarray()
    np.testing.assert_allclose(np.linalg.norm(weighted, axis=1), [1, 0, 0])
    assert weighted[0, 2] > weighted[0, 0], "the rarer hashtag says more"


def test_rebuilt_features_are_bit_for_bit_the_same():
    features = WideFeatures.learn(TRAIN)
    again = WideFeatures(dict(features.terms), dict(features.idf), features.scaler)
    first, second = features.transform(ASKED), again.transform(ASKED)
    assert set(first) == set(BLOCKS)
    assert all((first[block] != second[block]).nnz == 0 for block in BLOCKS)


def test_widths_are_the_columns_of_the_blocks():
    features = WideFeatures.learn(TRAIN)
    assert features.widths() == {name: block.shape[1] for name, block in features.transform(ASKED).items()}


def test_a_post_without_picture_has_zeros_whatever_its_row_holds():
    features = WideFeatures.learn(TRAIN)
    missing = dataclasses.replace(ASKED, has_image_N=np.zeros(len(ASKED), dtype=bool))
    assert features.transform(missing)["image"].nnz == 0


@pytest.mark.parametrize(
    ("learned_from", "empty"),
    [
        pytest.param(samples(["", " "], [["a"], ["b"]]), {"characters", "words"}, id="no captions"),
        pytest.param(samples(["a fine day", "one fine day"], [[], []]), {"hashtags", "hashtags_idf"}, id="no tags"),
        pytest.param(samples(["one fine day"] * 2, [["a"]] * 2, has_image=False), {"image"}, id="no pictures"),
        pytest.param(samples(["!?", "..."], [["#"], []], has_image=False), set(BLOCKS), id="nothing"),
        pytest.param(samples(["one fine day"], [["a"]]), {"characters"}, id="one post"),
    ],
)
def test_what_training_lacks_has_no_columns(learned_from, empty):
    features = WideFeatures.learn(learned_from)
    assert {name for name, width in features.widths().items() if width == 0} == empty
    for asked in (learned_from, learned_from.take([])):
        shapes = {name: block.shape for name, block in features.transform(asked).items()}
        assert shapes == {name: (len(asked), width) for name, width in features.widths().items()}
