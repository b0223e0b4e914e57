"""Attention by word: shares sum to 1, cover what the network read, and come to what a slow loop makes of them."""

import dataclasses

import numpy as np
import pytest
import torch

from models.data.batches import Padded
from models.data.samples import ImageScaler, Samples
from models.data.text import Vocabulary
from models.explain.attention_shares import attention_shares, characters_of_slots, word_of_char
from models.explain.explain import shown_hashtags, shown_words
from models.mrlf.branches import CharacterMaps, pool_stride
from models.mrlf.mrlf import MrlfConfig
from models.settings.train_config import TrainConfig
from models.training.fitted import Fitted, build_network

CAPTIONS = ["a quiet hour by the harbour", "", "Harbour", "x y z", "so many words " * 60, "naïve ＦＵＬＬ ﬁsh…"]
HASHTAGS = [["port", "sea"], ["port"], [], ["A B", "#C"], ["town"] * 40, ["naïve"]]


def posts() -> Samples:
    """One post for each caption."""
    rng = np.random.default_rng(0)
    return Samples(
        keys=[str(row) for row in range(len(CAPTIONS))],
        captions=CAPTIONS,
        hashtags=HASHTAGS,
        image_ND=rng.normal(size=(len(CAPTIONS), 5)).astype(np.float32),
        labels_N=np.zeros(len(CAPTIONS), dtype=np.int64),
        has_image_N=np.arange(len(CAPTIONS)) % 3 != 1,
    )


def fitted(**changes) -> Fitted:
    """A network of random weights, as if it had been trained on the posts."""
    samples = posts()
    config = dataclasses.replace(MrlfConfig.small(), min_char_count=1, **changes)
    vocabulary = Vocabulary.build(samples.captions, samples.hashtags, config)
    torch.manual_seed(0)
    return Fitted(
        model=build_network(config, vocabulary, image_dim=5, num_classes=3).eval(),
        vocabulary=vocabulary,
        scaler=ImageScaler.fit(samples.image_ND),
        history=[],
        model_config=config,
        train_config=TrainConfig(),
        best_epoch=1,
    )


ALL, NO_HASHTAGS = (True, True), (True, False)
CASES = [
    pytest.param({}, ALL, id="the caption asks the hashtags"),
    pytest.param({"fusion": "early_self"}, ALL, id="both ask both"),
    pytest.param({"fusion": "late"}, ALL, id="late"),
    pytest.param({"fusion": "text_image"}, ALL, id="the picture asks the caption"),
    pytest.param({"fusion": "concat"}, ALL, id="no fusion"),
    pytest.param({"num_attention_layers": 0}, (False, True), id="fusion alone"),
    pytest.param({"fused": "replaces"}, (False, True), id="fusion in the place of its parts"),
    pytest.param({"char_filter_sizes": (4,), "even_kernels": "left"}, ALL, id="even kernels"),
    pytest.param({"num_attention_layers": 0, "fusion": "concat"}, (False, False), id="no attention"),
    pytest.param({"char_pool": "disjoint", "num_attention_layers": 2}, ALL, id="other slots, two layers"),
    pytest.param({"modalities": ("text", "image")}, NO_HASHTAGS, id="no hashtags"),
    pytest.param({"modalities": ("image",)}, (False, False), id="no text"),
    pytest.param({"characters": False}, (False, False), id="words alone"),
]


@pytest.mark.parametrize(("changes", "looks_at"), CASES)
def test_shares_are_shares_of_what_is_shown(changes, looks_at):
    for shares, caption, hashtags in zip(
        attention_shares(fitted(**changes), posts()), CAPTIONS, HASHTAGS, strict=True
    ):
        sides = ((shares.words_W, shown_words(caption)), (shares.hashtags_T, shown_hashtags(hashtags)))
        for (share, shown), is_looked_at in zip(sides, looks_at, strict=True):
            assert (share is not None) == (is_looked_at and bool(shown))
            if share is not None:
                assert len(share) == len(shown)
                assert (share >= 0).all()
                assert share.sum() == pytest.approx(1)


def test_who_else_is_asked_about_does_not_matter():
    model = fitted()
    together = attention_shares(model, posts())
    for row, shares in enumerate(together):
        [alone] = attention_shares(model, posts().take([row]))
        for one, other in ((alone.words_W, shares.words_W), (alone.hashtags_T, shares.hashtags_T)):
            assert (one is None) == (other is None)
            assert one is None or np.allclose(one, other, atol=1e-6)


def test_attention_that_favours_nothing_is_shared_by_the_slots_a_word_has_part_in():
    """With all queries zero each slot weighs the same: a slow loop over slots and characters gives the shares."""
    model = fitted(fusion="concat")
    for module in model.model.caption_characters.modules():
        if hasattr(module, "query"):
            torch.nn.init.zeros_(module.query.weight)
            torch.nn.init.zeros_(module.query.bias)
    caption = CAPTIONS[0]
    words = caption.split(" ")
    owner = [None if letter == " " else caption[:place].count(" ") for place, letter in enumerate(caption)]
    expected = np.zeros(len(words))
    for size in (3, 5):
        stride = pool_stride(size, "overlapping")
        starts = [0, *[s for s in range(stride, len(caption), stride) if s + size - stride < len(caption)]]
        for start in starts:
            window = range(start - (size - 1) // 2, start + size + size // 2)
            read = [owner[place] for place in window if 0 <= place < len(caption) and owner[place] is not None]
            for word in read:
                expected[word] += 1 / len(read) / len(starts)
    [shares] = attention_shares(model, posts().take([0]))
    np.testing.assert_allclose(shares.words_W, expected / expected.sum(), rtol=1e-5)


@pytest.mark.parametrize("size", [2, 3, 4, 7])
@pytest.mark.parametrize("rule", ["overlapping", "disjoint"])
@pytest.mark.parametrize("length", [1, 2, 6, 7, 8, 23])
def test_a_slot_is_made_of_the_characters_that_can_change_it(size, rule, length):
    config = dataclasses.replace(MrlfConfig.small(), char_filter_sizes=(size,), char_pool=rule, char_positions=False)
    torch.manual_seed(1)
    maps = CharacterMaps(config, 50, 30).eval()
    stride = pool_stride(size, rule)
    found: dict[int, set[int]] = {slot: set() for slot in range(len(characters_of_slots(length, size, stride)))}
    with torch.inference_mode():
        for _ in range(12):
            ids = torch.randint(2, 50, (1, length))
            changed = ids.repeat(length, 1)
            changed[range(length), range(length)] = (ids[0] - 2 + torch.randint(1, 48, (length,))) % 48 + 2
            [before] = maps(Padded(ids, torch.tensor([length])))
            [after] = maps(Padded(changed, torch.full((length,), length)))
            moved = (after.slots_BSE - before.slots_BSE).abs().amax(dim=2) > 1e-6
            assert before.valid_BS.shape[1] == len(found)
            for place, slot in moved.nonzero().tolist():
                found[slot].add(place)
    assert [set(chars) for chars in characters_of_slots(length, size, stride)] == list(found.values())


def test_each_letter_belongs_to_its_word():
    assert word_of_char("Ab  c").tolist() == [0, 0, -1, 1]
    assert word_of_char("").tolist() == []
    many = word_of_char("w " * 100)
    assert many.max() == 59 and many[-1] == -1
