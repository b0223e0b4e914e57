"""Training: it learns what is there and nothing else, stops in time, and goes on bit for bit."""

import dataclasses
import shutil
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from models.mrlf.mrlf import Mrlf, MrlfConfig
from models.trained import load_model
from models.training.run import LATEST, OPTIMISERS, PREVIOUS
from models.training.training import BEST, NonFiniteError, TrainConfig, TrainingStoppedError, fit
from tests.models.synthetic import NUM_CLASSES, city

TINY = dataclasses.replace(
    MrlfConfig.small(),
    char_dim=8,
    char_filter_sizes=(3,),
    word_dim=8,
    word_filter_sizes=(3,),
    num_filters=8,
    num_heads=2,
    num_attention_layers=0,
    ffn_dim=8,
    image_fc_dim=8,
)
TRAIN, VALIDATION = city(96, seed=1), city(48, seed=2)
CONTRARY = dataclasses.replace(VALIDATION, labels_N=(VALIDATION.labels_N + 5) % NUM_CLASSES)
THREE_EPOCHS = TrainConfig(max_epochs=3, num_threads=1)
EARLY_STOP = TrainConfig(max_epochs=30, early_stop_patience=3, plateau_patience=0, learning_rate=0.005, num_threads=1)
ONE_EPOCH = TrainConfig(max_epochs=1, num_threads=1)


class StoppedError(Exception):
    """What a test interrupts a run with."""


def run(train=TRAIN, validation=VALIDATION, *, model_config=TINY, train_config=THREE_EPOCHS, **more):
    arguments = {"num_classes": NUM_CLASSES, "model_config": model_config, "train_config": train_config, **more}
    return fit(train, validation, **arguments)


@cache
def undisturbed(optimiser=THREE_EPOCHS.optimiser):
    """The plain run, made once: what a run that was stopped, refused or damaged must come to."""
    return run(train_config=dataclasses.replace(THREE_EPOCHS, optimiser=optimiser))


def history_of(fitted):
    return [dataclasses.replace(epoch, seconds=0.0) for epoch in fitted.history]


def assert_same_model(one, other):
    assert history_of(one) == history_of(other) and one.best_epoch == other.best_epoch
    ours, theirs = one.model.state_dict(), other.model.state_dict()
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def stop_after(num_epochs):
    def on_epoch(epoch):
        if epoch.epoch == num_epochs:
            raise StoppedError

    return on_epoch


@pytest.mark.slow
@pytest.mark.fault("T9")
def test_32_samples_are_learnt_by_heart():
    samples = city(32, seed=3)
    config = dataclasses.replace(MrlfConfig.small(), dropout=0.0, head_dropout=0.0, hashtag_dropout=0.0)
    train_config = TrainConfig(batch_size=8, max_epochs=12, early_stop_patience=12, num_threads=1)
    fitted = run(samples, samples, model_config=config, train_config=train_config)
    assert (fitted.predict_proba(samples).argmax(axis=1) == samples.labels_N).all()


@pytest.mark.slow
@pytest.mark.fault("T9")
def test_shuffled_labels_leave_validation_at_chance():
    """200 posts, 12 classes: chance is .083 with a standard error of .0195; four of them above it is .161."""
    train, validation = city(300, seed=1), city(200, seed=2)
    shuffled = dataclasses.replace(train, labels_N=np.random.default_rng(0).permutation(train.labels_N))
    fitted = run(shuffled, validation, train_config=TrainConfig(max_epochs=6, num_threads=1))
    assert fitted.history[fitted.best_epoch - 1].validation_accuracy < 0.161
    assert fitted.history[-1].train_loss < fitted.history[0].train_loss


@pytest.mark.fault("T9")
def test_shuffled_captions_leave_a_model_of_pictures_unaffected():
    """Batches are made by the length of the text: one batch of all holds the same posts in another order."""
    config = dataclasses.replace(TINY, modalities=("image",), dropout=0.0, head_dropout=0.0)
    shuffled = dataclasses.replace(TRAIN, captions=[TRAIN.captions[row] for row in np.roll(np.arange(96), 7)])
    one_batch = dataclasses.replace(THREE_EPOCHS, batch_size=96)
    one, other = (run(train, model_config=config, train_config=one_batch) for train in (TRAIN, shuffled))
    np.testing.assert_allclose(one.predict_proba(VALIDATION), other.predict_proba(VALIDATION), atol=1e-4)
    assert one.history[0].train_loss != one.history[-1].train_loss


