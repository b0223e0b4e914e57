"""Fusion: equations (6) to (8) written out, in both readings, and between a picture and its caption."""

import dataclasses

import pytest
import torch

from models.mrlf.branches import PooledMap
from models.mrlf.config import MrlfConfig
from models.mrlf.mrlf import TextFusion, TextImageFusion

CONFIG = dataclasses.replace(MrlfConfig.small(), char_filter_sizes=(3, 5), num_filters=8, num_heads=2)


def pooled_maps(seed, lengths, longest):
    generator = torch.Generator().manual_seed(seed)
    valid = torch.arange(longest) < torch.tensor(lengths)[:, None]
    return [PooledMap(torch.randn(len(lengths), 9, 8, generator=generator)[:, :longest], valid) for _ in range(2)]


def slow_fusion(fusion, captions, hashtags):
    """One post, one filter size, one head at a time."""
    rows = []
    for b in range(captions[0].slots_BSE.shape[0]):
        parts = []
        for number, (caption, tags) in enumerate(zip(captions, hashtags, strict=True)):
            asking = caption.slots_BSE[b][caption.valid_BS[b]]
            memory = tags.slots_BSE[b][tags.valid_BS[b]]
            if fusion.mode == "early_self":
                asking = memory = torch.cat([asking, memory])
            layer = fusion.attentions[number]
            q, k, v = layer.query(asking), layer.key(memory), layer.value(memory)
            heads = [
                torch.softmax(q[:, cut] @ k[:, cut].T / 2.0, dim=1) @ v[:, cut] for cut in (slice(0, 4), slice(4, 8))
            ]
            parts.append(fusion.outputs[number](torch.cat(heads, dim=1)).mean(dim=0))
        rows.append(torch.cat(parts))
    return torch.stack(rows)


@pytest.mark.parametrize("mode", ["early_cross", "early_self"])
def test_fusion_equals_the_equations_written_out(mode):
    torch.manual_seed(5)
    fusion = TextFusion(dataclasses.replace(CONFIG, fusion=mode)).eval()
    captions, hashtags = pooled_maps(6, [5, 1, 3], 5), pooled_maps(7, [1, 4, 2], 4)
    with torch.no_grad():
        torch.testing.assert_close(
            fusion(captions, hashtags), slow_fusion(fusion, captions, hashtags), atol=1e-5, rtol=1e-5
        )


@pytest.mark.parametrize("mode", ["early_cross", "early_self"])
def test_padding_of_either_side_changes_nothing(mode):
    fusion = TextFusion(dataclasses.replace(CONFIG, fusion=mode)).eval()
    tight = fusion(pooled_maps(6, [5, 1, 3], 5), pooled_maps(7, [1, 4, 2], 4))
    wide = fusion(pooled_maps(6, [5, 1, 3], 9), pooled_maps(7, [1, 4, 2], 8))
    torch.testing.assert_close(tight, wide, atol=1e-6, rtol=0)


def test_in_the_cross_reading_the_caption_asks_and_the_hashtags_answer():
    """With one hashtag slot every caption slot gets the same answer, whatever it asks."""
    fusion = TextFusion(CONFIG).eval()
    hashtags = pooled_maps(7, [1, 1, 1], 1)
    torch.testing.assert_close(
        fusion(pooled_maps(6, [5, 1, 3], 5), hashtags), fusion(pooled_maps(8, [2, 2, 2], 5), hashtags)
    )


def test_text_image_fusion_is_the_picture_asking_its_caption():
    torch.manual_seed(9)
    fusion, image = TextImageFusion(CONFIG).eval(), torch.randn(3, CONFIG.image_fc_dim)
    captions = pooled_maps(6, [5, 1, 3], 9)
    rows = []
    for b in range(3):
        for caption, layer, output in zip(captions, fusion.attentions, fusion.outputs, strict=True):
            slots = caption.slots_BSE[b][caption.valid_BS[b]]
            q, k, v = layer.query(image[b]), layer.key(slots), layer.value(slots)
            heads = [torch.softmax(k[:, cut] @ q[cut] / 2.0, dim=0) @ v[:, cut] for cut in (slice(0, 4), slice(4, 8))]
            rows.append(output(torch.cat(heads)))
    with torch.no_grad():
        torch.testing.assert_close(fusion(captions, image), torch.stack(rows).view(3, -1), atol=1e-5, rtol=1e-5)
