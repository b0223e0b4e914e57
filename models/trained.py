"""What every trained model offers, whatever made it, and how a stored one comes back."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from models.best.wide_and_deep import DESCRIPTION, Ensemble
from models.data.samples import Samples
from models.linear.linear_model import LINEAR_DESCRIPTION, LinearModel
from models.settings.train_config import Epoch
from models.training.fitted import Fitted


class TrainedModel(Protocol):
    """A model that predicts, and that is written to a folder and read back."""

    @property
    def history(self) -> list[Epoch]: ...
    @property
    def best_epoch(self) -> int: ...
    @property
    def configs(self) -> tuple[Any, ...]:
        """The dataclasses that hold its settings."""
        ...

    @property
    def num_classes(self) -> int: ...
    @property
    def num_parameters(self) -> int: ...
    @property
    def device(self) -> str: ...

    def predict_proba(self, samples: Samples) -> np.ndarray:
        """Probabilities (N, C), float64, rows summing to 1."""
        ...

    def save(self, folder: Path) -> list[str]:
        """Write the model into `folder`: the names of its files, which are enough to load it."""
        ...


def load_model(folder: Path) -> TrainedModel:
    """The model that `save` wrote, on the CPU.

    Raises:
        ValueError: a file is damaged, is of another version, or does not belong to the others.
        OSError: a file is missing.
    """
    if (folder / DESCRIPTION).is_file():
        return Ensemble.load(folder)
    return LinearModel.load(folder) if (folder / LINEAR_DESCRIPTION).is_file() else Fitted.load(folder)
