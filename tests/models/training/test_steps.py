"""Training steps: in halves where memory is short, clipped, in bf16, compiled; each equal to the plain step."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from models.data.network import Network
from models.data.text import TextConfig
from models.training import fitted as networks
from models.training.cuda_steps import initialise, state_tensors, unchanged
from models.training.fitted import NetworkKind
from models.training.run import Run
from models.training.steps import TooLargeError, autocast, compiled_network
from models.training.training import TrainConfig, TrainingStoppedError, fit
from models.training.training_loss import FiniteGuard
from tests.models.synthetic import NUM_CLASSES, city

TRAIN, VALIDATION = city(96, seed=1), city(48, seed=2)
ONE_EPOCH = TrainConfig(max_epochs=1, num_threads=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlainConfig(TextConfig):
    """Of a network with room for this many posts at once."""

    room: int = 10**9


class Plain(Network):
    """A linear layer on the picture features; it says "out of memory" as torch does where a batch is too large."""

    def __init__(self, config, vocabulary, *, image_dim, num_classes):
        super().__init__(config, num_classes)
        self.layer = nn.Linear(image_dim, num_classes)

    def forward(self, batch):
        if self.training and len(batch.image_BD) > self.config.room:
            raise torch.OutOfMemoryError("out of memory. Tried to allocate 20.00 MiB")
        return self.layer(batch.image_BD)


@pytest.fixture(autouse=True)
def plain_network(monkeypatch):
    kinds = {**networks.NETWORKS, "plain": NetworkKind(PlainConfig, Plain)}
    monkeypatch.setattr(networks, "NETWORKS", kinds)


def run(room=10**9, train=TRAIN, checkpoint_dir=None, should_stop=None, **settings):
    return fit(
        train,
        VALIDATION,
        num_classes=NUM_CLASSES,
        model_config=PlainConfig(room=room),
        train_config=dataclasses.replace(ONE_EPOCH, **settings),
        checkpoint_dir=checkpoint_dir,
        should_stop=should_stop,
    )


def weights(fitted):
    return fitted.model.state_dict()["layer.weight"]


@pytest.mark.fault("T5")
@pytest.mark.parametrize(
    ("room", "num_posts", "how"),
    [
        pytest.param(16, 96, {}, id="room for a half"),
        pytest.param(31, 96, {}, id="room for all but one"),
        pytest.param(16, 93, {}, id="halves of unequal size"),
        pytest.param(16, 96, {"class_weights": True, "label_smoothing": 0.1}, id="halves of unequal weight"),
    ],
)
def test_a_batch_that_memory_does_not_hold_is_halved_once_with_the_same_result(room, num_posts, how, caplog):
    halved, whole = (weights(run(room, TRAIN.take(range(num_posts)), max_epochs=3, **how)) for room in (room, 10**9))
    torch.testing.assert_close(halved, whole, atol=1e-6, rtol=1e-5)
    warnings = [record for record in caplog.records if "taken in two halves" in record.message]
    assert len(warnings) == 1 and ("a batch of 32 posts" in warnings[0].message) == (num_posts == 96)


@pytest.mark.fault("T5")
@pytest.mark.fault("T7")
def test_a_run_that_is_resumed_still_takes_halves(tmp_path, caplog):
    asked = iter(range(100))
    with pytest.raises(TrainingStoppedError):
        run(16, checkpoint_dir=tmp_path, should_stop=lambda: next(asked) == 2)
    caplog.clear()
    resumed = run(16, checkpoint_dir=tmp_path)
    assert not [record for record in caplog.records if "taken in two halves" in record.message]
    assert torch.equal(weights(resumed), weights(run(16)))


@pytest.mark.fault("T5")
def test_where_not_even_half_a_batch_fits_the_run_ends_in_words():
    with pytest.raises(TooLargeError, match=r"does not hold half a batch \(16 posts\).*lower batch_size"):
        run(15)


@pytest.mark.fault("T5")
def test_a_batch_of_one_can_be_halved_too():
    assert np.isfinite(run(16, TRAIN.take(range(33))).history[0].train_loss)


def test_a_clipped_gradient_is_no_longer_than_asked():
    """Adam's first step is of one length, unless the gradient is smaller than its epsilon of 1e-8."""
    free, clipped = (
        fit(
            TRAIN.take(range(32)),
            VALIDATION,
            num_classes=NUM_CLASSES,
            model_config=PlainConfig(),
            train_config=dataclasses.replace(ONE_EPOCH, clip=clip, optimiser="adam", weight_decay=0.0),
        )
        for clip in (None, 1e-9)
    )
    start = run(learning_rate=1e-30)
    moved = [(weights(fitted) - weights(start)).abs().max() for fitted in (free, clipped)]
    assert moved[1] < 0.1 * moved[0]


