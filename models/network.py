"""What every trained network here is to the training loop: a module from a batch of posts to class scores."""

from torch import Tensor, nn

from models.batches import Batch
from models.text import TextConfig


class Network(nn.Module):
    """The base of MRLF and of the networks it is compared with.

    Every subclass is made by `(config, vocabulary, *, image_dim, num_classes)` and listed in `models.networks`.
    """

    def __init__(self, config: TextConfig, num_classes: int) -> None:
        super().__init__()
        self.config, self.num_classes = config, num_classes

    def forward(self, batch: Batch) -> Tensor:
        """Class scores (B, C), unnormalised. How far the batch is padded does not move them."""
        raise NotImplementedError
