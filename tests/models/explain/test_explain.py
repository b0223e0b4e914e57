"""Occlusion: each part's influence is what the answer loses without it, on models whose reasons are known."""

import numpy as np
import pytest

from models.data.samples import Samples
from models.explain.explain import MAX_WORDS, explain, influences, joined, shown_hashtags, shown_words, variants
from models.mrlf.mrlf import MrlfConfig
from models.settings.train_config import TrainConfig
from models.training.training import fit

PLANTED = {"harbour": 0.4, "sea": 0.1, "museum": -0.2}
PLANTED_TAGS = {"port": 0.05}
PICTURE = 0.15


class Planted:
    """A model of two classes that adds up known weights of words, hashtags and the picture."""

    def predict_proba(self, samples: Samples) -> np.ndarray:
        """Class 1 is 0.2 and the weights of what is there."""
        first_N = np.array(
            [
                0.2
                + sum(PLANTED.get(word, 0) for word in caption.lower().split())
                + sum(PLANTED_TAGS.get(tag, 0) for tag in tags)
                + PICTURE * has_image
                for caption, tags, has_image in zip(
                    samples.captions, samples.hashtags, samples.has_image_N, strict=True
                )
            ]
        )
        return np.stack([1 - first_N, first_N], axis=1)


def post(caption: str = "", hashtags: tuple[str, ...] = (), *, has_image: bool = True) -> Samples:
    """One post."""
    return Samples(
        keys=["p"],
        captions=[caption],
        hashtags=[list(hashtags)],
        image_ND=np.ones((1, 3), dtype=np.float32),
        labels_N=np.zeros(1, dtype=np.int64),
        has_image_N=np.array([has_image]),
    )


def test_each_part_has_the_influence_that_was_planted():
    found = explain(Planted(), post("By the HARBOUR  a sea museum", ("port", "town")))
    assert shown_words("By the HARBOUR  a sea museum") == ["by", "the", "harbour", "a", "sea", "museum"]
    np.testing.assert_allclose(found.words_W, [0, 0, 0.4, 0, 0.1, -0.2], atol=1e-12)
    np.testing.assert_allclose(found.hashtags_T, [0.05, 0], atol=1e-12)
    assert found.image == pytest.approx(PICTURE)


@pytest.mark.parametrize(
    ("one", "num_words", "num_tags", "has_image"),
    [
        pytest.param(post(), 0, 0, True, id="a picture alone"),
        pytest.param(post("sea", has_image=False), 1, 0, False, id="a word alone"),
        pytest.param(post(hashtags=("port",), has_image=False), 0, 1, False, id="a hashtag alone"),
        pytest.param(post("a b", ("#Port", " ", "x"), has_image=True), 2, 2, True, id="all three"),
        pytest.param(post("w " * 200, ("t",) * 40), MAX_WORDS, 30, True, id="more words and hashtags than are tried"),
    ],
)
def test_there_is_one_variant_for_each_part_and_one_for_the_whole(one, num_words, num_tags, has_image):
    varied = variants(one)
    assert len(varied) == 1 + num_words + num_tags + has_image
    assert (varied.captions[0], varied.hashtags[0], varied.has_image_N[0]) == (
        one.captions[0],
        one.hashtags[0],
        one.has_image_N[0],
    )
    found = explain(Planted(), one)
    assert (len(found.words_W), len(found.hashtags_T)) == (num_words, num_tags)
    assert (len(shown_words(one.captions[0])), len(shown_hashtags(one.hashtags[0]))) == (num_words, num_tags)
    assert (found.image is not None) == has_image


def test_a_variant_lacks_its_part_and_nothing_else():
    varied = variants(post("a b c", ("x", "y")))
    assert varied.captions == ["a b c", "b c", "a c", "a b", "a b c", "a b c", "a b c"]
    assert varied.hashtags == [["x", "y"]] * 4 + [["y"], ["x"], ["x", "y"]]
    assert varied.has_image_N.tolist() == [True] * 6 + [False]
    assert (varied.image_ND[:6] == 1).all() and (varied.image_ND[6] == 0).all()


def test_posts_joined_are_explained_as_each_alone():
    posts = [post("sea harbour", ("port",)), post("museum", has_image=False), post()]
    varied = [variants(one) for one in posts]
    proba = Planted().predict_proba(joined(varied))
    parts = np.split(proba, np.cumsum([len(one) for one in varied])[:-1])
    for one, part in zip(posts, parts, strict=True):
        alone = explain(Planted(), one)
        together = influences(one, part, int(part[0].argmax()))
        np.testing.assert_array_equal(together.words_W, alone.words_W)
        np.testing.assert_array_equal(together.hashtags_T, alone.hashtags_T)
        assert together.image == alone.image


@pytest.mark.slow
def test_the_word_that_tells_the_place_has_the_most_influence_on_a_trained_network():
    """Posts of two places: one word of each gives the place away; the rest, hashtags and picture are noise."""
    telling = ("harbour", "museum")
    posts = planted_posts(telling, num_posts=96, seed=0)
    fitted = fit(
        posts,
        planted_posts(telling, num_posts=32, seed=1),
        num_classes=2,
        model_config=MrlfConfig.small(),
        train_config=TrainConfig(max_epochs=4, learning_rate=3e-3, batch_size=16, num_threads=1),
    )
    asked = planted_posts(telling, num_posts=8, seed=2)
    for row in range(len(asked)):
        one = asked.take([row])
        words = shown_words(one.captions[0])
        found = explain(fitted, one)
        parts = [*found.words_W, *found.hashtags_T, found.image]
        assert words[int(np.argmax(parts))] == telling[one.labels_N[0]]


def planted_posts(telling: tuple[str, str], *, num_posts: int, seed: int) -> Samples:
    """Posts of which one word gives the place away."""
    rng = np.random.default_rng(seed)
    labels_N = rng.integers(0, 2, num_posts)
    noise = ["quiet", "morning", "rain", "coffee", "again", "walk"]
    captions = [" ".join(rng.permutation([*rng.choice(noise, 3), telling[label]])) for label in labels_N]
    return Samples(
        keys=[f"{seed}-{n}" for n in range(num_posts)],
        captions=captions,
        hashtags=[["town"]] * num_posts,
        image_ND=rng.normal(size=(num_posts, 4)).astype(np.float32),
        labels_N=labels_N,
    )