@pytest.mark.parametrize("optimiser", ["rmsprop", "adam", "adamw"])
def test_every_optimiser_is_torchs_own(optimiser):
    """One step on one batch, beside torch's class."""
    config = dataclasses.replace(ONE_EPOCH, optimiser=optimiser, weight_decay=0.1, batch_size=96)
    model = Plain(PlainConfig(), None, image_dim=64, num_classes=NUM_CLASSES)
    kinds = {"rmsprop": torch.optim.RMSprop, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    ours = Run(model, config).optimiser
    assert type(ours) is kinds[optimiser]
    assert (ours.defaults["lr"], ours.defaults["weight_decay"]) == (1e-3, 0.1)


def test_bf16_is_asked_for_or_comes_with_a_gpu():
    def is_bf16(precision, device):
        run = Run(Plain(PlainConfig(), None, image_dim=4, num_classes=2), TrainConfig(precision=precision))
        run.device = torch.device(device)
        with autocast(run):
            return torch.is_autocast_enabled(device)

    assert [is_bf16(precision, "cpu") for precision in ("auto", "fp32", "bf16")] == [False, False, True]
    if torch.cuda.is_available():
        assert [is_bf16(precision, "cuda") for precision in ("auto", "fp32", "bf16")] == [True, False, True]


def test_bf16_is_near_fp32():
    """Near on the whole: where a slope is about zero, rounding turns its sign and RMSprop's step with it."""
    rounded, exact = weights(run(precision="bf16")), weights(run())
    assert 0 < (rounded - exact).abs().mean() < 0.001 < exact.abs().mean()


def test_a_network_that_cannot_be_compiled_runs_as_it_is_and_that_is_told(monkeypatch, caplog):
    network = Plain(PlainConfig(), None, image_dim=4, num_classes=2)

    def failing(_):
        raise torch._dynamo.exc.Unsupported("no compiler here", "case")

    monkeypatch.setattr(torch, "compile", lambda model, **how: failing)
    forward = compiled_network(network)
    batch = type("Features", (), {"image_BD": torch.ones(3, 4)})
    assert torch.equal(forward(batch), network(batch)) and torch.equal(forward(batch), network(batch))
    assert caplog.text.count("torch.compile failed (no compiler here") == 1


@pytest.mark.parametrize("optimiser", ["rmsprop", "adam", "adamw"])
def test_the_state_that_a_graph_needs_beforehand_is_the_one_of_a_fresh_optimiser(optimiser):
    """A run whose moments were made first takes the same steps as one that makes them at its first step."""
    runs = []
    for is_initialised in (False, True):
        torch.manual_seed(3)
        config = TrainConfig(optimiser=optimiser, weight_decay=0.1)
        run = Run(Plain(PlainConfig(), None, image_dim=4, num_classes=2), config)
        if is_initialised:
            initialise(run.optimiser)
            assert state_tensors(run.optimiser) and not any(tensor.any() for tensor in state_tensors(run.optimiser))
        for _ in range(3):
            run.optimiser.zero_grad()
            run.model.layer(torch.ones(2, 4)).square().sum().backward()
            run.optimiser.step()
        runs.append(run.model.state_dict())
    assert all(torch.equal(runs[0][name], runs[1][name]) for name in runs[0])


def test_warming_up_leaves_no_trace():
    run = Run(Plain(PlainConfig(), None, image_dim=4, num_classes=2), TrainConfig())
    guard = FiniteGuard(run.device, is_deferred=True)
    initialise(run.optimiser)
    before = {name: tensor.clone() for name, tensor in run.checkpoint().tensors.items()}
    places = [tensor.data_ptr() for tensor in run.model.parameters()]
    state = torch.get_rng_state()
    with unchanged(run, guard):
        run.model.layer(torch.rand(2, 4)).square().sum().backward()
        run.optimiser.step()
        run.loss_sum.add_(1)
        guard.watch(torch.tensor(float("nan")), [torch.ones(1)], [])
    after = run.checkpoint().tensors
    assert all(torch.equal(before[name], after[name]) for name in before) and len(before) == len(after)
    assert torch.equal(torch.get_rng_state(), state)
    assert guard.found() == (0, "") and float(run.loss_sum) == 0 and int(guard.step) == 0
    assert places == [tensor.data_ptr() for tensor in run.model.parameters()]
