"""The word branch against a loop over positions and taps."""

import dataclasses

import pytest
import torch

from models.data.batches import Padded
from models.mrlf.branches import WordBranch
from models.mrlf.config import MrlfConfig

CONFIG = dataclasses.replace(MrlfConfig.small(), word_filter_sizes=(2, 3, 4), word_dim=5, num_filters=4)
LENGTHS = [0, 1, 2, 6]


@pytest.fixture
def branch():
    torch.manual_seed(3)
    return WordBranch(CONFIG, num_words=12).eval()


def padded(longest):
    ids = torch.randint(1, 12, (4, 20), generator=torch.Generator().manual_seed(4))[:, :longest]
    return Padded(torch.where(torch.arange(longest) < torch.tensor(LENGTHS)[:, None], ids, 0), torch.tensor(LENGTHS))


def slow_words(branch, ids):
    words = branch.embedding(ids)
    out = []
    for size, convolution in zip(CONFIG.word_filter_sizes, branch.convolutions, strict=True):
        best = torch.zeros(4)
        for i in range(len(ids)):
            total = convolution.bias.clone()
            for tap in range(size):
                at = i + tap - (size - 1) // 2
                if 0 <= at < len(ids):
                    total += convolution.weight[:, :, tap] @ words[at]
            best = torch.maximum(best, total)
        out.append(best)
    return torch.cat(out)


def test_word_branch_equals_the_loop_over_positions(branch):
    batch = padded(6)
    with torch.no_grad():
        expected = torch.stack([slow_words(branch, batch.ids_BL[row, :length]) for row, length in enumerate(LENGTHS)])
        torch.testing.assert_close(branch(batch), expected, atol=1e-5, rtol=1e-5)


def test_longer_padding_changes_nothing(branch):
    torch.testing.assert_close(branch(padded(6)), branch(padded(20)), atol=1e-6, rtol=0)


def test_no_words_give_zeros(branch):
    assert branch(padded(6))[0].abs().sum() == 0