@pytest.mark.slow
def test_a_city_is_learnt_far_above_chance():
    fitted = run(
        city(250, seed=1),
        city(50, seed=2),
        model_config=MrlfConfig.small(),
        train_config=TrainConfig(max_epochs=8, num_threads=1),
    )
    test = city(200, seed=3)
    assert (fitted.predict_proba(test).argmax(axis=1) == test.labels_N).mean() > 0.45


@pytest.mark.slow
@pytest.mark.fault("T8")
def test_the_seed_decides_the_result_and_torchs_own_state_is_left_alone():
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    one = run()
    assert torch.equal(torch.get_rng_state(), state) and torch.get_num_threads() == threads
    torch.manual_seed(99)
    np.random.seed(99)
    assert_same_model(one, undisturbed())
    assert history_of(one) != history_of(run(train_config=dataclasses.replace(THREE_EPOCHS, seed=1)))


@pytest.mark.parametrize("num_threads", [1, 2])
def test_training_runs_on_the_threads_it_is_given(num_threads):
    seen = []
    config = dataclasses.replace(THREE_EPOCHS, max_epochs=1, num_threads=num_threads)
    few = TRAIN.take(range(4))
    run(few, few, train_config=config, on_epoch=lambda _: seen.append(torch.get_num_threads()))
    assert seen == [num_threads]


@pytest.mark.fault("T7")
@pytest.mark.parametrize("stopped_after", [1, 2, 3])
def test_an_interrupted_run_goes_on_to_the_same_bits(tmp_path, stopped_after):
    with pytest.raises(StoppedError):
        run(checkpoint_dir=tmp_path, on_epoch=stop_after(stopped_after))
    seen = []
    resumed = run(checkpoint_dir=tmp_path, on_epoch=seen.append)
    assert [epoch.epoch for epoch in seen] == list(range(stopped_after + 1, 4))
    assert_same_model(undisturbed(), resumed)


@cache
def ever_slower(**more):
    """Validation contradicts, so its loss rises and the learning rate falls."""
    config = TrainConfig(max_epochs=6, plateau_patience=0, learning_rate=0.005, num_threads=1)
    return run(TRAIN.take(range(48)), CONTRARY, train_config=config, **more)


@pytest.mark.slow
@pytest.mark.fault("T7")
@pytest.mark.parametrize("stopped_after", [3, 4])
def test_an_interrupted_run_goes_on_with_the_learning_rate_it_had_come_to(tmp_path, stopped_after):
    """A schedule that had forgotten the lowest loss would not react."""
    whole = ever_slower()
    with pytest.raises(StoppedError):
        ever_slower(checkpoint_dir=tmp_path, on_epoch=stop_after(stopped_after))
    assert len({epoch.learning_rate for epoch in whole.history[stopped_after - 1 :]}) > 1
    assert_same_model(whole, ever_slower(checkpoint_dir=tmp_path))


def stop_before(num_steps):
    """Asks for the end when this many steps are done, counted over all epochs."""
    asked = iter(range(10**6))
    return lambda: next(asked) == num_steps


