"""Preset `best`: what it may look at, what it shrinks to, and that it comes back from its folder as it was."""

import dataclasses
import json

import numpy as np
import pytest

from models.baselines import BASELINES
from models.best import ensemble as best_module
from models.best.ensemble import fit_best, most_epochs, refit_best
from models.best.wide_and_deep import Ensemble, log_proba
from models.data.samples import joined
from models.linear.experts import EXPERTS
from models.mrlf.config import MrlfConfig
from models.settings.train_config import TrainConfig
from models.trained import load_model
from models.training.run import LATEST
from models.training.training import TrainingStoppedError
from tests.models.synthetic import NUM_CLASSES, city

TRAIN, VALIDATION, ASKED = city(60), city(40, seed=4), city(60, seed=9)
NETWORK = dataclasses.replace(
    MrlfConfig.small(), characters=False, num_filters=8, num_heads=2, char_dim=8, word_dim=8, ffn_dim=8, image_fc_dim=8
)
TRAINING = TrainConfig(max_epochs=2, num_threads=1, device="cpu")


def trained(train=TRAIN, validation=VALIDATION, **more):
    how = {"num_classes": NUM_CLASSES, "network_config": NETWORK, "train_config": TRAINING}
    return fit_best(train, validation, **(how | more))


@pytest.fixture(scope="module", autouse=True)
def few_choices():
    """At most two regularisations of an expert to choose from: each costs a fit on every fold."""
    with pytest.MonkeyPatch.context() as patch:
        for name, expert in EXPERTS.items():
            patch.setitem(EXPERTS, name, dataclasses.replace(expert, choices=expert.choices[-2:]))
        yield


@pytest.fixture(scope="module")
def best():
    return trained()


def test_trained_anew_it_keeps_what_was_chosen_and_learns_from_the_validation_samples(best):
    again = refit_best(best, joined([TRAIN, VALIDATION]))
    assert (again.deep_weight, again.summary) == (best.deep_weight, best.summary)
    assert [network.best_epoch for network in again.networks] == [network.best_epoch for network in best.networks]
    own = [
        model.predict_proba(VALIDATION)[np.arange(len(VALIDATION)), VALIDATION.labels_N].mean()
        for model in (best, again)
    ]
    assert own[1] > own[0] + 0.05


def weaker(best, factor):
    """The same with experts that are bound harder."""
    bound = {name: factor * value for name, value in best.summary.inverse_regularisations.items()}
    return dataclasses.replace(
        best, deep_weight=0.0, summary=dataclasses.replace(best.summary, inverse_regularisations=bound)
    )


def test_trained_anew_a_part_that_weighs_nothing_stays_and_the_experts_are_bound_as_was_chosen(best):
    again, bound = (refit_best(weaker(best, factor), TRAIN) for factor in (1.0, 1e-3))
    assert again.networks is best.networks, "of no weight: nothing is trained"
    ours, chosen, others = (np.concatenate([*each.layer.weights.values()]) for each in (again, best, bound))
    np.testing.assert_array_equal(ours, chosen)
    assert np.abs(others).max() < np.abs(chosen).max() / 2


@pytest.mark.slow
def test_trained_anew_and_stopped_in_a_later_network_it_goes_on_there(best, tmp_path):
    deep = dataclasses.replace(best, deep_weight=0.5)
    done, left, asked = [], [], iter(range(10**6))
    undisturbed = refit_best(deep, TRAIN, on_step=lambda *step: done.append(step))
    first = sum(epoch <= deep.networks[0].best_epoch for epoch, *_ in done)
    with pytest.raises(TrainingStoppedError):
        refit_best(deep, TRAIN, checkpoint_dir=tmp_path, should_stop=lambda: next(asked) == first + 1)
    again = refit_best(deep, TRAIN, checkpoint_dir=tmp_path, on_step=lambda *step: left.append(step))
    assert left == done[first + 1 :]
    assert {path.name for path in tmp_path.iterdir()} == {f"network_{number}" for number in range(len(deep.networks))}
    np.testing.assert_array_equal(again.predict_proba(ASKED), undisturbed.predict_proba(ASKED))


@pytest.mark.slow
def test_probabilities_are_float64_rows_that_sum_to_one(best):
    proba = best.predict_proba(ASKED)
    assert proba.shape == (len(ASKED), NUM_CLASSES) and proba.dtype == np.float64
    np.testing.assert_allclose(proba.sum(axis=1), 1.0, atol=1e-12)
    assert best.predict_proba(ASKED.take([])).shape == (0, NUM_CLASSES)


