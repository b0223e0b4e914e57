"""The character branch: convolution and max-pool against loops, the length after the pool, and padding."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from models.data.batches import Padded
from models.mrlf.branches import CharacterBranch, CharacterMaps, num_slots, pool_maps, pool_stride
from models.mrlf.config import MrlfConfig

SIZES = (2, 3, 4, 5, 6, 7)
CONFIG = dataclasses.replace(
    MrlfConfig.small(), char_filter_sizes=SIZES, char_dim=5, num_filters=6, num_heads=2, dropout=0.0, ffn_dim=8
)
LENGTHS = [0, 1, 2, 3, 5, 8, 9, 13]


@pytest.fixture
def maps():
    torch.manual_seed(1)
    return CharacterMaps(CONFIG, num_characters=20, max_chars=40).eval()


def padded(lengths, longest):
    generator = torch.Generator().manual_seed(2)
    ids = torch.randint(1, 20, (len(lengths), 40), generator=generator)[:, :longest]
    lengths = torch.tensor(lengths)
    return Padded(torch.where(torch.arange(longest) < lengths[:, None], ids, 0), lengths)


def slow_map(maps, ids, number, stride, even="right"):
    """Equations (1), (2) for one unpadded text: every tap, every window."""
    size = SIZES[number]
    weight, bias = maps.convolutions[number].weight, maps.convolutions[number].bias
    chars = maps.positions.weight.clone()  # they run on past the end of the text
    chars[: len(ids)] += maps.embedding(ids)
    convolved = []
    for i in range(len(ids)):
        total = bias.clone()
        for tap in range(size):
            at = i + tap - (size // 2 if even == "left" else (size - 1) // 2)
            if 0 <= at < len(chars):
                total += weight[:, :, tap] @ chars[at]
        convolved.append(total.clamp(min=0))
    slots, start = [], 0
    while not slots or start + size - stride < len(ids):  # the window before left some positions uncovered
        window = convolved[start : start + size]
        slots.append(torch.stack(window).amax(dim=0) if window else torch.zeros(len(bias)))
        start += stride
    return torch.stack(slots)


@pytest.mark.parametrize("rule", ["overlapping", "disjoint"])
def test_every_map_equals_the_loop_over_taps_and_windows(maps, rule):
    maps.pool_rule = rule
    batch = padded(LENGTHS, max(LENGTHS))
    with torch.no_grad():
        for number, (slots, valid) in enumerate(maps(batch)):
            for row, length in enumerate(LENGTHS):
                expected = slow_map(maps, batch.ids_BL[row, :length], number, pool_stride(SIZES[number], rule))
                assert int(valid[row].sum()) == len(expected)
                torch.testing.assert_close(slots[row, : len(expected)], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.fault("N18")
@pytest.mark.parametrize("even", ["left", "right"])
def test_a_kernel_of_even_size_reads_one_character_more_on_the_named_side(maps, even):
    maps.even_kernels = even
    batch = padded([5, 8], 8)
    with torch.no_grad():
        for ours in (maps.look_up(batch), maps.convolve(batch)):
            for number in (0, 2):
                alone = torch.where(
                    torch.arange(8) < 5, ours[number][0].relu().T, 0.0
                )  # a pool of 1 is the map itself
                expected = slow_map(maps, batch.ids_BL[0, :5], number, SIZES[number], even)
                pooled = F.max_pool1d(alone, SIZES[number], SIZES[number], ceil_mode=True).T
                torch.testing.assert_close(pooled[: len(expected)], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_number_of_slots_is_the_covering_rule_of_the_papers_notes(size):
    """ceil((len - 1) / (k - 1)) with window k and stride k - 1, and never less than one."""
    lengths = torch.arange(0, 60)
    expected = [max(1, -(-(int(length) - 1) // (size - 1))) for length in lengths]
    assert num_slots(lengths, size, size - 1).tolist() == expected


def test_longer_padding_changes_no_valid_slot(maps):
    tight, wide = maps(padded(LENGTHS, 13)), maps(padded(LENGTHS, 37))
    for (slots, valid), (wide_slots, wide_valid) in zip(tight, wide, strict=True):
        assert torch.equal(valid.sum(dim=1), wide_valid.sum(dim=1))
        torch.testing.assert_close(slots[valid], wide_slots[wide_valid], atol=1e-6, rtol=0)


def test_empty_text_keeps_one_slot_of_zeros(maps):
    for slots, valid in maps(padded([0], 1)):
        assert valid.tolist() == [[True]]
        assert slots.abs().sum() == 0


def test_branch_is_one_vector_per_filter_size_and_blind_to_padding(maps):
    branch = CharacterBranch(CONFIG).eval()
    tight, wide = (pool_maps(branch(maps(padded(LENGTHS, longest))), "mean") for longest in (13, 37))
    assert tight.shape == (len(LENGTHS), len(SIZES) * 6)
    torch.testing.assert_close(tight, wide, atol=1e-6, rtol=0)
