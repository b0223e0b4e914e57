"""Parts of the network switched off, and modalities that a post lacks: neither moves anything."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from models.data.batches import make_batch
from models.data.text import Vocabulary, encode_text
from models.mrlf.config import MODALITIES, MrlfConfig
from models.mrlf.mrlf import Mrlf
from tests.models.synthetic import NUM_CLASSES, city

CPU = torch.device("cpu")
SAMPLES, OTHERS = city(24), city(24, seed=1)
LABELS = torch.from_numpy(SAMPLES.labels_N)
SUBSETS = [subset for n in (1, 2, 3) for subset in itertools.combinations(MODALITIES, n)]
FIELDS = {
    ("text", "characters"): "caption_chars",
    ("text", "words"): "caption_words",
    ("hashtags", "characters"): "hashtag_chars",
    ("hashtags", "words"): "hashtag_words",
}


def build(**changes):
    """A network in evaluation and the batch of `SAMPLES`."""
    config = dataclasses.replace(MrlfConfig.small(), **changes)
    vocabulary = Vocabulary.build(SAMPLES.captions, SAMPLES.hashtags, config)
    torch.manual_seed(0)
    return Mrlf(config, vocabulary, image_dim=64, num_classes=NUM_CLASSES).eval(), batch_of(
        SAMPLES, vocabulary, config
    )


def batch_of(samples, vocabulary, config):
    text = encode_text(samples.captions, samples.hashtags, vocabulary, config)
    return make_batch(text, samples.image_ND, samples.has_image_N, np.arange(len(samples)), CPU)


def without_row(batch, number, value):
    """The batch where post `number` has no picture, and `value` in its row."""
    image_BD, has_image_B = batch.image_BD.clone(), batch.has_image_B.clone()
    image_BD[number], has_image_B[number] = value, False
    return dataclasses.replace(batch, image_BD=image_BD, has_image_B=has_image_B)


CASES = [
    pytest.param(
        {"modalities": subset, "characters": characters, "words": words},
        id=f"{'+'.join(subset)}{'' if characters else ', no characters'}{'' if words else ', no words'}",
    )
    for subset in SUBSETS
    for characters, words in ((True, True), (True, False), (False, True))
]


@pytest.mark.parametrize("changes", CASES)
def test_every_choice_of_parts_builds_and_learns(changes):
    model, batch = build(dropout=0.0, head_dropout=0.0, hashtag_dropout=0.0, **changes)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05)
    losses = []
    for _ in range(3):
        losses.append(F.cross_entropy(model.train()(batch), LABELS))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[2] < losses[1] < losses[0]


@pytest.mark.parametrize("changes", CASES)
def test_what_is_switched_off_cannot_move_the_logits(changes):
    model, batch = build(**changes)
    other = batch_of(OTHERS, Vocabulary.build(SAMPLES.captions, SAMPLES.hashtags, model.config), model.config)
    on = {
        field: modality in model.config.modalities and changes[unit] for (modality, unit), field in FIELDS.items()
    } | {"image_BD": "image" in model.config.modalities}
    with torch.inference_mode():
        expected = model(batch)
        for field, is_read in on.items():
            moved = model(dataclasses.replace(batch, **{field: getattr(other, field)}))
            assert torch.equal(moved, expected) is not is_read, field


@pytest.mark.parametrize(
    ("changes", "has_fusion"),
    [
        pytest.param({}, True, id="all three"),
        pytest.param({"modalities": ("text", "hashtags")}, True, id="both texts"),
        pytest.param({"modalities": ("text", "image")}, False, id="no hashtags"),
        pytest.param({"modalities": ("hashtags", "image")}, False, id="no caption"),
        pytest.param({"characters": False}, False, id="no characters"),
        pytest.param({"fusion": "late"}, True, id="late"),
        pytest.param({"fusion": "late", "modalities": ("text",)}, False, id="late, one text"),
        pytest.param({"fusion": "concat"}, False, id="concat"),
        pytest.param({"fusion": "text_image", "modalities": ("text", "image")}, True, id="caption and image"),
    ],
)
def test_fusion_is_built_where_both_of_its_sides_are(changes, has_fusion):
    model, _ = build(**changes)
    assert hasattr(model, "fusion") is has_fusion
    unfused = build(**changes | {"fusion": "concat"})[0].head.in_features
    assert model.head.in_features == unfused + has_fusion * len(model.config.char_filter_sizes) * 32


@pytest.mark.fault("N18")
@pytest.mark.parametrize(
    ("fusion", "parts", "branches"),
    [("early_cross", 1, 0), ("early_self", 1, 0), ("late", 1, 2), ("text_image", 2, 1), ("concat", 2, 2)],
)
def test_what_is_fused_can_be_replaced_by_f_and_is_then_not_built(fusion, parts, branches):
    model, batch = build(fusion=fusion, fused="replaces")
    joined = build(fusion=fusion)[0].head.in_features
    width = len(model.config.char_filter_sizes) * 32
    has_f = fusion != "concat"
    assert model.head.in_features == joined - (2 + has_f - parts) * width
    assert sum(branch is not None for branch in (model.caption_characters, model.hashtag_characters)) == branches
    F.cross_entropy(model.train()(batch), LABELS).backward()
    assert all(p.grad is not None for name, p in model.named_parameters() if name != "image.stand_in_D")


def test_a_hidden_layer_learns_from_one_post_and_answers_a_post_the_same_in_any_company():
    model, batch = build(hidden_dim=8)
    one = batch_of(
        SAMPLES.take(np.array([3])), Vocabulary.build(SAMPLES.captions, SAMPLES.hashtags, model.config), model.config
    )
    with torch.no_grad():
        torch.testing.assert_close(model(one)[0], model(batch)[3], atol=1e-5, rtol=1e-5)
    F.cross_entropy(model.train()(one), LABELS[3:4]).backward()
    assert model.hidden.inner.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("fusion", ["early_cross", "late"])
def test_fusion_reads_the_maps_before_the_branches_or_what_leaves_them(fusion):
    model, batch = build(fusion=fusion)
    sides = []
    for maps, branch, chars in (
        (model.caption_maps, model.caption_characters, batch.caption_chars),
        (model.hashtag_maps, model.hashtag_characters, batch.hashtag_chars),
    ):
        before = maps(chars)
        sides.append(branch(before) if fusion == "late" else before)
    fused_width, seen = len(model.config.char_filter_sizes) * 32, []
    model.head_dropout.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        model(batch)
        torch.testing.assert_close(seen[0][:, :fused_width], model.fusion(*sides))


@pytest.mark.parametrize("fusion", ["early_cross", "text_image"])
def test_a_post_without_a_picture_scores_the_same_whatever_stands_in_its_row(fusion):
    model, batch = build(fusion=fusion)
    with torch.inference_mode():
        expected = model(without_row(batch, 3, 0.0))
        assert torch.isfinite(expected).all() and not torch.equal(expected[3], model(batch)[3])
        for value in (1e30, float("nan")):
            assert torch.equal(model(without_row(batch, 3, value)), expected)


def test_the_stand_in_for_a_picture_begins_as_the_mean_picture_and_learns():
    model, batch = build()
    shown = dataclasses.replace(batch, image_BD=torch.zeros_like(batch.image_BD))
    absent = dataclasses.replace(batch, has_image_B=torch.zeros(24, dtype=torch.bool))
    with torch.no_grad():
        assert torch.equal(model(absent), model(shown))
    F.cross_entropy(model(batch), LABELS).backward()
    assert model.image.stand_in_D.grad.abs().sum() == 0
    F.cross_entropy(model(absent), LABELS).backward()
    assert model.image.stand_in_D.grad.abs().sum() > 0


@pytest.mark.parametrize("fusion", ["early_cross", "early_self", "late", "concat", "text_image"])
def test_a_post_without_anything_gets_finite_scores_and_gradients(fusion):
    model, _ = build(fusion=fusion)
    vocabulary = Vocabulary.build(SAMPLES.captions, SAMPLES.hashtags, model.config)
    text = encode_text(["", "", "ba"], [[], ["x"], []], vocabulary, model.config)
    images, has_image = np.zeros((3, 64), dtype=np.float32), np.array([False, False, True])
    logits = model.train()(make_batch(text, images, has_image, np.arange(3), CPU))
    F.cross_entropy(logits, torch.arange(3)).backward()
    assert torch.isfinite(logits).all()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
