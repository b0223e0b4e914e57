"""Batches: which samples go together, and their padded tensors.

Padding costs time, so a batch is made of posts of similar length and is padded to its own longest only. Which posts
meet is drawn anew each epoch from (seed, epoch) alone, so a resumed run meets the same batches.
Shape letters: N samples, B batch, L positions, D image features, H, W height and width of a picture.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from models.data.text import EncodedField, EncodedText

LENGTH_NOISE = 0.02
"""Lengths are taken this much too long or too short, drawn anew each epoch, so that other posts meet in it."""


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
    pixels_BCHW: Tensor | None = None
    """uint8, RGB: the pictures themselves, where the samples hold them"""


def make_batch(
    text: EncodedText,
    image_ND: np.ndarray,
    has_image_N: np.ndarray,
    rows: np.ndarray,
    device: torch.device,
    *,
    pixels_NHWC: np.ndarray | None = None,
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
        pixels_BCHW=None if pixels_NHWC is None else _pixels(pixels_NHWC[rows], device),
    )


def _pixels(pixels_BHWC: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(pixels_BHWC).to(device).permute(0, 3, 1, 2).contiguous()


def _cut(encoded: EncodedField, rows: np.ndarray, device: torch.device) -> Padded:
    lengths_B = encoded.lengths_N[rows]
    longest = max(1, int(lengths_B.max(initial=0)))
    ids_BL = encoded.ids_NL[rows, :longest].astype(np.int64)
    return Padded(torch.from_numpy(ids_BL).to(device), torch.from_numpy(lengths_B).to(device))


def training_batches(text: EncodedText, batch_size: int, *, seed: int, epoch: int) -> list[np.ndarray]:
    """Row numbers of each batch of one epoch: every sample exactly once, in an order of its own per epoch."""
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(text.caption_chars.lengths_N))
    batches = _by_length(order, _lengths(text, rng), batch_size)
    return [batches[number] for number in rng.permutation(len(batches))]


def scoring_batches(text: EncodedText, batch_size: int) -> Iterator[np.ndarray]:
    """Row numbers of each batch: every sample exactly once."""
    yield from _by_length(np.arange(len(text.caption_chars.lengths_N)), _lengths(text), batch_size)


def _lengths(text: EncodedText, rng: np.random.Generator | None = None) -> list[np.ndarray]:
    """Characters of captions and of hashtags, both of which are padded."""
    lengths = [text.caption_chars.lengths_N, text.hashtag_chars.lengths_N]
    if rng is None:
        return lengths
    return [length_N * rng.uniform(1 - LENGTH_NOISE, 1 + LENGTH_NOISE, len(length_N)) for length_N in lengths]


def _by_length(rows: np.ndarray, lengths: list[np.ndarray], batch_size: int) -> list[np.ndarray]:
    """`rows` halved until they are batches, each time by the one of the lengths that leaves less to pad."""
    if len(rows) <= batch_size:
        return [rows] if len(rows) else []
    half = -(-len(rows) // batch_size) // 2 * batch_size
    orders = [rows[np.argpartition(length_N[rows], half)] for length_N in lengths]
    best = min(orders, key=lambda order: sum(_area(part, lengths) for part in (order[:half], order[half:])))
    return [*_by_length(best[:half], lengths, batch_size), *_by_length(best[half:], lengths, batch_size)]


def _area(rows: np.ndarray, lengths: list[np.ndarray]) -> float:
    """Positions that `rows` take when padded to the longest of them."""
    return len(rows) * sum(float(length_N[rows].max()) for length_N in lengths)
