"""Hashtag dropout: whole hashtags vanish from a training post, from both of its hashtag views at once.

Without it the network leans on the place's own hashtag and learns little from the rest of the post.
Law: what remains is encoded as if the post had been written without the dropped hashtags.
Shape letters: B batch, L positions, T hashtags.
"""

import torch
from torch import Tensor

from models.data.batches import Padded
from models.data.text import PAD_ID


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
