"""The state of a training run at any step, and its way into a checkpoint and back.

Between two epochs the randomness to come follows from (seed, epoch); inside one the generators' states are kept.
"""

import dataclasses
from typing import Any

import torch
from torch import Tensor

from models.data.network import Network
from models.data.samples import ImageScaler
from models.data.text import Vocabulary
from models.settings.train_config import Epoch, TrainConfig
from models.training.checkpoint import Checkpoint
from models.training.fitted import Fitted

OPTIMISERS = {"rmsprop": torch.optim.RMSprop, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


class Run:
    """Network, optimiser, learning-rate schedule, history, the best weights, and how far the running epoch is."""

    def __init__(self, model: Network, config: TrainConfig) -> None:
        self.model, self.config = model, config
        self.device = next(model.parameters()).device
        self.optimiser = _optimiser(model, config, self.device)
        self.schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimiser, factor=config.plateau_factor, patience=config.plateau_patience
        )
        self.history: list[Epoch] = []
        self.best_epoch = 0
        self.best: dict[str, Tensor] = {}
        self.num_steps = 0
        """steps done of the running epoch"""
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=self.device)
        """of the running epoch's samples so far"""
        self.seconds = 0.0
        """spent on the running epoch so far"""
        self.num_parts = 1
        """a batch is taken in this many parts: more than 1 after the device's memory did not hold a whole one"""

    @property
    def is_over(self) -> bool:
        """All epochs done, or none of the last `early_stop_patience` was better than the best before."""
        done = len(self.history)
        return done >= self.config.max_epochs or done - self.best_epoch >= self.config.early_stop_patience

    @property
    def learning_rates(self) -> list[Tensor]:
        """Those that lie on the device as tensors: none on a CPU."""
        return [group["lr"] for group in self.optimiser.param_groups if isinstance(group["lr"], Tensor)]

    def record(self, epoch: Epoch) -> None:
        """Take note of a finished epoch, and of its weights when its validation loss is the lowest."""
        lowest = min((entry.validation_loss for entry in self.history), default=float("inf"))
        self.history.append(epoch)
        self.schedule.step(epoch.validation_loss)
        if epoch.validation_loss < lowest:
            self.best_epoch = epoch.epoch
            self.best = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        self.num_steps, self.seconds = 0, 0.0
        self.loss_sum.zero_()

    def checkpoint(self) -> Checkpoint:
        """What `restore` needs."""
        moments, groups = (self.optimiser.state_dict()[part] for part in ("state", "param_groups"))
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        tensors |= {f"optimiser.{n}.{name}": tensor for n, entry in moments.items() for name, tensor in entry.items()}
        if self.num_steps:
            tensors |= {f"random.{name}": state for name, state in _random_states(self.device).items()}
        state = {
            "param_groups": _plain(groups),
            "schedule": _plain(self.schedule.state_dict()),
            "history": [dataclasses.asdict(epoch) for epoch in self.history],
            "best_epoch": self.best_epoch,
            "num_steps": self.num_steps,
            "loss_sum": float(self.loss_sum),
            "seconds": self.seconds,
            "num_parts": self.num_parts,
        }
        return Checkpoint(tensors, state)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to where `checkpoint` was made; inside an epoch the generators go back too."""
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "optimiser": {}, "random": {}}
        for name, tensor in checkpoint.tensors.items():
            part, rest = name.split(".", 1)
            parts[part][rest] = tensor
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in parts["optimiser"].items():
            number, entry = name.split(".", 1)
            moments.setdefault(int(number), {})[entry] = tensor
        state = checkpoint.state
        self.model.load_state_dict(parts["model"], strict=True)
        self.optimiser.load_state_dict({"state": moments, "param_groups": state["param_groups"]})
        self.schedule.load_state_dict(state["schedule"])
        _place_learning_rates(self.optimiser, self.device)
        self.history = [Epoch(**entry) for entry in state["history"]]
        self.best_epoch, self.best = state["best_epoch"], parts["best"]
        self.num_steps, self.seconds, self.num_parts = state["num_steps"], state["seconds"], state["num_parts"]
        self.loss_sum.fill_(state["loss_sum"])
        _set_random_states(parts["random"], self.device)

    def fitted(self, vocabulary: Vocabulary, scaler: ImageScaler) -> Fitted:
        """The network as it is now, and all that belongs to it."""
        return Fitted(
            model=self.model.eval(),
            vocabulary=vocabulary,
            scaler=scaler,
            history=list(self.history),
            model_config=self.model.config,
            train_config=self.config,
            best_epoch=self.best_epoch,
        )


def _optimiser(model: Network, config: TrainConfig, device: torch.device) -> torch.optim.Optimizer:
    """On a GPU it is such that a step can be captured: its counters and its learning rate lie on the device."""
    kind: Any = OPTIMISERS[config.optimiser]
    optimiser: torch.optim.Optimizer = kind(
        [parameter for parameter in model.parameters() if parameter.requires_grad],
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        capturable=device.type == "cuda",
    )
    _place_learning_rates(optimiser, device)
    return optimiser


def _place_learning_rates(optimiser: torch.optim.Optimizer, device: torch.device) -> None:
    if device.type == "cuda":
        for group in optimiser.param_groups:
            group["lr"] = torch.tensor(float(group["lr"]), device=device)


def _random_states(device: torch.device) -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    return states | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def _set_random_states(states: dict[str, Tensor], device: torch.device) -> None:
    if "cpu" in states:
        torch.set_rng_state(states["cpu"])
    if "cuda" in states and device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)


def _plain(value: Any) -> Any:
    """As JSON holds it: a learning rate that lies on a device becomes a number."""
    if isinstance(value, Tensor):
        return float(value)
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, list | tuple) else value
