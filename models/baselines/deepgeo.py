"""Deepgeo: a character Bi-LSTM with attention (Lau, Chi, Tran and Cohn, IJCNLP 2017, arXiv 1710.04802).

The text network of the paper; its metadata (time zone, account) are not to be had of a post, so they are left out.
Each position sees the forward state of the characters before it, its own embedding and the backward state of those
after it: the LSTMs' outputs are shifted by one. Then
  c_t = relu(W_c [forward_(t-1); e_t; backward_(t+1)] + b_c)      convolution of width 1
  p_t = max(c_t, ..., c_(t+9))                                    max-pool, window 10, stride 1
  a = softmax(v^T tanh(W_p p + b_p)),  z = sum_t a_t p_t          additive attention
  scores = W_o tanh(W_z dropout(z) + b_z) + b_o
Ours: a text shorter than the window keeps one slot, and each text is read backwards from its own end, so padding moves
nothing; the paper pads to buckets.
Shape letters: B batch, L positions, D embedding, H state of an LSTM, E filters, S slots after the max-pool.
"""

from dataclasses import dataclass
from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.baselines.joined_text import Reads, joined_characters, space_id
from models.data.batches import Batch, Padded
from models.data.network import Network, embedding
from models.data.text import PAD_ID, TextConfig, Vocabulary
from models.settings.config_values import require
from models.settings.train_config import TrainConfig


@dataclass(frozen=True, kw_only=True)
class DeepgeoConfig(TextConfig):
    """The sizes of the paper ("optimal setting" of its code)."""

    min_char_count: int = 5
    reads: Reads = "caption_and_hashtags"
    """a tweet holds its hashtags, so the whole text of a post is read"""
    char_dim: int = 200
    lstm_dim: int = 200
    """per direction"""
    num_filters: int = 400
    pool_window: int = 10
    hidden_dim: int = 400
    dropout: float = 0.2
    embedding_std: float = 1.0
    """torch's own: at 0.1 it learnt the same in twice the epochs"""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.reads in get_args(Reads), "reads", f"one of {get_args(Reads)}", self.reads)
        for name in ("char_dim", "lstm_dim", "num_filters", "pool_window", "hidden_dim"):
            require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        require(0 <= self.dropout < 1, "dropout", "in [0, 1)", self.dropout)
        require(self.embedding_std > 0, "embedding_std", "above 0", self.embedding_std)

    @classmethod
    def paper(cls) -> "DeepgeoConfig":
        """The sizes that the paper states."""
        return cls()

    @classmethod
    def small(cls) -> "DeepgeoConfig":
        """For fewer than about 5,000 posts: a quarter of the width, and every character met twice."""
        return cls(min_char_count=2, char_dim=64, lstm_dim=64, num_filters=128, hidden_dim=128)

    @classmethod
    def paper_training(cls) -> TrainConfig:
        """Adam 1e-3 in batches of 512, as the paper states; how long is left to validation (the paper: 10 epochs)."""
        return TrainConfig(optimiser="adam", learning_rate=1e-3, batch_size=512)

    @classmethod
    def small_training(cls) -> TrainConfig:
        """Batches of 512 make two steps an epoch of a thousand posts: too few to learn."""
        return TrainConfig.small_adam()


class Deepgeo(Network):
    """One post's characters to unnormalised class scores."""

    def __init__(self, config: DeepgeoConfig, vocabulary: Vocabulary, *, image_dim: int, num_classes: int) -> None:
        super().__init__(config, num_classes)
        self.config: DeepgeoConfig = config
        self.space = space_id(vocabulary)
        self.embedding = embedding(
            vocabulary.num_characters, config.char_dim, std=config.embedding_std, padding_idx=PAD_ID
        )
        self.forward_lstm = nn.LSTM(config.char_dim, config.lstm_dim, batch_first=True)
        self.backward_lstm = nn.LSTM(config.char_dim, config.lstm_dim, batch_first=True)
        self.filters = nn.Linear(2 * config.lstm_dim + config.char_dim, config.num_filters)
        self.attention = nn.Linear(config.num_filters, config.num_filters)
        self.attention_out = nn.Linear(config.num_filters, 1, bias=False)
        self.dropout = nn.Dropout(config.dropout)
        self.hidden = nn.Linear(config.num_filters, config.hidden_dim)
        self.head = nn.Linear(config.hidden_dim, num_classes)

    def forward(self, batch: Batch) -> Tensor:
        """Class scores (B, C). How far the batch is padded does not move them."""
        chars = joined_characters(batch, self.config.reads, self.space)
        slots_BSE, valid_BS = self._slots(chars)
        scores_BS = self.attention_out(torch.tanh(self.attention(slots_BSE)))[:, :, 0]
        weights_BS = scores_BS.masked_fill(~valid_BS, float("-inf")).softmax(dim=1)
        text_BE = (weights_BS[:, :, None] * slots_BSE).sum(dim=1)
        return self.head(torch.tanh(self.hidden(self.dropout(text_BE))))  # type: ignore[no-any-return]

    def _slots(self, chars: Padded) -> tuple[Tensor, Tensor]:
        """The pooled map, and which of its slots are real."""
        valid_BL = chars.valid_BL()
        embedded_BLD = self.embedding(chars.ids_BL)
        before_BLH = F.pad(self.forward_lstm(embedded_BLD)[0][:, :-1], (0, 0, 1, 0))
        reversed_BLD = reverse_texts(embedded_BLD, chars.lengths_B)
        after_BLH = F.pad(self.backward_lstm(reversed_BLD)[0][:, :-1], (0, 0, 1, 0))
        seen = [before_BLH, embedded_BLD, reverse_texts(after_BLH, chars.lengths_B)]
        filtered_BLE = F.relu(self.filters(torch.cat(seen, dim=2))) * valid_BL[:, :, None]
        window = self.config.pool_window
        filled_BLE = F.pad(filtered_BLE, (0, 0, 0, max(0, window - valid_BL.shape[1])))
        slots_BSE = F.max_pool1d(filled_BLE.transpose(1, 2), window, stride=1).transpose(1, 2)
        num_slots_B = (chars.lengths_B - window + 1).clamp(min=1)
        return slots_BSE, torch.arange(slots_BSE.shape[1], device=num_slots_B.device) < num_slots_B[:, None]


def reverse_texts(x_BLD: Tensor, lengths_B: Tensor) -> Tensor:
    """Each row back to front up to its length; what stands after it stays."""
    place_L = torch.arange(x_BLD.shape[1], device=x_BLD.device)
    from_BL = torch.where(place_L < lengths_B[:, None], lengths_B[:, None] - 1 - place_L, place_L)
    return x_BLD.gather(1, from_BL[:, :, None].expand(-1, -1, x_BLD.shape[2]))
