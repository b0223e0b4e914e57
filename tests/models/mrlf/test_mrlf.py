"""The whole network: padding, company and absent fields do not move a post's scores; all parameters learn."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from models.data.batches import Batch, Padded, make_batch
from models.data.text import Vocabulary, encode_text
from models.mrlf.mrlf import Mrlf, MrlfConfig
from tests.models.synthetic import NUM_CLASSES, city

CPU = torch.device("cpu")
SAMPLES = city(24)


def build(**changes):
    config = dataclasses.replace(MrlfConfig.small(), **changes)
    vocabulary = Vocabulary.build(SAMPLES.captions, SAMPLES.hashtags, config)
    torch.manual_seed(0)
    model = Mrlf(config, vocabulary, image_dim=64, num_classes=NUM_CLASSES).eval()
    return model, encode_text(SAMPLES.captions, SAMPLES.hashtags, vocabulary, config)


def widen(batch: Batch, extra: int) -> Batch:
    """The same posts, padded by `extra` more positions in every field."""

    def wider(ids_BL):
        return F.pad(ids_BL, (0, extra))

    fields = {f.name: getattr(batch, f.name) for f in dataclasses.fields(batch)}
    fields = {n: Padded(wider(v.ids_BL), v.lengths_B) if isinstance(v, Padded) else v for n, v in fields.items()}
    return Batch(**fields | {"hashtag_of_char_BL": wider(batch.hashtag_of_char_BL)})


VARIANTS = [
    pytest.param({}, id="small"),
    pytest.param({"fusion": "early_self"}, id="self fusion"),
    pytest.param({"fusion": "late"}, id="late fusion"),
    pytest.param({"fusion": "concat"}, id="no fusion"),
    pytest.param({"fusion": "text_image"}, id="caption and image fused"),
    pytest.param({"modalities": ("hashtags",), "words": False}, id="characters of hashtags alone"),
    pytest.param({"pooling": "sum", "char_pool": "disjoint"}, id="sum, disjoint windows"),
    pytest.param({"residual_and_norm": False, "char_positions": False}, id="bare attention"),
    pytest.param({"norm_after_pool": True, "num_attention_layers": 2}, id="norm after pool, two layers"),
]


@pytest.mark.parametrize("changes", VARIANTS)
def test_longer_padding_does_not_move_the_logits(changes):
    model, text = build(**changes)
    batch = make_batch(text, SAMPLES.image_ND, SAMPLES.has_image_N, np.arange(24), CPU)
    with torch.inference_mode():
        expected = model(batch)
        for extra in (1, 2, 3, 17):
            torch.testing.assert_close(model(widen(batch, extra)), expected, atol=1e-6 * expected.abs().max(), rtol=0)


@pytest.mark.parametrize("changes", VARIANTS)
def test_a_post_alone_scores_as_in_company(changes):
    model, text = build(**changes)
    with torch.inference_mode():
        together = model(make_batch(text, SAMPLES.image_ND, SAMPLES.has_image_N, np.arange(24), CPU))
        alone = torch.cat(
            [model(make_batch(text, SAMPLES.image_ND, SAMPLES.has_image_N, np.array([n]), CPU)) for n in range(24)]
        )
    torch.testing.assert_close(alone, together, atol=2e-6 * together.abs().max(), rtol=0)


def test_posts_without_caption_or_hashtags_get_finite_scores_and_gradients():
    model, _ = build()
    text = encode_text(["", "", "ba"], [[], ["x"], []], Vocabulary((), (), ()), model.config)
    images = np.zeros((3, 64), dtype=np.float32)
    model.train()
    loss = F.cross_entropy(
        model(make_batch(text, images, np.ones(len(images), bool), np.arange(3), CPU)), torch.arange(3)
    )
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("changes", VARIANTS)
def test_every_parameter_takes_part(changes):
    model, text = build(**changes)
    has_image = np.arange(24) > 3
    logits = model(make_batch(text, SAMPLES.image_ND, has_image, np.arange(24), CPU))
    F.cross_entropy(logits, torch.from_numpy(SAMPLES.labels_N)).backward()
    keys_of_constant_shift = ("key.bias",)  # softmax ignores a shift that all positions share
    idle = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert [name for name in idle if not name.endswith(keys_of_constant_shift)] == []


def test_hashtag_dropout_acts_in_training_only():
    model, text = build(dropout=0.0, head_dropout=0.0, hashtag_dropout=0.5)
    batch = make_batch(text, SAMPLES.image_ND, SAMPLES.has_image_N, np.arange(24), CPU)
    with torch.no_grad():
        assert torch.equal(model(batch), model(batch))
        assert not torch.allclose(model.train()(batch), model(batch))


def test_the_paper_preset_builds_and_runs():
    config = dataclasses.replace(MrlfConfig.paper(), min_char_count=1, min_word_count=1, min_hashtag_count=1)
    vocabulary = Vocabulary.build(SAMPLES.captions, SAMPLES.hashtags, config)
    text = encode_text(SAMPLES.captions, SAMPLES.hashtags, vocabulary, config)
    model = Mrlf(config, vocabulary, image_dim=64, num_classes=40).eval()
    with torch.inference_mode():
        assert model(make_batch(text, SAMPLES.image_ND, SAMPLES.has_image_N, np.arange(4), CPU)).shape == (4, 40)


@pytest.mark.parametrize("changes", VARIANTS)
def test_in_bf16_the_scores_are_nearly_those_of_fp32(changes):
    model, text = build(**changes)
    batch = make_batch(text, SAMPLES.image_ND, SAMPLES.has_image_N, np.arange(24), CPU)
    expected = model(batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = model(batch)
    F.cross_entropy(scores.float(), torch.from_numpy(SAMPLES.labels_N)).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    torch.testing.assert_close(scores.float(), expected, atol=0.05 * float(expected.detach().abs().max()), rtol=0)
