"""MRLF, the multi-modal representation learning framework of Dai et al. 2023 (arXiv 2306.07935), reconstructed.

(9)  Z = [F; T_c; H_c; T_w; H_w; I]: fused characters, characters and words of caption and hashtags, image
(10) y = W_z Z + b_z;  the loss (13) is the cross-entropy of softmax(y)
The image comes in as features of a frozen VGG19 (`models.backbones`) and passes one fully connected layer.
The formulas and numbers are missing from every copy of the paper: see `models.config` for what was chosen and why.
Shape letters: B batch, Z joined width, C classes.
"""

import torch
from torch import Tensor, nn

from models.batches import Batch
from models.characters import CharacterBranch, CharacterMaps
from models.config import MrlfConfig
from models.fusion import EarlyFusion
from models.hashtags import drop_hashtags
from models.network import Network
from models.text import Vocabulary
from models.words import WordBranch

__all__ = ["Mrlf", "MrlfConfig"]


class Mrlf(Network):
    """One post's caption, hashtags and image features to unnormalised class scores."""

    def __init__(self, config: MrlfConfig, vocabulary: Vocabulary, *, image_dim: int, num_classes: int) -> None:
        super().__init__(config, num_classes)
        self.config: MrlfConfig = config
        num_characters = vocabulary.num_characters
        self.caption_maps = CharacterMaps(config, num_characters, config.max_caption_chars)
        self.hashtag_maps = CharacterMaps(config, num_characters, config.max_hashtag_chars)
        self.caption_characters = CharacterBranch(config)
        self.hashtag_characters = CharacterBranch(config)
        self.fusion = EarlyFusion(config)
        self.caption_words = WordBranch(config, vocabulary.num_words)
        self.hashtag_words = WordBranch(config, vocabulary.num_hashtags)
        self.image = nn.Sequential(nn.Linear(image_dim, config.image_fc_dim), nn.ReLU())
        char_width = 3 * len(config.char_filter_sizes) * config.num_filters
        word_width = 2 * len(config.word_filter_sizes) * config.num_filters
        self.head_dropout = nn.Dropout(config.head_dropout)
        self.head = nn.Linear(char_width + word_width + config.image_fc_dim, num_classes)

    def forward(self, batch: Batch) -> Tensor:
        """Class scores (B, C). How far the batch is padded does not move them."""
        hashtag_words, hashtag_chars = batch.hashtag_words, batch.hashtag_chars
        if self.training and self.config.hashtag_dropout > 0:
            hashtag_words, hashtag_chars = drop_hashtags(
                hashtag_words, hashtag_chars, batch.hashtag_of_char_BL, self.config.hashtag_dropout
            )
        caption_maps = self.caption_maps(batch.caption_chars)
        hashtag_maps = self.hashtag_maps(hashtag_chars)
        joined_BZ = torch.cat(
            [
                self.fusion(caption_maps, hashtag_maps),
                self.caption_characters(caption_maps),
                self.hashtag_characters(hashtag_maps),
                self.caption_words(batch.caption_words),
                self.hashtag_words(hashtag_words),
                self.image(batch.image_BD),
            ],
            dim=1,
        )
        return self.head(self.head_dropout(joined_BZ))  # type: ignore[no-any-return]
