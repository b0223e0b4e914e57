"""Trained anew: on more samples, with nothing left to choose, and bit for bit what a choice on the same ones made."""

import dataclasses

import numpy as np
import pytest
import torch

from models.data.samples import joined
from models.data.text import Vocabulary
from models.training.training import TrainConfig, TrainingStoppedError, fit, refit
from tests.models.synthetic import NUM_CLASSES
from tests.models.training.test_training import EARLY_STOP, TINY, TRAIN, VALIDATION


@pytest.fixture(scope="module")
def chosen():
    """A training that ended early, whose learning rate fell on the way."""
    config = dataclasses.replace(EARLY_STOP, learning_rate=0.02)
    fitted = fit(TRAIN, VALIDATION, num_classes=NUM_CLASSES, model_config=TINY, train_config=config)
    assert 1 < fitted.best_epoch < len(fitted.history)
    assert len({epoch.learning_rate for epoch in fitted.history[: fitted.best_epoch]}) > 1
    return fitted


def weights(fitted):
    return {name: tensor.clone() for name, tensor in fitted.model.state_dict().items()}


def test_on_the_same_samples_it_is_the_model_of_the_best_epoch_to_the_bit(chosen):
    again = refit(chosen, TRAIN)
    ours, theirs = weights(again), weights(chosen)
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert (again.history, again.best_epoch) == (chosen.history, chosen.best_epoch)


def test_it_learns_from_the_samples_that_it_was_chosen_on(chosen):
    again = refit(chosen, joined([TRAIN, VALIDATION]))
    own = [
        np.log(model.predict_proba(VALIDATION)[np.arange(len(VALIDATION)), VALIDATION.labels_N]).mean()
        for model in (chosen, again)
    ]
    assert own[1] > own[0] + 0.05


def test_its_words_and_the_scale_of_its_pictures_are_those_of_all_its_samples(chosen):
    both = joined([TRAIN, VALIDATION])
    again = refit(dataclasses.replace(chosen, best_epoch=1), both)
    assert again.vocabulary == Vocabulary.build(both.captions, both.hashtags, TINY) != chosen.vocabulary
    np.testing.assert_allclose(again.scaler.mean_D, both.image_ND[both.has_image_N].mean(axis=0), rtol=1e-3, atol=1e-4)
    assert not np.allclose(again.scaler.mean_D, chosen.scaler.mean_D, rtol=1e-3, atol=1e-4)


def test_stopped_in_the_middle_it_goes_on_to_the_same_bits(chosen, tmp_path):
    steps = iter(range(10**6))
    with pytest.raises(TrainingStoppedError):
        refit(chosen, TRAIN, checkpoint_dir=tmp_path, should_stop=lambda: next(steps) == 5)
    seen: list[tuple[int, int]] = []
    again = refit(chosen, TRAIN, checkpoint_dir=tmp_path, on_step=lambda epoch, step, _: seen.append((epoch, step)))
    assert seen[0] == (2, 3), "three steps an epoch: five were done"
    assert all(torch.equal(tensor, weights(chosen)[name]) for name, tensor in weights(again).items())


def test_a_checkpoint_of_another_choice_is_not_gone_on_from(chosen, tmp_path, caplog):
    refit(chosen, TRAIN, checkpoint_dir=tmp_path)
    fewer = dataclasses.replace(chosen, best_epoch=1)
    seen: list[int] = []
    refit(fewer, TRAIN, checkpoint_dir=tmp_path, on_step=lambda epoch, *_: seen.append(epoch))
    assert set(seen) == {1} and "other settings or other data" in caplog.text


def test_no_samples_are_refused(chosen):
    with pytest.raises(ValueError, match="train and validation split is empty"):
        refit(chosen, TRAIN.take([]))
    assert isinstance(chosen.train_config, TrainConfig)