def test_order_company_and_labels_of_the_asked_samples_do_not_matter(best):
    proba, order = best.predict_proba(ASKED), np.random.default_rng(0).permutation(len(ASKED))
    np.testing.assert_allclose(best.predict_proba(ASKED.take(order)), proba[order], atol=1e-6)
    np.testing.assert_allclose(best.predict_proba(ASKED.take([7])), proba[[7]], atol=1e-6)
    relabelled = dataclasses.replace(ASKED, labels_N=np.zeros_like(ASKED.labels_N))
    np.testing.assert_array_equal(best.predict_proba(relabelled), proba)


@pytest.mark.slow
def test_the_same_data_and_settings_give_the_same_bytes(best, tmp_path):
    names = best.save(tmp_path / "one")
    assert trained().save(tmp_path / "two") == names
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def by_users(samples, count):
    return dataclasses.replace(samples, groups=[f"user {number % count}" for number in range(len(samples))])


def test_where_nothing_can_be_scored_on_other_users_it_is_the_linear_model():
    best = trained(by_users(TRAIN, 2), by_users(VALIDATION, 2))
    expected = BASELINES["logistic_all"].fit(TRAIN, NUM_CLASSES).predict_proba(ASKED)
    assert not best.summary.is_pooled and best.deep_weight == 0
    np.testing.assert_allclose(best.predict_proba(ASKED), expected, atol=1e-5)
    assert (best.predict_proba(ASKED).argmax(axis=1) == expected.argmax(axis=1)).all()


@pytest.mark.slow
def test_a_network_that_learned_nothing_gets_next_to_no_weight():
    best = trained(train_config=dataclasses.replace(TRAINING, learning_rate=1e-9))
    deaf = dataclasses.replace(best, deep_weight=0.0)
    same_N = deaf.predict_proba(ASKED).argmax(axis=1) == best.predict_proba(ASKED).argmax(axis=1)
    assert same_N.mean() > 0.95


@pytest.mark.slow
def test_it_stands_above_the_linear_model_where_modalities_complete_each_other():
    train, asked = city(250), city(600, seed=9)
    expected = BASELINES["logistic_all"].fit(train, NUM_CLASSES).predict_proba(asked).argmax(axis=1)
    found = trained(train).predict_proba(asked).argmax(axis=1)
    assert np.mean(found == asked.labels_N) > np.mean(expected == asked.labels_N) + 0.01


@pytest.mark.slow
def test_each_network_is_scored_on_users_it_never_met(monkeypatch):
    """Every user has a hashtag of their own, so a network's vocabulary shows whom it learned from."""
    tagged = dataclasses.replace(
        by_users(TRAIN, 30), hashtags=[[f"tagof{number % 30}"] * 2 for number in range(len(TRAIN))]
    )
    asked = []

    def noted(networks, samples):
        asked.append((networks, samples))
        return log_proba(networks, samples)

    monkeypatch.setattr(best_module, "log_proba", noted)
    best = trained(tagged)
    assert [networks for networks, _ in asked] == [[network] for network in best.networks]
    assert sorted(key for _, samples in asked for key in samples.keys) == sorted(tagged.keys)
    for (network,), samples in asked:
        known, tried = set(network.vocabulary.hashtags), {tag for tags in samples.hashtags for tag in tags}
        assert len(known) + len(tried) == 30 and not known & tried


@pytest.mark.slow
def test_validation_chooses_epochs_and_nothing_else():
    one_epoch = dataclasses.replace(TRAINING, max_epochs=1)
    one, other = (trained(validation=city(30, seed=seed), train_config=one_epoch) for seed in (4, 5))
    np.testing.assert_array_equal(one.predict_proba(ASKED), other.predict_proba(ASKED))


def test_many_posts_are_weighed_on_validation_with_one_network(monkeypatch):
    monkeypatch.setattr(best_module, "CROSS_FIT_BELOW_POSTS", len(TRAIN))
    best = trained()
    assert len(best.networks) == 1 and not best.summary.is_cross_fitted
    assert best.summary.num_samples == len(VALIDATION) and most_epochs(len(TRAIN), TRAINING) == TRAINING.max_epochs


@pytest.mark.slow
def test_epochs_are_reported_numbered_on_from_network_to_network():
    epochs, steps = [], []
    best = trained(
        on_epoch=epochs.append, on_step=lambda epoch, step, num_steps: steps.append((epoch, step / num_steps))
    )
    assert [epoch.epoch for epoch in epochs] == list(range(1, most_epochs(len(TRAIN), TRAINING) + 1))
    assert best.history == epochs
    assert steps == sorted(steps) and [epoch for epoch, share in steps if share == 1] == [one.epoch for one in epochs]
    lowest = min(epochs, key=lambda epoch: epoch.validation_loss)
    assert best.best_epoch == lowest.epoch


