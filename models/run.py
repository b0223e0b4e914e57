"""The state of a training run between two epochs, and its way into a checkpoint and back."""

import dataclasses

import torch
from torch import Tensor

from models.checkpoint import Checkpoint
from models.fitted import Fitted
from models.network import Network
from models.standardise import ImageScaler
from models.text import Vocabulary
from models.train_config import Epoch, TrainConfig


class Run:
    """Network, optimiser, learning-rate schedule, history and the best weights so far."""

    def __init__(self, model: Network, config: TrainConfig) -> None:
        self.model, self.config = model, config
        self.optimiser = torch.optim.RMSprop(model.parameters(), lr=config.learning_rate)
        self.schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimiser, factor=config.plateau_factor, patience=config.plateau_patience
        )
        self.history: list[Epoch] = []
        self.best_epoch = 0
        self.best: dict[str, Tensor] = {}

    @property
    def is_over(self) -> bool:
        """All epochs done, or none of the last `early_stop_patience` was better than the best before."""
        done = len(self.history)
        return done >= self.config.max_epochs or done - self.best_epoch >= self.config.early_stop_patience

    def record(self, epoch: Epoch) -> None:
        """Take note of a finished epoch, and of its weights when its validation loss is the lowest."""
        lowest = min((entry.validation_loss for entry in self.history), default=float("inf"))
        self.history.append(epoch)
        self.schedule.step(epoch.validation_loss)
        if epoch.validation_loss < lowest:
            self.best_epoch = epoch.epoch
            self.best = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}

    def checkpoint(self) -> Checkpoint:
        """What `restore` needs."""
        moments, groups = (self.optimiser.state_dict()[part] for part in ("state", "param_groups"))
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        tensors |= {f"optimiser.{n}.{name}": tensor for n, entry in moments.items() for name, tensor in entry.items()}
        state = {
            "param_groups": groups,
            "schedule": self.schedule.state_dict(),
            "history": [dataclasses.asdict(epoch) for epoch in self.history],
            "best_epoch": self.best_epoch,
        }
        return Checkpoint(tensors, state)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to where `checkpoint` was made."""
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "optimiser": {}}
        for name, tensor in checkpoint.tensors.items():
            part, rest = name.split(".", 1)
            parts[part][rest] = tensor
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in parts["optimiser"].items():
            number, entry = name.split(".", 1)
            moments.setdefault(int(number), {})[entry] = tensor
        self.model.load_state_dict(parts["model"], strict=True)
        self.optimiser.load_state_dict({"state": moments, "param_groups": checkpoint.state["param_groups"]})
        self.schedule.load_state_dict(checkpoint.state["schedule"])
        self.history = [Epoch(**entry) for entry in checkpoint.state["history"]]
        self.best_epoch = checkpoint.state["best_epoch"]
        self.best = parts["best"]

    def fitted(self, vocabulary: Vocabulary, scaler: ImageScaler) -> Fitted:
        """The network with its best weights, and all that belongs to it."""
        self.model.load_state_dict(self.best)
        return Fitted(
            model=self.model.eval(),
            vocabulary=vocabulary,
            scaler=scaler,
            history=self.history,
            model_config=self.model.config,
            train_config=self.config,
            best_epoch=self.best_epoch,
        )
