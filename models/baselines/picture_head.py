"""The picture alone: frozen features of a backbone, and the image branch and head of MRLF over them.

VGG16/19 (Simonyan and Zisserman 2014, arXiv 1409.1556), ResNet50/101 (He et al. 2015, arXiv 1512.03385), DenseNet121
(Huang et al. 2016, arXiv 1608.06993): whose features the samples hold decides which of them this is. MRLF (arXiv
2306.07935) compares with them in Table II and uses VGG19 alone in Table III; it states of none whether it was frozen,
but of the VGG19 within MRLF.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from models.data.batches import Batch
from models.data.network import Network
from models.data.text import TextConfig, Vocabulary
from models.mrlf.branches import ImageBranch
from models.settings.config_values import require
from models.settings.train_config import TrainConfig


@dataclass(frozen=True, kw_only=True)
class PictureHeadConfig(TextConfig):
    """As MRLF's image branch; the text limits are of no use here."""

    image_fc_dim: int = 256
    head_dropout: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.image_fc_dim >= 1, "image_fc_dim", "at least 1", self.image_fc_dim)
        require(0 <= self.head_dropout < 1, "head_dropout", "in [0, 1)", self.head_dropout)

    @classmethod
    def paper(cls) -> "PictureHeadConfig":
        """The reconstruction at the paper's scale."""
        return cls()

    @classmethod
    def small(cls) -> "PictureHeadConfig":
        """For fewer than about 5,000 posts."""
        return cls(image_fc_dim=64)

    @classmethod
    def paper_training(cls) -> TrainConfig:
        """As MRLF."""
        return TrainConfig.paper()

    @classmethod
    def small_training(cls) -> TrainConfig:
        """As MRLF."""
        return TrainConfig.small()


class PictureHead(Network):
    """One post's image features to unnormalised class scores."""

    def __init__(self, config: PictureHeadConfig, vocabulary: Vocabulary, *, image_dim: int, num_classes: int) -> None:
        super().__init__(config, num_classes)
        self.config: PictureHeadConfig = config
        self.image = ImageBranch(image_dim, config.image_fc_dim)
        self.dropout = nn.Dropout(config.head_dropout)
        self.head = nn.Linear(config.image_fc_dim, num_classes)

    def forward(self, batch: Batch) -> Tensor:
        """Class scores (B, C)."""
        return self.head(self.dropout(self.image(batch.image_BD, batch.has_image_B)))  # type: ignore[no-any-return]
