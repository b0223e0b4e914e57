"""One split, encoded and standardised once: what batches are cut from, in the processor's memory or on a device.

On a GPU the whole split lies in its memory and a batch is cut there by row numbers, so that a step sends nothing.
Its batches are padded to one of a few fixed widths, so that a step has one of a few shapes and can be captured.
Shape letters: N samples, B batch, L positions, D image features, H, W height and width of a picture.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from models.data.batches import Batch, Padded, make_batch
from models.data.samples import ImageScaler, Samples
from models.data.text import EncodedField, EncodedText, TextConfig, Vocabulary, encode_text

LEVELS = (0.3, 0.55, 0.8, 1.0)
"""Shares of the posts that fit into each width, of captions and of hashtags alike: 16 shapes at most."""
WIDTH_STEP = 8


@dataclass(frozen=True, kw_only=True)
class EncodedSplit:
    """The samples of a split as a network reads them."""

    keys: list[str]
    text: EncodedText
    image_ND: np.ndarray
    has_image_N: np.ndarray
    labels_N: np.ndarray
    pixels_NHWC: np.ndarray | None

    @classmethod
    def of(cls, samples: Samples, vocabulary: Vocabulary, scaler: ImageScaler, config: TextConfig) -> "EncodedSplit":
        """Encode the text and standardise the image features."""
        return cls(
            keys=samples.keys,
            text=encode_text(samples.captions, samples.hashtags, vocabulary, config),
            image_ND=scaler.transform(samples.image_ND),
            has_image_N=samples.has_image_N,
            labels_N=samples.labels_N,
            pixels_NHWC=samples.pixels_NHWC,
        )

    def __len__(self) -> int:
        return len(self.keys)

    def batch(self, rows: np.ndarray, device: torch.device) -> Batch:
        """The samples `rows` on a device, padded to the longest among them."""
        return make_batch(self.text, self.image_ND, self.has_image_N, rows, device, pixels_NHWC=self.pixels_NHWC)

    @property
    def num_bytes(self) -> int:
        """What the split takes on a device."""
        fields = (self.text.caption_chars, self.text.caption_words, self.text.hashtag_chars, self.text.hashtag_words)
        arrays = [self.image_ND, self.text.hashtag_of_char_NL, *(field.ids_NL for field in fields)]
        pixels = 0 if self.pixels_NHWC is None else self.pixels_NHWC.nbytes
        return pixels + sum(array.nbytes if array.itemsize == 1 else array.size * 4 for array in arrays)


class BatchSource(Protocol):
    """A split that gives batches and labels by row numbers."""

    def cut(self, rows: np.ndarray) -> tuple[Batch, Tensor]:
        """The samples `rows` and their labels."""
        ...


class HostSplit:
    """A split in the processor's memory; every batch is padded to its own longest and sent to the device."""

    def __init__(self, split: EncodedSplit, device: torch.device) -> None:
        self._split, self._device = split, device

    def cut(self, rows: np.ndarray) -> tuple[Batch, Tensor]:
        """The samples `rows` and their labels."""
        labels_B = torch.from_numpy(self._split.labels_N[rows]).to(self._device)
        return self._split.batch(rows, self._device), labels_B


class Widths(NamedTuple):
    """What a batch is padded to."""

    caption_chars: int
    caption_words: int
    hashtag_chars: int
    hashtag_words: int


class _Level(NamedTuple):
    chars: int
    words: int


class DeviceSplit:
    """A split that lies on the device as a whole."""

    def __init__(self, split: EncodedSplit, device: torch.device) -> None:
        text = split.text
        self._text, self._device = text, device
        self._captions = _levels(text.caption_chars, text.caption_words)
        self._hashtags = _levels(text.hashtag_chars, text.hashtag_words)
        fields = (text.caption_chars, text.caption_words, text.hashtag_chars, text.hashtag_words)
        self._ids = [_small_integers(field.ids_NL).to(device) for field in fields]
        self._lengths = [torch.from_numpy(field.lengths_N).to(device) for field in fields]
        self._owners_NL = _small_integers(text.hashtag_of_char_NL).to(device)
        self._image_ND = torch.from_numpy(split.image_ND).to(device)
        self._has_image_N = torch.from_numpy(split.has_image_N).to(device)
        self._labels_N = torch.from_numpy(split.labels_N).to(device)
        pixels = split.pixels_NHWC
        self._pixels_NHWC = None if pixels is None else torch.from_numpy(pixels).to(device)

    def cut(self, rows: np.ndarray) -> tuple[Batch, Tensor]:
        """The samples `rows` and their labels, padded to the narrowest widths that hold them."""
        return self.cut_on_device(torch.from_numpy(rows).to(self._device), self.widths(rows))

    def widths(self, rows: np.ndarray) -> Widths:
        """The narrowest of the fixed widths that hold these samples."""
        caption = _level(self._captions, self._text.caption_chars, rows)
        hashtags = _level(self._hashtags, self._text.hashtag_chars, rows)
        return Widths(caption.chars, caption.words, hashtags.chars, hashtags.words)

    def cut_on_device(self, rows_B: Tensor, widths: Widths) -> tuple[Batch, Tensor]:
        """The samples `rows_B` (int64, on the device) and their labels; the device is waited for nowhere."""
        caption_chars, caption_words, hashtag_chars, hashtag_words = (
            Padded(_rows(ids_NL[:, :width], rows_B).long(), lengths_N.index_select(0, rows_B))
            for ids_NL, lengths_N, width in zip(self._ids, self._lengths, widths, strict=True)
        )
        pixels = self._pixels_NHWC
        batch = Batch(
            caption_chars=caption_chars,
            caption_words=caption_words,
            hashtag_chars=hashtag_chars,
            hashtag_words=hashtag_words,
            hashtag_of_char_BL=_rows(self._owners_NL[:, : widths.hashtag_chars], rows_B).long(),
            image_BD=_rows(self._image_ND, rows_B),
            has_image_B=self._has_image_N.index_select(0, rows_B),
            pixels_BCHW=None if pixels is None else _rows(pixels, rows_B).permute(0, 3, 1, 2).contiguous(),
        )
        return batch, self._labels_N.index_select(0, rows_B)


def _rows(values: Tensor, rows_B: Tensor) -> Tensor:
    return values.index_select(0, rows_B)


def _small_integers(ids_NL: np.ndarray) -> Tensor:
    """uint8 as it is, anything wider as int32, which every device can cut."""
    return torch.from_numpy(ids_NL if ids_NL.dtype == np.uint8 else ids_NL.astype(np.int32))


def _levels(chars: EncodedField, words: EncodedField) -> list[_Level]:
    """Widths in characters, and for each the most words that a text of at most that many characters has here."""
    longest = chars.ids_NL.shape[1]
    wanted = np.quantile(chars.lengths_N, LEVELS, method="higher") if len(chars.lengths_N) else [0]
    widths = sorted({min(longest, int(-(-max(width, 1) // WIDTH_STEP) * WIDTH_STEP)) for width in wanted} | {longest})
    return [_Level(width, max(1, int(words.lengths_N[chars.lengths_N <= width].max(initial=0)))) for width in widths]


def _level(levels: list[_Level], chars: EncodedField, rows: np.ndarray) -> _Level:
    longest = int(chars.lengths_N[rows].max(initial=0))
    return next(level for level in levels if level.chars >= longest)
