"""The image branch: features of a frozen VGG19 (`models.vision.backbones`) through one fully connected layer.

A post without a picture is given a learned one in its place. It begins as zeros, which is the mean training picture
(features come in standardised): so a network that never met such a post does what the averaged image of Sanchez
Villegas and Aletras 2021 (arXiv 2109.00602) does, and one that met some learns better.
Shape letters: B batch, D image features, I width of the branch.
"""

import torch
from torch import Tensor, nn


class ImageBranch(nn.Module):
    """The image representation (B, I)."""

    def __init__(self, image_dim: int, width: int) -> None:
        super().__init__()
        self.stand_in_D = nn.Parameter(torch.zeros(image_dim))
        self.layer = nn.Linear(image_dim, width)

    def forward(self, image_BD: Tensor, has_image_B: Tensor) -> Tensor:
        """Where `has_image_B` is False, the row of `image_BD` is not looked at."""
        seen_BD = torch.where(has_image_B[:, None], image_BD, self.stand_in_D)
        return self.layer(seen_BD).relu()  # type: ignore[no-any-return]
