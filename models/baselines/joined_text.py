"""Caption and hashtags as one sequence, for the networks that were made for tweets.

In a tweet hashtags stand within the text, and Deepgeo and LocTwi know no other field. So the natural reading of a post
for them is the caption with its hashtags after it; the caption alone is the other choice.
Law: the joined rows are what encoding "caption hashtag hashtag" gives. How far either is padded does not matter.
Shape letters: B batch, L positions.
"""

from typing import Literal

import torch
from torch import Tensor

from models.data.batches import Batch, Padded
from models.data.text import PAD_ID, UNKNOWN_ID, Vocabulary

Reads = Literal["caption_and_hashtags", "caption"]


def space_id(vocabulary: Vocabulary) -> int:
    """The character that stands between caption and hashtags."""
    return vocabulary.char_ids.get(" ", UNKNOWN_ID)


def joined_characters(batch: Batch, reads: Reads, space: int) -> Padded:
    """The characters that `reads` names; one space stands between a caption and hashtags that are both there."""
    if reads == "caption":
        return batch.caption_chars
    has_both_B = (batch.caption_chars.lengths_B > 0) & (batch.hashtag_chars.lengths_B > 0)
    return _join(batch.caption_chars, batch.hashtag_chars, has_both_B.long(), space)


def joined_words(batch: Batch, reads: Reads, num_words: int) -> Padded:
    """The words that `reads` names in one table of ids: a hashtag's id comes after the `num_words` ids of words."""
    if reads == "caption":
        return batch.caption_words
    tags = Padded(batch.hashtag_words.ids_BL + num_words, batch.hashtag_words.lengths_B)
    return _join(batch.caption_words, tags, torch.zeros_like(tags.lengths_B), PAD_ID)


def _join(first: Padded, second: Padded, gap_B: Tensor, gap_id: int) -> Padded:
    """`first`, then `gap_B` (0 or 1) times `gap_id`, then `second`, closed up."""
    lengths_B = first.lengths_B + gap_B + second.lengths_B
    width = first.ids_BL.shape[1] + second.ids_BL.shape[1] + 1
    if lengths_B.device.type == "cpu":  # on a GPU asking for the longest would halt the queue
        width = max(1, int(lengths_B.max()))
    place_BL = torch.arange(width, device=lengths_B.device).expand(len(lengths_B), width)
    begin_B1 = (first.lengths_B + gap_B)[:, None]
    first_BL = first.ids_BL.gather(1, place_BL.clamp(max=first.ids_BL.shape[1] - 1))
    second_BL = second.ids_BL.gather(1, (place_BL - begin_B1).clamp(0, second.ids_BL.shape[1] - 1))
    ids_BL = torch.where(place_BL < first.lengths_B[:, None], first_BL, gap_id)
    ids_BL = torch.where(place_BL >= begin_B1, second_BL, ids_BL)
    return Padded(torch.where(place_BL < lengths_B[:, None], ids_BL, PAD_ID), lengths_B)