@pytest.mark.fault("T5")
@pytest.mark.fault("T7")
@pytest.mark.parametrize(
    ("num_steps", "optimiser"),
    [(0, "rmsprop"), (1, "rmsprop"), (3, "rmsprop"), (8, "rmsprop"), (5, "adam"), (4, "adamw")],
)
def test_a_run_stopped_inside_an_epoch_goes_on_from_that_step_to_the_same_bits(tmp_path, num_steps, optimiser):
    config = dataclasses.replace(THREE_EPOCHS, optimiser=optimiser)
    with pytest.raises(TrainingStoppedError, match="its state is kept") as stopped:
        run(train_config=config, checkpoint_dir=tmp_path, should_stop=stop_before(num_steps))
    assert (stopped.value.epoch, stopped.value.step) == (num_steps // 3 + 1, num_steps % 3)
    torch.manual_seed(77)
    steps = []
    resumed = run(train_config=config, checkpoint_dir=tmp_path, on_step=lambda *step: steps.append(step))
    assert len(steps) == 9 - num_steps
    assert_same_model(undisturbed(optimiser), resumed)


@pytest.mark.fault("T5")
def test_a_run_can_be_stopped_again_and_again_at_every_step(tmp_path):
    for _ in range(8):
        with pytest.raises(TrainingStoppedError):
            run(checkpoint_dir=tmp_path, should_stop=stop_before(1))
    assert_same_model(undisturbed(), run(checkpoint_dir=tmp_path))


def test_a_run_stopped_without_a_folder_says_that_nothing_is_kept():
    with pytest.raises(TrainingStoppedError, match="epoch 1 after step 2: nothing is kept"):
        run(should_stop=stop_before(2))


def test_steps_are_reported_as_they_are_done():
    steps = []
    run(train_config=dataclasses.replace(THREE_EPOCHS, max_epochs=2), on_step=lambda *step: steps.append(step))
    assert steps == [(epoch, step, 3) for epoch in (1, 2) for step in (1, 2, 3)]


def test_the_best_model_so_far_lies_in_the_folder_and_can_be_loaded(tmp_path):
    whole = run(TRAIN, CONTRARY, train_config=EARLY_STOP, checkpoint_dir=tmp_path)
    best = load_model(tmp_path / BEST)
    assert best.best_epoch == whole.best_epoch < len(whole.history)
    assert np.array_equal(best.predict_proba(VALIDATION), whole.predict_proba(VALIDATION))
    assert sorted(path.name for path in tmp_path.iterdir()) == [BEST, PREVIOUS, LATEST]


def test_a_run_can_begin_from_given_weights_and_those_of_another_network_are_refused(tmp_path):
    begun = run(train_config=dataclasses.replace(THREE_EPOCHS, max_epochs=1))
    weights = begun.model.state_dict()
    frozen = dataclasses.replace(THREE_EPOCHS, max_epochs=1, learning_rate=1e-12)
    assert history_of(run(train_config=frozen, initial_state=weights))[0].validation_loss == pytest.approx(
        begun.history[0].validation_loss, rel=1e-6
    )
    some = {"head.bias": weights["head.bias"]}
    assert history_of(run(initial_state=some)) != history_of(undisturbed())
    with pytest.raises(ValueError, match="do not fit the network"):
        run(initial_state={"tail.bias": weights["head.bias"]})


@pytest.mark.fault("T6")
@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"train_config": dataclasses.replace(THREE_EPOCHS, seed=5)}, id="another seed"),
        pytest.param({"num_classes": NUM_CLASSES + 1}, id="another class list"),
        pytest.param({"model_config": dataclasses.replace(TINY, dropout=0.1)}, id="another network"),
        pytest.param({"validation": CONTRARY}, id="other posts"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_with_a_warning_and_training_starts_anew(tmp_path, caplog, other):
    run(checkpoint_dir=tmp_path, **other)
    fitted = run(checkpoint_dir=tmp_path)
    assert "other settings or other data" in caplog.text
    assert_same_model(fitted, undisturbed())


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run that came to its end."""
    folder = tmp_path_factory.mktemp("finished")
    run(checkpoint_dir=folder)
    return folder


@pytest.mark.fault("T6")
@pytest.mark.parametrize("damage", ["bit flipped", "half written", "not there"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(finished, tmp_path, caplog, damage):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    latest = tmp_path / LATEST
    content = bytearray(latest.read_bytes())
    content[-9] ^= 1
    if damage == "not there":
        latest.unlink()
    else:
        latest.write_bytes(bytes(content) if damage == "bit flipped" else bytes(content[: len(content) // 2]))
    seen = []
    fitted = run(checkpoint_dir=tmp_path, on_epoch=seen.append)
    assert [epoch.epoch for epoch in seen] == [3]
    assert (damage == "not there") or str(latest) in caplog.text
    assert_same_model(fitted, undisturbed())
    assert (tmp_path / PREVIOUS).exists()


def counting_optimiser(monkeypatch):
    steps = []

    class Counting(torch.optim.RMSprop):
        def step(self, closure=None):
            steps.append(1)
            return super().step(closure)

    monkeypatch.setitem(OPTIMISERS, "rmsprop", Counting)
    return steps


@pytest.mark.fault("T4")
def test_a_loss_that_is_not_finite_stops_before_the_step_and_names_the_samples(monkeypatch, tmp_path):
    run(train_config=dataclasses.replace(THREE_EPOCHS, max_epochs=1), checkpoint_dir=tmp_path)
    before = (tmp_path / LATEST).read_bytes()
    steps = counting_optimiser(monkeypatch)
    with pytest.raises(NonFiniteError, match=r"loss is not finite in epoch 1, step 2 \(samples post-1-") as caught:
        run(train_config=dataclasses.replace(THREE_EPOCHS, learning_rate=1e36), checkpoint_dir=tmp_path)
    assert len(steps) == caught.value.step - 1 == 1
    assert set(caught.value.keys) < set(TRAIN.keys) and len(caught.value.keys) == 32
    assert (tmp_path / LATEST).read_bytes() == before


@pytest.mark.fault("T4")
def test_a_gradient_that_is_not_finite_stops_before_the_step(monkeypatch):
    steps, forward = counting_optimiser(monkeypatch), Mrlf.forward

    def with_an_infinite_slope(self, batch) -> Tensor:
        return forward(self, batch) + torch.sqrt(self.head.bias.sum() * 0)

    monkeypatch.setattr(Mrlf, "forward", with_an_infinite_slope)
    with pytest.raises(NonFiniteError, match="gradient is not finite in epoch 1, step 1"):
        run()
    assert steps == []


@pytest.mark.fault("T4")
def test_a_broken_training_is_never_kept_even_when_it_is_asked_to_stop(tmp_path):
    """The run breaks in step 2 of epoch 1; what is in the folder afterwards is nothing."""
    config = dataclasses.replace(THREE_EPOCHS, learning_rate=1e36)
    with pytest.raises(NonFiniteError):
        run(train_config=config, checkpoint_dir=tmp_path, should_stop=stop_before(2))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault("T4")
def test_a_last_batch_of_one_is_trained_like_any_other():
    fitted = run(TRAIN.take(range(33)), train_config=dataclasses.replace(THREE_EPOCHS, max_epochs=1))
    assert np.isfinite(fitted.history[0].train_loss)


@pytest.mark.parametrize(
    ("train", "validation", "num_classes", "match"),
    [
        pytest.param(
            TRAIN, TRAIN.take([]), 12, "validation split is empty", id="no validation", marks=pytest.mark.fault("T11")
        ),
        pytest.param(TRAIN.take([]), VALIDATION, 12, "train split is empty", id="no training"),
        pytest.param(
            TRAIN, VALIDATION, 1, "num_classes must be at least 2", id="one class", marks=pytest.mark.fault("T1")
        ),
        pytest.param(TRAIN, VALIDATION, 11, "outside 0..10", id="label beyond", marks=pytest.mark.fault("T4")),
        pytest.param(
            dataclasses.replace(TRAIN, labels_N=TRAIN.labels_N - 101),
            VALIDATION,
            12,
            "outside 0..11",
            id="label negative",
            marks=pytest.mark.fault("T4"),
        ),
        pytest.param(
            dataclasses.replace(TRAIN, labels_N=np.full(96, -100)),
            VALIDATION,
            12,
            "96 labels of the train split lie outside",
            id="only -100",
            marks=pytest.mark.fault("T4"),
        ),
        pytest.param(
            TRAIN,
            dataclasses.replace(VALIDATION, labels_N=VALIDATION.labels_N - 1),
            12,
            "the first is -1",
            id="label -1",
            marks=pytest.mark.fault("T4"),
        ),
        pytest.param(
            TRAIN,
            dataclasses.replace(VALIDATION, image_ND=VALIDATION.image_ND[:, :9]),
            12,
            "64 image features",
            id="other features",
        ),
    ],
)
def test_data_that_cannot_be_trained_on_is_refused(train, validation, num_classes, match):
    with pytest.raises(ValueError, match=match):
        run(train, validation, num_classes=num_classes)


@pytest.mark.fault("T11")
def test_a_model_no_better_than_chance_is_warned_about(caplog):
    wrong = dataclasses.replace(VALIDATION, labels_N=np.full(48, 11))
    right = dataclasses.replace(TRAIN, labels_N=TRAIN.labels_N % 11)
    run(right, wrong, train_config=dataclasses.replace(THREE_EPOCHS, max_epochs=1))
    assert "no better than chance" in caplog.text


def test_a_class_without_training_samples_is_allowed():
    few = TRAIN.take(np.flatnonzero(TRAIN.labels_N < 5))
    assert run(few).predict_proba(VALIDATION).shape == (48, NUM_CLASSES)


def test_training_stops_when_patience_ends_and_keeps_the_best_epoch():
    """Validation calls every place by another's name: the better the training posts are known, the higher its loss."""
    fitted = run(TRAIN, CONTRARY, train_config=EARLY_STOP)
    losses = [epoch.validation_loss for epoch in fitted.history]
    assert len(losses) < 30 and fitted.best_epoch == len(losses) - 3 == int(np.argmin(losses)) + 1
    assert fitted.history[-1].learning_rate < fitted.history[0].learning_rate == EARLY_STOP.learning_rate
    proba = fitted.predict_proba(VALIDATION)
    loss = -np.log(proba[np.arange(48), CONTRARY.labels_N]).mean()
    assert loss == pytest.approx(min(losses), rel=1e-5)
