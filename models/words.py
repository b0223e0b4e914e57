"""The word branch: a TextCNN over caption words or over hashtags (Kim 2014, arXiv 1408.5882).

Word embeddings, one centred convolution per filter size, ReLU, and the maximum over the valid positions.
Shape letters: B batch, L positions, D embedding, E filters.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.attention import drop_channels
from models.batches import Padded
from models.config import MrlfConfig
from models.text import PAD_ID


class WordBranch(nn.Module):
    """The word representation (B, filter sizes * E); a post without words gives zeros."""

    def __init__(self, config: MrlfConfig, num_words: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_words, config.word_dim, padding_idx=PAD_ID)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(config.word_dim, config.num_filters, size) for size in config.word_filter_sizes
        )
        self.filter_sizes = config.word_filter_sizes
        self.dropout = config.dropout

    def forward(self, words: Padded) -> Tensor:
        """Padded positions are 0 before each convolution and, after the ReLU, before the maximum."""
        valid_B1L = words.valid_BL()[:, None, :]
        words_BLD = drop_channels(self.embedding(words.ids_BL), self.dropout, self.training)
        words_BDL = words_BLD.transpose(1, 2) * valid_B1L
        pooled = []
        for size, convolution in zip(self.filter_sizes, self.convolutions, strict=True):
            left = (size - 1) // 2
            convolved_BEL = F.relu(convolution(F.pad(words_BDL, (left, size - 1 - left))))
            pooled.append((convolved_BEL * valid_B1L).amax(dim=2))
        return torch.cat(pooled, dim=1)
