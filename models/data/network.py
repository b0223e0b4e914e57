"""What every trained network here is to the training loop: a module from a batch of posts to class scores."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from models.data.batches import Batch
from models.data.text import TextConfig


class Network(nn.Module):
    """The base of MRLF and of the networks it is compared with.

    Every subclass is made by `(config, vocabulary, *, image_dim, num_classes)` and is listed in
    `models.training.fitted`.
    """

    def __init__(self, config: TextConfig, num_classes: int) -> None:
        super().__init__()
        self.config, self.num_classes = config, num_classes

    def forward(self, batch: Batch) -> Tensor:
        """Class scores (B, C), unnormalised. How far the batch is padded does not move them."""
        raise NotImplementedError


def embedding(num_ids: int, dim: int, *, std: float, padding_idx: int | None = None) -> nn.Embedding:
    """An embedding whose entries begin normal with this standard deviation; that of padding is 0.

    torch begins at 1: beside layers that begin at a few hundredths the network then stays near what was drawn.
    """
    made = nn.Embedding(num_ids, dim, padding_idx=padding_idx)
    with torch.no_grad():
        made.weight.mul_(std)
    return made


def start_from(network: Network, state: Mapping[str, Tensor]) -> None:
    """Put these weights, by their names, in the place of drawn ones.

    Raises:
        ValueError: the network has no tensor of that name and shape.
    """
    own = network.state_dict()
    wrong = [name for name, tensor in state.items() if name not in own or own[name].shape != tensor.shape]
    if wrong:
        raise ValueError(
            f"{len(wrong)} weights to begin with do not fit the network, the first is {wrong[0]}; "
            "take the weights of this very network"
        )
    network.load_state_dict(state, strict=False)