@pytest.mark.slow
@pytest.mark.fault("T7")
def test_a_stopped_run_goes_on_to_the_very_same_model(best, tmp_path):
    asked = iter(range(10_000))
    with pytest.raises(TrainingStoppedError):
        trained(checkpoint_dir=tmp_path / "checkpoint", should_stop=lambda: next(asked) == 20)
    assert (tmp_path / "checkpoint" / "network_1" / LATEST).exists(), "the second network was under way"
    names = best.save(tmp_path / "whole")
    assert trained(checkpoint_dir=tmp_path / "checkpoint").save(tmp_path / "resumed") == names
    for name in names:
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "resumed" / name).read_bytes()


@pytest.mark.fault("T12")
def test_a_loaded_model_is_the_one_that_was_saved(best, tmp_path):
    best.save(tmp_path)
    loaded = load_model(tmp_path)
    assert isinstance(loaded, Ensemble)
    np.testing.assert_array_equal(loaded.predict_proba(ASKED), best.predict_proba(ASKED))
    for name in (
        "summary",
        "num_classes",
        "num_parameters",
        "best_epoch",
        "model_config",
        "train_config",
        "vocabulary",
    ):
        assert getattr(loaded, name) == getattr(best, name)


def flip_last_byte(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


def edit_description(folder, **changes):
    path = folder / "best.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def swap_networks(folder):
    (folder / "network_0").rename(folder / "kept")
    (folder / "network_1").rename(folder / "network_0")
    (folder / "kept").rename(folder / "network_1")


@pytest.mark.fault("T6")
@pytest.mark.parametrize(
    ("damage", "match"),
    [
        pytest.param(lambda f: flip_last_byte(f / "wide.safetensors"), "weights", id="weights flipped"),
        pytest.param(lambda f: (f / "wide.safetensors").write_bytes(b"x" * 99), "damaged", id="no safetensors"),
        pytest.param(lambda f: (f / "terms.json").write_text("{}"), r"terms\.json", id="terms of another model"),
        pytest.param(lambda f: flip_last_byte(f / "network_1" / "model.safetensors"), "weights", id="network flipped"),
        pytest.param(swap_networks, "network_0", id="networks exchanged"),
        pytest.param(lambda f: (f / "best.json").write_text("{"), "no JSON", id="half a best.json"),
        pytest.param(lambda f: (f / "best.json").write_text("[]"), "no model of format", id="no best.json"),
        pytest.param(lambda f: edit_description(f, format=99), "no model of format", id="other format"),
        pytest.param(lambda f: edit_description(f, more=1), "no model of format", id="unknown field"),
        pytest.param(lambda f: edit_description(f, num_classes=3), "do not fit", id="other number of classes"),
        pytest.param(lambda f: edit_description(f, networks=[]), "do not fit", id="no networks"),
        pytest.param(lambda f: edit_description(f, story={}), "another version", id="summary of another version"),
    ],
)
def test_a_folder_that_does_not_fit_together_is_refused(best, tmp_path, damage, match):
    best.save(tmp_path)
    damage(tmp_path)
    with pytest.raises(ValueError, match=match):
        load_model(tmp_path)


def test_a_missing_file_is_an_os_error(best, tmp_path):
    best.save(tmp_path)
    (tmp_path / "network_2" / "config.json").unlink()
    with pytest.raises(OSError, match="network_2"):
        load_model(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"captions": [""] * len(TRAIN)}, id="no captions"),
        pytest.param({"hashtags": [[]] * len(TRAIN)}, id="no hashtags"),
        pytest.param({"has_image_N": np.zeros(len(TRAIN), dtype=bool)}, id="no pictures"),
        pytest.param({"image_ND": np.ones_like(TRAIN.image_ND)}, id="pictures all the same"),
        pytest.param({"labels_N": TRAIN.labels_N % 2}, id="classes without a post"),
        pytest.param({"labels_N": np.zeros_like(TRAIN.labels_N)}, id="one class alone"),
        pytest.param({"groups": [f"of class {label}" for label in TRAIN.labels_N]}, id="one user per class"),
    ],
)
def test_it_trains_on_what_there_is(changes):
    best = trained(dataclasses.replace(TRAIN, **changes), train_config=dataclasses.replace(TRAINING, max_epochs=1))
    bare = dataclasses.replace(
        ASKED.take([0]), captions=[""], hashtags=[[]], has_image_N=np.array([False]), image_ND=0 * ASKED.image_ND[:1]
    )
    for samples in (ASKED, bare):
        proba = best.predict_proba(samples)
        assert np.isfinite(proba).all() and (proba >= 0).all()
        np.testing.assert_allclose(proba.sum(axis=1), 1.0, atol=1e-12)


def test_an_empty_split_is_refused():
    with pytest.raises(ValueError, match="validation split is empty"):
        trained(validation=VALIDATION.take([]))
