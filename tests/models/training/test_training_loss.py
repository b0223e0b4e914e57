"""The training loss: torch's own mean, in one piece or in parts, with class weights as scikit-learn balances them."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.utils.class_weight import compute_class_weight

from models.settings.train_config import TrainConfig
from models.training.training_loss import TrainingLoss, balanced_weights

LABELS = np.array([0, 0, 0, 0, 1, 1, 3, 0, 3, 1])
LOGITS = torch.randn(10, 5, generator=torch.Generator().manual_seed(0))


def loss_of(parts, **settings):
    loss = TrainingLoss(TrainConfig(**settings), LABELS, 5, torch.device("cpu"))
    labels = torch.from_numpy(LABELS)
    total = loss.total_weight(labels)
    return sum(loss(LOGITS[part], labels[part], total) for part in parts)


def test_class_weights_are_scikit_learns_balanced_ones_and_zero_where_a_class_was_never_met():
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=LABELS)
    found = balanced_weights(LABELS, 5)
    np.testing.assert_allclose(found[[0, 1, 3]], expected, rtol=1e-6)
    assert found[[2, 4]].tolist() == [0, 0] and found.dtype == np.float32


@pytest.mark.parametrize("class_weights", [False, True])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([slice(0, 10)], id="whole"),
        pytest.param([slice(0, 5), slice(5, 10)], id="halves", marks=pytest.mark.fault("T5")),
        pytest.param([slice(0, 9), slice(9, 10)], id="a part of one", marks=pytest.mark.fault("T5")),
    ],
)
def test_the_loss_is_torchs_mean_in_one_piece_or_in_parts(class_weights, label_smoothing, parts):
    weight = torch.from_numpy(balanced_weights(LABELS, 5)) if class_weights else None
    expected = F.cross_entropy(LOGITS, torch.from_numpy(LABELS), weight=weight, label_smoothing=label_smoothing)
    found = loss_of(parts, class_weights=class_weights, label_smoothing=label_smoothing)
    assert float(found) == pytest.approx(float(expected), rel=1e-6)


def test_both_options_are_off_by_default():
    config = TrainConfig()
    assert not config.class_weights and config.label_smoothing == 0
