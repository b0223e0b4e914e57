"""The branches of MRLF: characters, words, hashtags and picture, each up to what is fused.

Characters: equations (1), (2) of MRLF (arXiv 2306.07935), reconstructed; the pooling rule is that of LocTwi (Huang et
al. 2019):
(1) m'_ij = relu(sum_u sum_v w_uv c_(i+u)v + b_j), k taps, centred: (k-1)//2 zeros to the left, the rest to the right;
    with `even_kernels: left` an even k reads its odd position before the middle instead of after it
(2) m_ij  = max over the window of k positions that starts at (i-1) * stride, stride k-1
Law: padding moves nothing. A padded position is PADDED before the max-pool and the ReLU comes after it, so it never
wins a window; the n valid slots of a text of length L are ceil((L - k) / stride) + 1, at least 1. Learned positions
run on past the end of a text, as far as a filter can see.
There are few characters, so what each adds at each tap of each filter, E W_u, is computed once a step; a position's
output is then the sum of one row per tap. Exact: the sums are those of the convolution, in another order.

Words, of the caption and of the hashtags: a TextCNN (Kim 2014, arXiv 1408.5882). Word embeddings, one centred
convolution per filter size, ReLU, and the maximum over the valid positions.

Hashtags: whole ones vanish from a training post, from both of its hashtag views at once. Without it the network leans
on the place's own hashtag and learns little from the rest of the post.
Law: what remains is encoded as if the post had been written without the dropped hashtags.

Picture: features of a frozen VGG19 (`models.vision.backbones`) through one fully connected layer. A post without a
picture is given a learned one in its place. It begins as zeros, which is the mean training picture (features come in
standardised): so a network that never met such a post does what the averaged image of Sanchez Villegas and Aletras
2021 (arXiv 2109.00602) does, and one that met some learns better.

Shape letters: B batch, L positions, V characters, D embedding or image features, E filters of a size, A the filters of
all sizes, K taps of the longest, R = K * V rows, P = B * L, S slots after the max-pool, T hashtags, I width of the
image branch.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.data.batches import Padded
from models.data.network import embedding
from models.data.text import PAD_ID
from models.mrlf.attention import AttentionBlock, drop_channels_, is_eager_cpu, pool_positions
from models.mrlf.config import MrlfConfig, Pooling, PoolRule, Side

PADDED = -1e4
"""Lower than any convolution of a text, and a number in bf16, too."""


def taps_left(size: int, even: Side) -> int:
    """Taps of a centred filter before its middle one; one of even size has one more on the side `even`."""
    return (size - (even == "right")) // 2


def side_by_side(convolutions: Sequence[nn.Conv1d], even: Side) -> tuple[Tensor, Tensor, int]:
    """Weights (A, D, K) and bias (A) of all these layers, and how many of the K taps lie before the middle one."""
    sizes = [layer.kernel_size[0] for layer in convolutions]
    lefts = [taps_left(size, even) for size in sizes]
    left, right = max(lefts), max(size - 1 - own for size, own in zip(sizes, lefts, strict=True))
    weights = [
        F.pad(layer.weight, (left - own, right - (size - 1 - own)))
        for layer, size, own in zip(convolutions, sizes, lefts, strict=True)
    ]
    biases = [layer.bias for layer in convolutions if layer.bias is not None]
    return torch.cat(weights), torch.cat(biases), left


def look_up_convolution(
    ids_BL: Tensor, embedded_VD: Tensor, weight_ADK: Tensor, taps_left: int, padded: float
) -> Tensor:
    """Convolution (B, L, A) of the embedded ids with zeros round them; `padded` or near it where the id is PAD_ID."""
    num_taps, num_rows = weight_ADK.shape[2], len(embedded_VD)
    table_KVA = embedded_VD @ weight_ADK.permute(2, 1, 0)
    mark_KV = torch.zeros(num_taps, num_rows)
    mark_KV[taps_left, PAD_ID] = padded
    table_RA = (table_KVA + mark_KV[:, :, None]).flatten(0, 1)
    windows_BLK = F.pad(ids_BL, (taps_left, num_taps - 1 - taps_left), value=PAD_ID).unfold(1, num_taps, 1)
    rows_PK = (windows_BLK + torch.arange(num_taps) * num_rows).flatten(0, 1)
    return _SumOfRows.apply(table_RA, rows_PK).unflatten(0, ids_BL.shape)  # type: ignore[no-any-return]


class _SumOfRows(torch.autograd.Function):
    """`embedding_bag` with a quicker gradient: a row's gradient is again a sum of rows, those that it was added to."""

    @staticmethod
    def forward(ctx: Any, table_RA: Tensor, rows_PK: Tensor) -> Tensor:
        ctx.save_for_backward(rows_PK)
        ctx.num_rows = len(table_RA)
        return F.embedding_bag(rows_PK, table_RA, mode="sum")

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # one gradient, as there is one output
        (rows_PK,), (gradient_PA,) = ctx.saved_tensors, gradients
        rows, order = rows_PK.flatten().sort(stable=True)
        starts_R = torch.searchsorted(rows, torch.arange(ctx.num_rows))
        return F.embedding_bag(order // rows_PK.shape[1], gradient_PA.contiguous(), starts_R, mode="sum"), None


class PooledMap(NamedTuple):
    """The output M of convolution and max-pool for one filter size, and which of its slots are real."""

    slots_BSE: Tensor
    valid_BS: Tensor


def pool_stride(filter_size: int, rule: PoolRule) -> int:
    """Stride of the max-pool whose window is `filter_size`: overlapping by one position, or side by side."""
    return filter_size - 1 if rule == "overlapping" else filter_size


def num_slots(lengths_B: Tensor, window: int, stride: int) -> Tensor:
    """Windows needed to cover each length; an empty text keeps one slot, of zeros, for attention to look at."""
    return ((lengths_B - window + stride - 1).div(stride, rounding_mode="floor") + 1).clamp(min=1)


class CharacterMaps(nn.Module):
    """Embedded characters with learned positions, convolved and max-pooled once per filter size."""

    def __init__(self, config: MrlfConfig, num_characters: int, max_chars: int) -> None:
        super().__init__()
        std = config.embedding_std
        self.embedding = embedding(num_characters, config.char_dim, std=std, padding_idx=PAD_ID)
        self.positions = embedding(max_chars, config.char_dim, std=std) if config.char_positions else None
        convolutions = [nn.Conv1d(config.char_dim, config.num_filters, size) for size in config.char_filter_sizes]
        self.convolutions: Sequence[nn.Conv1d] = nn.ModuleList(convolutions)  # type: ignore[assignment]
        self.norms = nn.ModuleList(
            nn.LayerNorm(config.num_filters) if config.norm_after_pool else nn.Identity()
            for _ in config.char_filter_sizes
        )
        self.filter_sizes, self.num_filters = config.char_filter_sizes, config.num_filters
        self.dropout = config.dropout
        self.pool_rule: PoolRule = config.char_pool
        self.even_kernels: Side = config.even_kernels

    def forward(self, chars: Padded) -> list[PooledMap]:
        """One map per filter size."""
        convolved = self.look_up(chars) if is_eager_cpu(self.embedding.weight) else self.convolve(chars)
        layers = zip(self.filter_sizes, convolved, self.norms, strict=True)
        return [self._map(convolved_BLE, chars.lengths_B, size, norm) for size, convolved_BLE, norm in layers]

    def convolve(self, chars: Padded) -> list[Tensor]:
        """Equation (1) before its ReLU, (B, L, E) per filter size: an embedding, then a convolution."""
        weight_ADK, bias_A, left = side_by_side(self.convolutions, self.even_kernels)
        right = weight_ADK.shape[2] - 1 - left
        chars_BLD = self.embedding(F.pad(chars.ids_BL, (0, right)))
        if self.positions is not None:
            chars_BLD = chars_BLD + self._positions_LD(chars_BLD.shape[1])
        convolved_BAL = F.conv1d(F.pad(chars_BLD.transpose(1, 2), (left, 0)), weight_ADK, bias_A)
        masked_BLA = torch.where(chars.valid_BL()[:, :, None], convolved_BAL.transpose(1, 2), PADDED)
        return list(torch.split(masked_BLA, self.num_filters, dim=2))

    def look_up(self, chars: Padded) -> list[Tensor]:
        """What `convolve` gives, by adding up rows of a table: several times faster on a CPU."""
        weight_ADK, bias_A, left = side_by_side(self.convolutions, self.even_kernels)
        added_LA = bias_A[None]
        if self.positions is not None:
            positions_LD = self._positions_LD(chars.ids_BL.shape[1] + weight_ADK.shape[2] - 1 - left)
            added_LA = F.conv1d(F.pad(positions_LD.T, (left, 0)), weight_ADK, bias_A).T
        embedded_VD = self.embedding(torch.arange(self.embedding.num_embeddings))  # padding stays without a gradient
        sums_BLA = look_up_convolution(chars.ids_BL, embedded_VD, weight_ADK, left, PADDED)
        parts = (torch.split(x, self.num_filters, dim=-1) for x in (sums_BLA, added_LA))
        return [sums_BLE + added_LE for sums_BLE, added_LE in zip(*parts, strict=True)]

    def _positions_LD(self, length: int) -> Tensor:
        """The learned positions, and zeros after the last of them."""
        positions_LD: Tensor = self.positions.weight[:length]  # type: ignore[union-attr]
        return F.pad(positions_LD, (0, 0, 0, length - len(positions_LD)))

    def _map(self, convolved_BLE: Tensor, lengths_B: Tensor, size: int, norm: nn.Module) -> PooledMap:
        """Equation (2): the max-pool, and the ReLU of (1)."""
        stride, length = pool_stride(size, self.pool_rule), convolved_BLE.shape[1]
        longest = max(1, -(-(length - size) // stride) + 1)
        missing = (longest - 1) * stride + size - length
        if missing > 0:
            convolved_BLE = F.pad(convolved_BLE, (0, 0, 0, missing), value=PADDED)
        image_BE1L = convolved_BLE.transpose(1, 2)[:, :, None]  # a max-pool of images is quick where channels are last
        slots_BSE = F.max_pool2d(image_BE1L, (1, size), (1, stride))[:, :, 0].transpose(1, 2)
        slots_B = num_slots(lengths_B, size, stride)
        valid_BS = torch.arange(longest, device=slots_B.device) < slots_B[:, None]
        return PooledMap(norm(drop_channels_(slots_BSE, self.dropout, self.training).relu_()), valid_BS)


class CharacterBranch(nn.Module):
    """Attention over each map of its own."""

    def __init__(self, config: MrlfConfig) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.ModuleList(
                AttentionBlock(
                    config.num_filters,
                    config.num_heads,
                    config.ffn_dim,
                    config.dropout,
                    residual_and_norm=config.residual_and_norm,
                )
                for _ in range(config.num_attention_layers)
            )
            for _ in config.char_filter_sizes
        )

    def forward(self, maps: list[PooledMap]) -> list[PooledMap]:
        """The maps after attention, one per filter size."""
        attended = []
        for layers, (slots_BSE, valid_BS) in zip(self.blocks, maps, strict=True):
            for layer in layers:  # type: ignore[attr-defined]
                slots_BSE = layer(slots_BSE, valid_BS)
            attended.append(PooledMap(slots_BSE, valid_BS))
        return attended


def pool_maps(maps: list[PooledMap], how: Pooling) -> Tensor:
    """The character representation (B, filter sizes * E): each map pooled over its slots, side by side."""
    return torch.cat([pool_positions(slots_BSE, valid_BS, how) for slots_BSE, valid_BS in maps], dim=1)


class WordBranch(nn.Module):
    """The word representation (B, A); a post without words gives zeros."""

    def __init__(self, config: MrlfConfig, num_words: int) -> None:
        super().__init__()
        self.embedding = embedding(num_words, config.word_dim, std=config.embedding_std, padding_idx=PAD_ID)
        convolutions = [nn.Conv1d(config.word_dim, config.num_filters, size) for size in config.word_filter_sizes]
        self.convolutions: Sequence[nn.Conv1d] = nn.ModuleList(convolutions)  # type: ignore[assignment]
        self.dropout = config.dropout
        self.even_kernels: Side = config.even_kernels

    def forward(self, words: Padded) -> Tensor:
        """Padded positions are 0 before the convolutions and never the maximum after them."""
        valid_BL1 = words.valid_BL()[:, :, None]
        words_BLD = drop_channels_(self.embedding(words.ids_BL), self.dropout, self.training) * valid_BL1
        weight_ADK, bias_A, left = side_by_side(self.convolutions, self.even_kernels)
        words_BDL = F.pad(words_BLD.transpose(1, 2), (left, weight_ADK.shape[2] - 1 - left))
        convolved_BAL = F.conv1d(words_BDL, weight_ADK, bias_A)
        return torch.where(valid_BL1.transpose(1, 2), convolved_BAL, 0.0).amax(dim=2).relu()


def drop_hashtags(words: Padded, chars: Padded, hashtag_of_char_BL: Tensor, rate: float) -> tuple[Padded, Padded]:
    """Each hashtag is kept with probability 1 - rate (torch's global generator), alone and in its characters."""
    keep_BT = torch.rand(words.ids_BL.shape, device=words.ids_BL.device) >= rate
    return keep_hashtags(words, chars, hashtag_of_char_BL, keep_BT)


def keep_hashtags(words: Padded, chars: Padded, hashtag_of_char_BL: Tensor, keep_BT: Tensor) -> tuple[Padded, Padded]:
    """The hashtags where `keep_BT` is true, closed up; the space before the first kept one goes too."""
    keep_BT = keep_BT & words.valid_BL()
    first_B = keep_BT.int().argmax(dim=1)
    previous_BL = torch.cat([hashtag_of_char_BL[:, :1], hashtag_of_char_BL[:, :-1]], dim=1)
    is_space_BL = hashtag_of_char_BL != previous_BL
    leads_BL = is_space_BL & (hashtag_of_char_BL == first_B[:, None])
    keep_char_BL = torch.gather(keep_BT, 1, hashtag_of_char_BL) & chars.valid_BL() & ~leads_BL
    return _close_up(words, keep_BT), _close_up(chars, keep_char_BL)


def _close_up(padded: Padded, keep_BL: Tensor) -> Padded:
    """The kept tokens of each row, in their order, from the left."""
    order_BL = torch.argsort((~keep_BL).to(torch.uint8), dim=1, stable=True)
    lengths_B = keep_BL.sum(dim=1)
    closed = Padded(torch.gather(padded.ids_BL, 1, order_BL), lengths_B)
    return closed._replace(ids_BL=closed.ids_BL.masked_fill(~closed.valid_BL(), PAD_ID))


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
