"""MRLF as one writes it down first: the reference of our network, and the peer of its speed.

The same layers and weights, read straight from the equations in `mrlf.mrlf`: everything padded to its maximum, an
embedding and then a convolution, attention with its softmax written out, dropout by element. Early cross fusion only.
Shape letters: B batch, L positions, D embedding, E filters, S, T slots, H heads, K width per head.
"""

import copy
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Dataset

from models.data.samples import Samples
from models.data.text import PAD_ID, UNKNOWN_ID, TextConfig, Vocabulary, normalise, normalise_hashtags, words_of
from models.mrlf.attention import AttentionBlock, MultiHeadAttention
from models.mrlf.branches import CharacterBranch, CharacterMaps, WordBranch
from models.mrlf.mrlf import HiddenLayer, Mrlf

Map = tuple[Tensor, Tensor]
"""slots (B, S, E) and which of them are real (B, S)"""


class PlainPosts(Dataset[dict[str, Tensor]]):
    """Posts as tensors of one length each; hashtags are left out at random where `hashtag_dropout` is above 0."""

    def __init__(
        self, samples: Samples, vocabulary: Vocabulary, config: TextConfig, *, hashtag_dropout: float = 0.0
    ) -> None:
        self.samples, self.vocabulary, self.config = samples, vocabulary, config
        self.hashtag_dropout = hashtag_dropout

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        vocabulary, config = self.vocabulary, self.config
        caption = normalise(self.samples.captions[row])
        tags = normalise_hashtags(self.samples.hashtags[row])[: config.max_hashtags]
        if self.hashtag_dropout > 0:
            keep = torch.rand(len(tags)) >= self.hashtag_dropout
            tags = [tag for tag, is_kept in zip(tags, keep, strict=True) if is_kept]
        return {
            "caption_chars": _ids(caption, vocabulary.char_ids, config.max_caption_chars),
            "caption_words": _ids(words_of(caption), vocabulary.word_ids, config.max_caption_words),
            "hashtag_chars": _ids(" ".join(tags), vocabulary.char_ids, config.max_hashtag_chars),
            "hashtag_words": _ids(tags, vocabulary.hashtag_ids, config.max_hashtags),
            "image": torch.from_numpy(self.samples.image_ND[row]),
            "label": torch.tensor(int(self.samples.labels_N[row])),
        }


def _ids(tokens, known, longest: int) -> Tensor:
    ids = [known.get(token, UNKNOWN_ID) for token in tokens[:longest]]
    return torch.tensor(ids + [PAD_ID] * (longest - len(ids)))


