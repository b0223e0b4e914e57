"""A convolution over embedded characters as a look-up in a table.

There are few characters, so what each adds at each tap of each filter, E W_u, is computed once a step; a position's
output is then the sum of one row per tap. Exact: the sums are those of the convolution, in another order.
Shape letters: B batch, L positions, D embedding, A filters, K taps, V characters, R = K * V rows, P = B * L.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from models.data.text import PAD_ID


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
