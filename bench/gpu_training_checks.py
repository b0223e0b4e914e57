"""What must hold of training on a device: going on after a stop, halving when memory is short, stopping at NaN.

On a processor the same checks are made with its own paths; the bounds are those of a GPU.
"""

import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from bench.gpu_checks import Check
from models.data.encoded_split import EncodedSplit, HostSplit
from models.data.samples import ImageScaler, Samples
from models.data.text import Vocabulary
from models.mrlf.config import MrlfConfig
from models.settings.train_config import TrainConfig
from models.training.fitted import Fitted, build_network
from models.training.run import Run
from models.training.steps import Steps, TooLargeError
from models.training.training import NonFiniteError, TrainingStoppedError, fit
from models.training.training_loss import FiniteGuard, TrainingLoss

NUM_CLASSES = 8
NETWORK = MrlfConfig.small()
WITHOUT_CHANCE = dataclasses.replace(NETWORK, dropout=0.0, head_dropout=0.0, hashtag_dropout=0.0)
LOSS_TOLERANCE = 0.02
"""of a loss: sums are made in another order at every run of a GPU, and RMSprop turns rounding into steps"""


def checks(device: str) -> Iterator[Check]:
    """All checks on this device."""
    train, validation = small_city(128, 1), small_city(32, 2)
    config = TrainConfig(max_epochs=2, batch_size=32, device=device, num_threads=1 if device == "cpu" else None)
    yield resumed(train, validation, config)
    yield captured_against_plain(train, validation, config)
    yield halved(train, config)
    yield stopped_at_nan(train, validation, config)
    if device == "cuda":
        yield real_shortage(train, config)


def small_city(num_posts: int, seed: int) -> Samples:
    """A few posts whose words and pictures show their class."""
    rng = np.random.default_rng([seed, 0])
    labels_N = rng.integers(0, NUM_CLASSES, num_posts)
    words = [[f"{letter}word{number}" for number in range(20)] for letter in "abcdefgh"]
    return Samples(
        keys=[f"{seed}-{row}" for row in range(num_posts)],
        captions=[" ".join(rng.choice(words[label], rng.integers(1, 20))) for label in labels_N],
        hashtags=[list(rng.choice(words[label], rng.integers(0, 8))) for label in labels_N],
        image_ND=rng.standard_normal((num_posts, 32)).astype(np.float32) + labels_N[:, None].astype(np.float32),
        labels_N=labels_N,
    )


def train_on(train: Samples, validation: Samples, config: TrainConfig, network: MrlfConfig, **more: object) -> Fitted:
    """`fit` with the classes of these checks."""
    how: dict[str, object] = {"num_classes": NUM_CLASSES, "model_config": network, "train_config": config, **more}
    return fit(train, validation, **how)  # type: ignore[arg-type]


def difference(one: Fitted, other: Fitted) -> float:
    """The largest relative difference of a training loss."""
    ours, theirs = (np.array([epoch.train_loss for epoch in fitted.history]) for fitted in (one, other))
    return float(np.max(np.abs(ours - theirs) / theirs))


def resumed(train: Samples, validation: Samples, config: TrainConfig) -> Check:
    """T7: a run stopped inside its second epoch goes on as if it had not been, dropout included."""
    asked = iter(range(10**9))
    with tempfile.TemporaryDirectory() as folder:
        where = {"checkpoint_dir": Path(folder)}
        try:
            train_on(train, validation, config, NETWORK, should_stop=lambda: next(asked) == 6, **where)
        except TrainingStoppedError:
            found = difference(
                train_on(train, validation, config, NETWORK, **where), train_on(train, validation, config, NETWORK)
            )
            return Check("T7 stopped after 6 steps and gone on against unbroken: training loss", found, LOSS_TOLERANCE)
    raise AssertionError("the run was not stopped")


def captured_against_plain(train: Samples, validation: Samples, config: TrainConfig) -> Check:
    """Steps as CUDA graphs are plain steps, in fp32 and without dropout."""
    exact = dataclasses.replace(config, precision="fp32")
    plain = dataclasses.replace(exact, compile=False)
    one, other = (train_on(train, validation, how, WITHOUT_CHANCE) for how in (exact, plain))
    return Check("steps as `fit` takes them against plain ones: training loss", difference(one, other), LOSS_TOLERANCE)


def halved(train: Samples, config: TrainConfig) -> Check:
    """T5: the gradients of a batch in two halves are those of the whole one."""
    whole, halves = (_gradients(train, config, num_parts) for num_parts in (1, 2))
    found = max(float((ours - theirs).abs().max()) for ours, theirs in zip(halves, whole, strict=True))
    largest = max(float(gradient.abs().max()) for gradient in whole)
    return Check("T5 gradients of two halves against a whole batch, fp32", found / largest, 1e-4)


def stopped_at_nan(train: Samples, validation: Samples, config: TrainConfig) -> Check:
    """T4: at an absurd learning rate the second step is not finite: it is named, with samples that exist."""
    try:
        train_on(train, validation, dataclasses.replace(config, learning_rate=1e36), NETWORK)
    except NonFiniteError as error:
        is_right = (error.epoch, error.step) == (1, 2) and set(error.keys) < set(train.keys)
        return Check("T4 NaN stops the run and names step 2 and its samples: wrong", float(not is_right), 0)
    return Check("T4 NaN stops the run and names step 2 and its samples: it went on", 1.0, 0)


def real_shortage(train: Samples, config: TrainConfig) -> Check:
    """T5: with next to no memory left a real shortage ends in our own words, after one try in halves."""
    steps = _steps(train, dataclasses.replace(config, batch_size=len(train)))
    torch.cuda.empty_cache()
    _, total = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 2 * 2**20) / total)
    try:
        steps.take(np.arange(len(train)))
    except TooLargeError:
        return Check("T5 out of memory: halved once, then reported", float(steps.run.num_parts != 2), 0)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    return Check("T5 out of memory: halved once and the step taken", float(steps.run.num_parts != 2), 0)


def _gradients(train: Samples, config: TrainConfig, num_parts: int) -> list[torch.Tensor]:
    steps = _steps(train, dataclasses.replace(config, precision="fp32"))
    steps.run.num_parts = num_parts
    steps.run.model.train()
    steps.take(np.arange(64))
    return [parameter.grad.clone() for parameter in steps.parameters if parameter.grad is not None]


def _steps(train: Samples, config: TrainConfig) -> Steps:
    torch.manual_seed(0)
    device = torch.device(config.device)
    vocabulary = Vocabulary.build(train.captions, train.hashtags, WITHOUT_CHANCE)
    split = EncodedSplit.of(train, vocabulary, ImageScaler.fit(train.image_ND), WITHOUT_CHANCE)
    model = build_network(WITHOUT_CHANCE, vocabulary, image_dim=train.image_ND.shape[1], num_classes=NUM_CLASSES)
    run = Run(model.to(device), config)
    loss = TrainingLoss(config, train.labels_N, NUM_CLASSES, device)
    return Steps(run, HostSplit(split, device), loss, FiniteGuard(device, is_deferred=True))
