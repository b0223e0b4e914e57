"""Where the attention of a trained MRLF lies: the share of it that each word and each hashtag of a post receives.

Attention looks at slots of the pooled character maps. What a slot receives (the mean over heads and asking slots of
the weights A of equation (3), MRLF, arXiv 2306.07935) is spread evenly over the characters it was made of, and added
up by word; then the mean over all attentions that look at this side: of each filter size, the branch's first layer
and the fusion. It shows where the network looks, not what decided (`models.explain.explain` does).
Shape letters: N posts, B batch, L characters, S slots, W words, T hashtags.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from models.data.batches import Batch, make_batch
from models.data.samples import Samples
from models.data.text import encode_text, normalise
from models.explain.explain import MAX_WORDS, shown_hashtags, shown_words
from models.mrlf.attention import MultiHeadAttention
from models.mrlf.branches import PooledMap, num_slots, pool_stride, taps_left
from models.mrlf.config import Side
from models.mrlf.mrlf import Mrlf
from models.training.fitted import Fitted


@dataclass(frozen=True)
class AttentionShares:
    """The shares of one post's words and hashtags, each summing to 1; None where no attention looks at that side."""

    words_W: np.ndarray | None
    hashtags_T: np.ndarray | None


def attention_shares(fitted: Fitted, posts: Samples) -> list[AttentionShares]:
    """One entry per post, words and hashtags as `shown_words` and `shown_hashtags` list them.

    A network other than MRLF, or one without attention over characters, gives None for both.
    """
    network = fitted.model
    if not isinstance(network, Mrlf) or not network.config.characters or len(posts) == 0:
        return [AttentionShares(None, None)] * len(posts)
    text = encode_text(posts.captions, posts.hashtags, fitted.vocabulary, fitted.model_config)
    image_ND = fitted.scaler.transform(posts.image_ND)
    device = next(network.parameters()).device
    batch = make_batch(text, image_ND, posts.has_image_N, np.arange(len(posts)), device)
    with torch.inference_mode():
        received = _received(network.eval(), batch)
    shares = []
    for row, (caption, hashtags) in enumerate(zip(posts.captions, posts.hashtags, strict=True)):
        words_L = word_of_char(caption)[: text.caption_chars.lengths_N[row]]
        tags_L = text.hashtag_of_char_NL[row, : text.hashtag_chars.lengths_N[row]].astype(np.int64)
        words_W = _by_owner(received["text"], row, words_L, len(shown_words(caption)))
        tags_T = _by_owner(received["hashtags"], row, tags_L, len(shown_hashtags(hashtags)))
        shares.append(AttentionShares(words_W, tags_T))
    return shares


def mean_shares(of_networks: Sequence[Sequence[AttentionShares]], num_posts: int) -> list[AttentionShares]:
    """The shares of each post on average over networks, of those that look at all; without a network None for all."""
    return [
        AttentionShares(
            _mean([shares[row].words_W for shares in of_networks]),
            _mean([shares[row].hashtags_T for shares in of_networks]),
        )
        for row in range(num_posts)
    ]


def _mean(shares: Sequence[np.ndarray | None]) -> np.ndarray | None:
    known = [share for share in shares if share is not None]
    return np.mean(known, axis=0) if known else None


def characters_of_slots(length: int, filter_size: int, stride: int, even: Side = "right") -> list[range]:
    """The characters each slot of a text was made of: its window of the map, widened by the convolution."""
    left = taps_left(filter_size, even)
    right = filter_size - 1 - left
    slots = int(num_slots(torch.tensor(length), filter_size, stride))
    return [
        range(max(0, slot * stride - left), min(length, slot * stride + filter_size + right)) for slot in range(slots)
    ]


def word_of_char(caption: str) -> np.ndarray:
    """Which shown word (L) each character of the normalised caption belongs to; -1 for spaces and words not shown."""
    owners: list[int] = []
    for number, word in enumerate(normalise(caption).split(" ")):
        owners += [-1] * (number > 0) + [number if number < MAX_WORDS else -1] * len(word)
    return np.array(owners, dtype=np.int64)