class PlainMrlf(nn.Module):
    """A copy of a network's layers, put together plainly."""

    def __init__(self, ours: Mrlf) -> None:
        super().__init__()
        if not (ours.config.fusion == "early_cross" and ours.config.has_fusion and ours.config.words):
            raise ValueError("the plain network has all parts and early cross fusion only")
        self.layers = copy.deepcopy(ours)
        self.config = ours.config
        self.dropout = nn.Dropout(ours.config.dropout)

    def forward(self, posts: dict[str, Tensor]) -> Tensor:
        """Class scores (B, C)."""
        layers = self.layers
        caption_maps = self.maps(layers.caption_maps, posts["caption_chars"])
        hashtag_maps = self.maps(layers.hashtag_maps, posts["hashtag_chars"])
        fusion = zip(layers.fusion.attentions, layers.fusion.outputs, caption_maps, hashtag_maps, strict=True)
        fused = [
            self.pooled((output(attend(attention, caption[0], tags)), caption[1]))
            for attention, output, caption, tags in fusion
        ]
        parts = [
            *fused,
            *self.branch(layers.caption_characters, caption_maps),
            *self.branch(layers.hashtag_characters, hashtag_maps),
            self.words(layers.caption_words, posts["caption_words"]),
            self.words(layers.hashtag_words, posts["hashtag_words"]),
            F.relu(layers.image.layer(posts["image"])),
        ]
        joined = torch.cat(parts, dim=1)
        scores = layers.head(layers.head_dropout(joined))
        return scores if layers.hidden is None else scores + self.hidden(layers.hidden, joined)

    def hidden(self, layers: HiddenLayer, joined: Tensor) -> Tensor:
        """The hidden layer with the batch's own mean and deviation, as in training."""
        deviation = (joined.var(dim=0, unbiased=False) + layers.norm.eps).sqrt()
        normal = layers.dropout((joined - joined.mean(dim=0)) / deviation)
        return layers.outer(layers.dropout(F.relu(layers.inner(normal))))

    def maps(self, layers: CharacterMaps, ids_BL: Tensor) -> list[Map]:
        """Equations (1) and (2)."""
        valid_BL = ids_BL != PAD_ID
        chars_BDL = (layers.embedding(ids_BL) + layers.positions.weight).transpose(1, 2)
        maps = []
        for size, convolution, norm in zip(layers.filter_sizes, layers.convolutions, layers.norms, strict=True):
            left, stride = self.left(size), size - 1 if self.config.char_pool == "overlapping" else size
            convolved_BEL = F.relu(convolution(F.pad(chars_BDL, (left, size - 1 - left)))) * valid_BL[:, None]
            slots_BES = F.max_pool1d(convolved_BEL, size, stride, ceil_mode=True)
            valid_BS = self.valid_slots(valid_BL, slots_BES.shape[2], size, stride)
            maps.append((norm(self.dropout(slots_BES.transpose(1, 2))), valid_BS))
        return maps

    def left(self, size: int) -> int:
        """Zeros before a text, so that the kernel is centred."""
        return (size - 1) // 2 if self.config.even_kernels == "right" else size // 2

    def valid_slots(self, valid_BL: Tensor, num_slots: int, size: int, stride: int) -> Tensor:
        """A window is real when the one before it leaves a character uncovered; the first one always is."""
        covered_S = torch.arange(num_slots) * stride - stride + size
        return (covered_S < valid_BL.sum(dim=1, keepdim=True)) | (torch.arange(num_slots) == 0)

    def branch(self, layers: CharacterBranch, maps: list[Map]) -> list[Tensor]:
        """Equations (3) to (5), one vector per filter size."""
        pooled = []
        for blocks, (slots_BSE, valid_BS) in zip(layers.blocks, maps, strict=True):
            for block in blocks:
                slots_BSE = self.block(block, slots_BSE, valid_BS)
            pooled.append(self.pooled((slots_BSE, valid_BS)))
        return pooled

    def block(self, block: AttentionBlock, slots_BSE: Tensor, valid_BS: Tensor) -> Tensor:
        """One layer of attention and feed-forward."""
        attended_BSE = attend(block.attention, slots_BSE, (slots_BSE, valid_BS))
        if block.residual_and_norm:
            attended_BSE = block.attention_norm(slots_BSE + attended_BSE)
        hidden_BSE = block.ffn_out(self.dropout(F.relu(block.ffn_in(attended_BSE))))
        return block.ffn_norm(attended_BSE + hidden_BSE) if block.residual_and_norm else hidden_BSE

    def pooled(self, of: Map) -> Tensor:
        """Mean or sum over the real slots."""
        slots_BSE, valid_BS = of
        total_BE = (slots_BSE * valid_BS[:, :, None]).sum(dim=1)
        return total_BE if self.config.pooling == "sum" else total_BE / valid_BS.sum(dim=1, keepdim=True)

    def words(self, layers: WordBranch, ids_BL: Tensor) -> Tensor:
        """TextCNN: the maximum over positions of each filter."""
        valid_B1L = (ids_BL != PAD_ID)[:, None]
        words_BDL = self.dropout(layers.embedding(ids_BL)).transpose(1, 2) * valid_B1L
        pooled = []
        for convolution in layers.convolutions:
            size = convolution.kernel_size[0]
            left = self.left(size)
            convolved_BEL = F.relu(convolution(F.pad(words_BDL, (left, size - 1 - left)))) * valid_B1L
            pooled.append(convolved_BEL.amax(dim=2))
        return torch.cat(pooled, dim=1)


def attend(layer: MultiHeadAttention, query_BSE: Tensor, memory: Map) -> Tensor:
    """Softmax attention written out."""
    memory_BTE, valid_BT = memory
    query_BHSK, key_BHTK, value_BHTK = (
        projection(x).unflatten(2, (layer.num_heads, -1)).transpose(1, 2)
        for projection, x in ((layer.query, query_BSE), (layer.key, memory_BTE), (layer.value, memory_BTE))
    )
    scores_BHST = query_BHSK @ key_BHTK.transpose(2, 3) / math.sqrt(key_BHTK.shape[3])
    weights_BHST = scores_BHST.masked_fill(~valid_BT[:, None, None], float("-inf")).softmax(dim=3)
    return (weights_BHST @ value_BHTK).transpose(1, 2).flatten(2)
