"""The linear model that answers by itself: the baseline as it is, stored without pickle and read back strictly."""

import json
import pickle

import numpy as np
import pytest

from models.candidates import BASELINES
from models.data.samples import Samples
from models.linear.linear_model import LinearModel, fit_linear
from models.trained import load_model

NUM_CLASSES = 4


def posts(seeds: range, *, num_classes: int = 3) -> Samples:
    """Posts whose word gives the place away; the last of `NUM_CLASSES` places has none."""
    labels = np.array([seed % num_classes for seed in seeds], dtype=np.int64)
    return Samples(
        keys=[f"post{seed}" for seed in seeds],
        captions=[f"by the word{label} again" for label in labels],
        hashtags=[[f"tag{label}", "town"] for label in labels],
        image_ND=np.random.default_rng(0).normal(size=(len(labels), 5)).astype(np.float32),
        labels_N=labels,
    )


TRAIN, ASKED = posts(range(30)), posts(range(30, 36))


@pytest.fixture(scope="module")
def model() -> LinearModel:
    return fit_linear(TRAIN, NUM_CLASSES)


@pytest.mark.fault("N6")
def test_it_is_the_baseline_on_all_three(model):
    proba = model.predict_proba(ASKED)
    baseline = BASELINES["logistic_all"].fit(TRAIN, NUM_CLASSES)
    np.testing.assert_array_equal(proba, baseline.predict_proba(ASKED))
    assert (proba.argmax(axis=1) == ASKED.labels_N).all()
    assert not proba[:, 3].any(), "a place without a training post"
    np.testing.assert_allclose(proba.sum(axis=1), 1)


@pytest.mark.fault("N6")
def test_a_stored_one_answers_to_the_bit_and_holds_no_pickle(model, tmp_path):
    names = model.save(tmp_path / "one")
    loaded = load_model(tmp_path / "one")
    np.testing.assert_array_equal(loaded.predict_proba(ASKED), model.predict_proba(ASKED))
    assert (loaded.configs, loaded.num_parameters) == (model.configs, model.num_parameters)
    loaded.save(tmp_path / "two")
    for name in names:
        content = (tmp_path / "one" / name).read_bytes()
        assert content == (tmp_path / "two" / name).read_bytes()
        with pytest.raises(Exception, match=r".*"):
            pickle.loads(content)  # noqa: S301


@pytest.mark.parametrize("blocks", [(), ("hashtags",)], ids=["nothing to read", "hashtags alone"])
def test_what_it_does_not_read_moves_nothing(blocks):
    fitted = fit_linear(TRAIN, NUM_CLASSES, blocks)
    other = Samples(
        keys=ASKED.keys,
        captions=["else"] * 6,
        hashtags=ASKED.hashtags,
        image_ND=-ASKED.image_ND,
        labels_N=TRAIN.labels_N[:6],
    )
    np.testing.assert_array_equal(fitted.predict_proba(other), fitted.predict_proba(ASKED))


def test_posts_of_one_place_give_that_place(tmp_path):
    one = fit_linear(posts(range(5), num_classes=1), NUM_CLASSES)
    one.save(tmp_path)
    np.testing.assert_array_equal(load_model(tmp_path).predict_proba(ASKED), np.eye(NUM_CLASSES)[[0] * 6])


def edit(folder, **changes):
    path = folder / "linear.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.fault("T6")
@pytest.mark.parametrize(
    ("damage", "match"),
    [
        pytest.param(lambda f: (f / "wide.safetensors").write_bytes(b"x" * 99), "damaged", id="no safetensors"),
        pytest.param(lambda f: (f / "terms.json").write_text("{}"), r"terms\.json", id="terms of another model"),
        pytest.param(
            lambda f: (
                fit_linear(TRAIN.take(range(9)), 4).save(f / "x")
                and (f / "x/wide.safetensors").rename(f / "wide.safetensors")
            ),
            "weights",
            id="another's weights",
        ),
        pytest.param(lambda f: (f / "linear.json").write_text("{"), "no JSON", id="half a description"),
        pytest.param(lambda f: edit(f, format=99), "no model of format", id="other format"),
        pytest.param(lambda f: edit(f, num_classes=3), "do not fit", id="other number of classes"),
        pytest.param(lambda f: edit(f, config={}), "another version", id="settings of another version"),
    ],
)
def test_a_folder_that_does_not_fit_together_is_refused(model, tmp_path, damage, match):
    model.save(tmp_path)
    damage(tmp_path)
    with pytest.raises(ValueError, match=match):
        load_model(tmp_path)
