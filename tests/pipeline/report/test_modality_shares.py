"""Which input decides: hidden means emptied, and shares add up whatever the model is."""

from itertools import permutations

import numpy as np
import pytest

from pipeline.report.modalities import ALL, modality_use, shapley_values, showing, subsets
from tests.pipeline.report.measuring import Rule, bootstrap, make_samples

LABELS = [0, 1, 2, 3] * 10
CAPTIONS = [f"word{label}" for label in LABELS]
TAGS = [[f"tag{label}"] for label in LABELS]
POSTS = make_samples(LABELS, CAPTIONS, TAGS)


def use_of(rule):
    model = Rule(rule)
    return modality_use(model.predict_proba, POSTS, model.predict_proba(POSTS), bootstrap(POSTS))


@pytest.mark.parametrize("shown", subsets(ALL), ids=lambda shown: "+".join(sorted(shown)) or "nothing")
def test_what_is_not_shown_is_empty_and_the_rest_is_untouched(shown):
    posts = showing(POSTS, shown)
    assert posts.captions == (CAPTIONS if "text" in shown else [""] * 40)
    assert posts.hashtags == (TAGS if "hashtags" in shown else [[]] * 40)
    assert posts.has_image_N.all() if "image" in shown else not posts.has_image_N.any()
    assert posts.image_ND.any() == ("image" in shown)
    assert posts.keys == POSTS.keys
    assert (posts.labels_N == POSTS.labels_N).all()


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        pytest.param("text", lambda text, tags, image: int(text[-1]) if text else 0, id="captions"),
        pytest.param("hashtags", lambda text, tags, image: int(tags[0][-1]) if tags else 0, id="hashtags"),
        pytest.param("image", lambda text, tags, image: int(image or 0), id="pictures"),
    ],
)
def test_a_model_of_one_input_leans_on_it_alone(name, rule):
    use = use_of(rule)
    assert use.everything.value == 1.0
    assert use.blind.value == 0.25, "it names the first place"
    for each in use.modalities:
        is_it = each.name == name
        assert each.fall.value == (0.75 if is_it else 0.0)
        assert each.alone.value == (1.0 if is_it else 0.25)
        assert each.share.value == pytest.approx(0.75 if is_it else 0.0)


def test_two_inputs_that_say_the_same_share_alike_and_neither_is_missed():
    use = use_of(lambda text, tags, image: int(text[-1]) if text else int(image or 0))
    text, hashtags, image = use.modalities
    assert (text.fall.value, image.fall.value) == (0.0, 0.0)
    assert text.share.value == pytest.approx(image.share.value) == pytest.approx(0.375)
    assert hashtags.share.value == 0.0


def test_shares_equal_the_mean_over_all_orders_and_sum_to_what_all_add():
    rng = np.random.default_rng(0)
    right = {shown: rng.integers(0, 2, 30).astype(float) for shown in subsets(ALL)}
    values = {name: shapley_values(right, name) for name in ALL}
    for name in ALL:
        steps = []
        for order in permutations(sorted(ALL)):
            before = frozenset(order[: order.index(name)])
            steps.append(right[before | {name}] - right[before])
        np.testing.assert_allclose(values[name], np.mean(steps, axis=0), atol=1e-12)
    np.testing.assert_allclose(sum(values.values()), right[ALL] - right[frozenset()], atol=1e-12)


def test_every_interval_holds_its_figure():
    for each in use_of(lambda text, tags, image: int(text[-1]) if text and image else 1).modalities:
        for estimate in (each.without, each.fall, each.alone, each.share):
            assert estimate.low <= estimate.value <= estimate.high
