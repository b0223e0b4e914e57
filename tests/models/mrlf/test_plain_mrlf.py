"""The network against the plain version of it: the same scores, and the same gradients."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bench.plain_mrlf import PlainMrlf, PlainPosts
from models.data.batches import make_batch
from models.data.text import Vocabulary, encode_text
from models.mrlf.config import MrlfConfig
from models.mrlf.mrlf import Mrlf
from tests.models.synthetic import NUM_CLASSES, city

SAMPLES = city(24)
LABELS = torch.from_numpy(SAMPLES.labels_N)
NO_DROPOUT = {"dropout": 0.0, "head_dropout": 0.0, "hashtag_dropout": 0.0}
ALL_TOKENS = {"min_char_count": 1, "min_word_count": 1, "min_hashtag_count": 1}
CONFIGS = [
    pytest.param(dataclasses.replace(MrlfConfig.small(), **NO_DROPOUT), id="small"),
    pytest.param(dataclasses.replace(MrlfConfig.paper(), **NO_DROPOUT, **ALL_TOKENS), id="paper"),
    pytest.param(
        dataclasses.replace(
            MrlfConfig.small(),
            **NO_DROPOUT,
            char_pool="disjoint",
            pooling="sum",
            norm_after_pool=True,
            num_attention_layers=2,
            residual_and_norm=False,
            max_caption_chars=20,
            max_hashtag_chars=20,
            word_filter_sizes=(2, 4),
            char_filter_sizes=(4, 5),
            even_kernels="left",
            hidden_dim=16,
        ),
        id="other choices, texts cut",
    ),
]


def both(config):
    """Our network with its batch, the plain one with its own."""
    vocabulary = Vocabulary.build(SAMPLES.captions, SAMPLES.hashtags, config)
    torch.manual_seed(0)
    ours = Mrlf(config, vocabulary, image_dim=64, num_classes=NUM_CLASSES).train()
    text = encode_text(SAMPLES.captions, SAMPLES.hashtags, vocabulary, config)
    batch = make_batch(text, SAMPLES.image_ND, SAMPLES.has_image_N, np.arange(24), torch.device("cpu"))
    posts = torch.utils.data.default_collate(list(PlainPosts(SAMPLES, vocabulary, config)))
    return (ours, batch), (PlainMrlf(ours), posts)


@pytest.mark.slow
@pytest.mark.parametrize("config", CONFIGS)
def test_the_network_scores_and_learns_as_the_plain_one(config):
    (ours, batch), (plain, posts) = both(config)
    logits, expected = ours(batch), plain(posts)
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)
    F.cross_entropy(logits, LABELS).backward()
    F.cross_entropy(expected, LABELS).backward()
    for (name, parameter), other in zip(ours.named_parameters(), plain.layers.parameters(), strict=True):
        if other.grad is not None:  # the stand-in for a picture has none: every post has one
            torch.testing.assert_close(parameter.grad, other.grad, atol=1e-5, rtol=1e-4, msg=name)


def test_what_a_loop_reads_by_hashtag_dropout_is_a_post_with_fewer_hashtags():
    config = MrlfConfig.small()
    vocabulary = Vocabulary.build(SAMPLES.captions, SAMPLES.hashtags, config)
    torch.manual_seed(0)
    kept = [
        (PlainPosts(SAMPLES, vocabulary, config, hashtag_dropout=rate)[3]["hashtag_words"] > 0).sum()
        for rate in (0.0, 0.99)
    ]
    assert kept[0] == len(SAMPLES.hashtags[3]) > kept[1] == 0
