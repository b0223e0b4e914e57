"""The word branch: a TextCNN over caption words or over hashtags (Kim 2014, arXiv 1408.5882).

Word embeddings, one centred convolution per filter size, ReLU, and the maximum over the valid positions.
Shape letters: B batch, L positions, D embedding, A the filters of all sizes, K taps of the longest.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.data.batches import Padded
from models.data.text import PAD_ID
from models.mrlf.attention import drop_channels_
from models.mrlf.config import MrlfConfig
from models.mrlf.filters import side_by_side


class WordBranch(nn.Module):
    """The word representation (B, A); a post without words gives zeros."""

    def __init__(self, config: MrlfConfig, num_words: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_words, config.word_dim, padding_idx=PAD_ID)
        convolutions = [nn.Conv1d(config.word_dim, config.num_filters, size) for size in config.word_filter_sizes]
        self.convolutions: Sequence[nn.Conv1d] = nn.ModuleList(convolutions)  # type: ignore[assignment]
        self.dropout = config.dropout

    def forward(self, words: Padded) -> Tensor:
        """Padded positions are 0 before the convolutions and never the maximum after them."""
        valid_BL1 = words.valid_BL()[:, :, None]
        words_BLD = drop_channels_(self.embedding(words.ids_BL), self.dropout, self.training) * valid_BL1
        weight_ADK, bias_A, left = side_by_side(self.convolutions)
        words_BDL = F.pad(words_BLD.transpose(1, 2), (left, weight_ADK.shape[2] - 1 - left))
        convolved_BAL = F.conv1d(words_BDL, weight_ADK, bias_A)
        return torch.where(valid_BL1.transpose(1, 2), convolved_BAL, 0.0).amax(dim=2).relu()
