"""Steps as CUDA graphs: where there is a GPU, captured and plain steps give the same model within rounding."""

import dataclasses

import numpy as np
import pytest
import torch

from models.mrlf.mrlf import MrlfConfig
from models.training.training import TrainConfig, TrainingStoppedError, fit
from models.training.training_loss import NonFiniteError
from tests.models.synthetic import NUM_CLASSES, city

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU"),
]
WITHOUT_CHANCE = dataclasses.replace(MrlfConfig.small(), dropout=0.0, head_dropout=0.0, hashtag_dropout=0.0)
CONFIG = TrainConfig(max_epochs=3, batch_size=32, device="cuda", precision="fp32")
TRAIN, VALIDATION = city(400, seed=1), city(100, seed=2)


def run(model_config=WITHOUT_CHANCE, **more):
    settings = {"train_config": CONFIG, **more}
    return fit(TRAIN, VALIDATION, num_classes=NUM_CLASSES, model_config=model_config, **settings)


def losses(fitted):
    return [(epoch.train_loss, epoch.validation_loss) for epoch in fitted.history]


def test_captured_steps_are_plain_steps(caplog):
    plain = run(train_config=dataclasses.replace(CONFIG, compile=False))
    np.testing.assert_allclose(losses(run()), losses(plain), rtol=0.02)
    assert "could not be captured" not in caplog.text


@pytest.mark.fault("T7")
def test_a_stopped_run_goes_on_within_tolerance(tmp_path):
    asked = iter(range(10**6))
    with pytest.raises(TrainingStoppedError):
        run(MrlfConfig.small(), checkpoint_dir=tmp_path, should_stop=lambda: next(asked) == 17)
    resumed = run(MrlfConfig.small(), checkpoint_dir=tmp_path)
    np.testing.assert_allclose(losses(resumed), losses(run(MrlfConfig.small())), rtol=0.02)


@pytest.mark.fault("T4")
def test_a_loss_that_is_not_finite_names_its_step_though_it_is_asked_for_later():
    config = dataclasses.replace(CONFIG, learning_rate=1e36)
    with pytest.raises(NonFiniteError, match="is not finite in epoch 1, step 2 "):
        run(train_config=config)