@dataclass(frozen=True)
class _Received:
    """What the slots (B, S) of one side received from one attention, and how the slots were made."""

    share_BS: np.ndarray
    filter_size: int
    stride: int
    even_kernels: Side


def _received(network: Mrlf, batch: Batch) -> dict[str, list[_Received]]:
    """By side, of every attention that looks at it."""
    config = network.config
    found: dict[str, list[_Received]] = {"text": [], "hashtags": []}
    fused: dict[str, list[PooledMap]] = {}
    for side, name, chars in (("text", "caption", batch.caption_chars), ("hashtags", "hashtag", batch.hashtag_chars)):
        if not config.reads(side):
            continue
        maps, branch = getattr(network, f"{name}_maps")(chars), getattr(network, f"{name}_characters")
        fused[side] = branch(maps) if config.fusion == "late" else maps
        if config.num_attention_layers and branch is not None:
            shares = [_share(layers[0].attention, own, own) for layers, own in zip(branch.blocks, maps, strict=True)]
            found[side] += _made_of(network, shares)
    if config.has_fusion:
        for side, shares in _fusion_shares(network, fused, batch).items():
            found[side] += _made_of(network, shares)
    return found


def _fusion_shares(network: Mrlf, maps: dict[str, list[PooledMap]], batch: Batch) -> dict[str, list[np.ndarray]]:
    """By side: the caption asks the hashtags; in early_self both ask both; in text_image the picture asks."""
    attentions, mode = network.fusion.attentions, network.config.fusion
    if mode == "text_image":
        image_BI = network.image(batch.image_BD, batch.has_image_B)
        asking = PooledMap(image_BI[:, None, :], torch.ones_like(batch.has_image_B)[:, None])
        return {"text": [_share(a, asking, own) for a, own in zip(attentions, maps["text"], strict=True)]}
    sides = list(zip(attentions, maps["text"], maps["hashtags"], strict=True))
    if mode != "early_self":
        return {"hashtags": [_share(attention, own, tags) for attention, own, tags in sides]}
    shares: dict[str, list[np.ndarray]] = {"text": [], "hashtags": []}
    for attention, own, tags in sides:
        joined = PooledMap(*(torch.cat(parts, dim=1) for parts in zip(own, tags, strict=True)))
        share_BS, num_own = _share(attention, joined, joined), own.valid_BS.shape[1]
        shares["text"].append(share_BS[:, :num_own])
        shares["hashtags"].append(share_BS[:, num_own:])
    return shares


def _share(attention: nn.Module, asking: PooledMap, memory: PooledMap) -> np.ndarray:
    """What each slot of the memory (B, S) receives: the mean over heads and valid asking slots."""
    assert isinstance(attention, MultiHeadAttention)
    weights_BHST = attention.weights(asking.slots_BSE, memory.slots_BSE, memory.valid_BS)
    asks_BS: Tensor = asking.valid_BS / asking.valid_BS.sum(dim=1, keepdim=True)
    share_BT: np.ndarray = torch.einsum("bhst,bs->bt", weights_BHST, asks_BS).cpu().double().numpy()
    return share_BT / attention.num_heads


def _made_of(network: Mrlf, shares: list[np.ndarray]) -> list[_Received]:
    """The shares of one attention per filter size, with what their slots are made of."""
    sizes, rule, even = network.config.char_filter_sizes, network.config.char_pool, network.config.even_kernels
    return [_Received(share, size, pool_stride(size, rule), even) for share, size in zip(shares, sizes, strict=True)]


def _by_owner(received: list[_Received], row: int, owner_L: np.ndarray, num_owners: int) -> np.ndarray | None:
    """Shares by word or hashtag: of what lies on characters that belong to one; owner -1 belongs to none."""
    if not received or num_owners == 0:
        return None
    total = np.zeros(num_owners)
    for one in received:
        for slot, chars in enumerate(characters_of_slots(len(owner_L), one.filter_size, one.stride, one.even_kernels)):
            owners = owner_L[chars.start : chars.stop]
            owners = owners[(owners >= 0) & (owners < num_owners)]
            if len(owners):
                np.add.at(total, owners, one.share_BS[row, slot] / len(owners))
    return total / total.sum() if total.sum() > 0 else None
