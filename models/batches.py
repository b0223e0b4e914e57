"""Batches: which samples go together, and their padded tensors.

Padding costs time, so a batch is made of posts of similar length and is padded to its own longest only. Which posts
meet is drawn anew each epoch from (seed, epoch) alone, so a resumed run meets the same batches.
Shape letters: N samples, B batch, L positions, D image features.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from models.encoding import EncodedField, EncodedText

POOL_BATCHES = 16
"""Batches are cut from a random pool of this many, sorted by length: long enough to sort, short enough to mix."""
NUM_STRIPS = 4
"""Strips of caption length in a pool, each sorted by hashtag length, since both are padded."""


class Padded(NamedTuple):
    """Token ids (int64, 0 after the length) with the length of each row."""

    ids_BL: Tensor
    lengths_B: Tensor

    def valid_BL(self) -> Tensor:
        """True where a token stands."""
        return torch.arange(self.ids_BL.shape[1], device=self.ids_BL.device) < self.lengths_B[:, None]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What the network reads; fields as in `EncodedText`."""

    caption_chars: Padded
    caption_words: Padded
    hashtag_chars: Padded
    hashtag_words: Padded
    hashtag_of_char_BL: Tensor
    image_BD: Tensor
    has_image_B: Tensor
    """bool; False where a post has no picture and its row of image_BD says nothing"""


def make_batch(
    text: EncodedText, image_ND: np.ndarray, has_image_N: np.ndarray, rows: np.ndarray, device: torch.device
) -> Batch:
    """The samples `rows`, padded to the longest among them."""
    hashtag_chars = _cut(text.hashtag_chars, rows, device)
    width = hashtag_chars.ids_BL.shape[1]
    owners_BL = text.hashtag_of_char_NL[rows, :width].astype(np.int64)
    return Batch(
        caption_chars=_cut(text.caption_chars, rows, device),
        caption_words=_cut(text.caption_words, rows, device),
        hashtag_chars=hashtag_chars,
        hashtag_words=_cut(text.hashtag_words, rows, device),
        hashtag_of_char_BL=torch.from_numpy(owners_BL).to(device),
        image_BD=torch.from_numpy(image_ND[rows]).to(device),
        has_image_B=torch.from_numpy(has_image_N[rows]).to(device),
    )


def _cut(encoded: EncodedField, rows: np.ndarray, device: torch.device) -> Padded:
    lengths_B = encoded.lengths_N[rows]
    longest = max(1, int(lengths_B.max(initial=0)))
    ids_BL = encoded.ids_NL[rows, :longest].astype(np.int64)
    return Padded(torch.from_numpy(ids_BL).to(device), torch.from_numpy(lengths_B).to(device))


def training_batches(text: EncodedText, batch_size: int, *, seed: int, epoch: int) -> list[np.ndarray]:
    """Row numbers of each batch of one epoch: every sample exactly once, in an order of its own per epoch."""
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(text.caption_chars.lengths_N))
    pools = np.array_split(order, range(POOL_BATCHES * batch_size, len(order), POOL_BATCHES * batch_size))
    batches = [batch for pool in pools for batch in _cut_by_length(pool, text, batch_size)]
    return [batches[number] for number in rng.permutation(len(batches))]


def scoring_batches(text: EncodedText, batch_size: int) -> Iterator[np.ndarray]:
    """Row numbers of each batch, shortest first: every sample exactly once."""
    yield from _cut_by_length(np.arange(len(text.caption_chars.lengths_N)), text, batch_size)


def _cut_by_length(rows: np.ndarray, text: EncodedText, batch_size: int) -> list[np.ndarray]:
    if len(rows) == 0:
        return []
    by_caption = rows[np.argsort(text.caption_chars.lengths_N[rows], kind="stable")]
    strip = np.arange(len(rows)) * NUM_STRIPS // len(rows)
    by_both = by_caption[np.lexsort((text.hashtag_chars.lengths_N[by_caption], strip))]
    return np.array_split(by_both, range(batch_size, len(by_both), batch_size))
