"""A split that lies on the device gives the batches that the processor's memory gives, padded to fixed widths."""

import dataclasses

import numpy as np
import pytest
import torch

from models.data.batches import training_batches
from models.data.encoded_split import DeviceSplit, EncodedSplit, HostSplit
from models.data.samples import ImageScaler
from models.data.text import Vocabulary
from models.mrlf.mrlf import Mrlf, MrlfConfig
from tests.models.synthetic import NUM_CLASSES, city

CPU = torch.device("cpu")
CONFIG = MrlfConfig.small()
SAMPLES = city(400, seed=5)
VOCABULARY = Vocabulary.build(SAMPLES.captions, SAMPLES.hashtags, CONFIG)


def encoded(samples=SAMPLES):
    return EncodedSplit.of(samples, VOCABULARY, ImageScaler.fit(SAMPLES.image_ND), CONFIG)


SPLIT = encoded()


def assert_same_padded(wide, narrow, name):
    assert torch.equal(wide.lengths_B, narrow.lengths_B), name
    width = narrow.ids_BL.shape[1]
    assert torch.equal(wide.ids_BL[:, :width], narrow.ids_BL) and not wide.ids_BL[:, width:].any(), name


def test_a_batch_cut_on_the_device_is_the_hosts_but_for_padding():
    for rows in training_batches(SPLIT.text, 32, seed=0, epoch=1):
        wide, labels = DeviceSplit(SPLIT, CPU).cut(rows)
        narrow, expected = HostSplit(SPLIT, CPU).cut(rows)
        assert torch.equal(labels, expected)
        for entry in dataclasses.fields(narrow):
            ours, theirs = getattr(wide, entry.name), getattr(narrow, entry.name)
            if hasattr(theirs, "ids_BL"):
                assert_same_padded(ours, theirs, entry.name)
            elif entry.name == "hashtag_of_char_BL":
                assert torch.equal(ours[:, : theirs.shape[1]], theirs)
            elif theirs is not None:
                assert torch.equal(ours, theirs), entry.name


def test_the_network_sees_no_difference():
    torch.manual_seed(0)
    network = Mrlf(CONFIG, VOCABULARY, image_dim=64, num_classes=NUM_CLASSES).eval()
    rows = np.arange(40)
    with torch.no_grad():
        one, other = (network(split(SPLIT, CPU).cut(rows)[0]) for split in (DeviceSplit, HostSplit))
    torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_there_are_few_widths_and_every_post_fits_into_its_own():
    split = DeviceSplit(SPLIT, CPU)
    batches = [rows for epoch in range(20) for rows in training_batches(SPLIT.text, 32, seed=0, epoch=epoch)]
    seen = {split.widths(rows) for rows in batches}
    assert 4 < len(seen) <= 16
    fields = ("caption_chars", "caption_words", "hashtag_chars", "hashtag_words")
    for rows in batches:
        for name, width in zip(fields, split.widths(rows), strict=True):
            assert getattr(SPLIT.text, name).lengths_N[rows].max() <= width, name


def test_pictures_come_along_as_channels_first():
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 4, 3), dtype=np.uint8)
    split = encoded(dataclasses.replace(SAMPLES.take(range(6)), pixels_NHWC=pixels))
    batch, _ = DeviceSplit(split, CPU).cut(np.array([4, 1]))
    assert np.array_equal(batch.pixels_BCHW.numpy(), pixels[[4, 1]].transpose(0, 3, 1, 2))
    assert split.num_bytes - dataclasses.replace(split, pixels_NHWC=None).num_bytes == pixels.nbytes


@pytest.mark.slow
@pytest.mark.parametrize(
    "samples",
    [
        pytest.param(SAMPLES.take([0]), id="one post"),
        pytest.param(dataclasses.replace(SAMPLES, captions=[""] * 400, hashtags=[[]] * 400), id="no text at all"),
        pytest.param(dataclasses.replace(SAMPLES, captions=["x" * 900] * 400), id="all as long as can be"),
    ],
)
def test_any_text_fits(samples):
    split = encoded(samples)
    batch, _ = DeviceSplit(split, CPU).cut(np.arange(len(samples)))
    assert batch.caption_chars.ids_BL.shape[1] >= 1
    assert torch.isfinite(Mrlf(CONFIG, VOCABULARY, image_dim=64, num_classes=3).eval()(batch)).all()
