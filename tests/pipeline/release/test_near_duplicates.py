"""Near-duplicates: a photograph in another size or quality is found, another one of the same kind is not."""

import io
from functools import cache

import numpy as np
import pytest
from PIL import Image

from pipeline.release.split import MAX_BITS, close_pairs, mark_of, near_duplicates, shared_names


@cache
def drawn(seed: int, side: int = 256) -> Image.Image:
    """A picture with large and small shapes, as photographs have."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    waves = [
        np.sin(2 * np.pi * (rng.uniform(-6, 6) * x + rng.uniform(-6, 6) * y) + rng.uniform(0, 6)) for _ in range(9)
    ]
    grey = 127 + 25 * np.sum(waves, axis=0)
    return Image.fromarray(np.clip(np.stack([grey] * 3, axis=-1), 0, 255).astype(np.uint8))


def encoded(picture: Image.Image, quality: int = 92, scale: float = 1.0) -> bytes:
    file = io.BytesIO()
    picture.resize((int(picture.width * scale), int(picture.height * scale))).save(file, "JPEG", quality=quality)
    return file.getvalue()


def far(one: bytes, other: bytes) -> int:
    return int((mark_of(one) != mark_of(other)).sum())


@pytest.mark.fault("T2")
@pytest.mark.parametrize("how", [{"quality": 30}, {"scale": 0.5}, {"scale": 0.4, "quality": 60}], ids=str)
def test_a_copy_in_another_size_or_quality_is_near(how):
    assert max(far(encoded(drawn(seed)), encoded(drawn(seed), **how)) for seed in range(20)) <= MAX_BITS


@pytest.mark.slow
def test_other_pictures_are_far():
    marks = np.stack([mark_of(encoded(drawn(seed, side=128))) for seed in range(200)])
    assert close_pairs(marks) == []


@pytest.mark.fault("T2")
def test_copies_are_found_among_others_and_bear_a_name_together():
    pictures = {f"p{seed}": encoded(drawn(seed)) for seed in range(30)}
    pictures["copy"] = encoded(drawn(7), quality=50, scale=0.6)
    digests = sorted(pictures)
    assert near_duplicates(digests, pictures.__getitem__, "demo") == [("copy", "p7")]
    assert shared_names(digests, pictures.__getitem__, "demo") == {"copy": ["copy/p7"], "p7": ["copy/p7"]}


def test_close_pairs_are_those_of_a_plain_count_in_blocks_of_any_size(monkeypatch):
    rng = np.random.default_rng(0)
    marks = rng.random((60, 256)) < 0.5
    for row in range(0, 60, 3):
        marks[row] = marks[rng.integers(60)]
        marks[row, rng.choice(256, rng.integers(0, 26), replace=False)] ^= True
    expected = [(i, j) for i in range(60) for j in range(i + 1, 60) if (marks[i] != marks[j]).sum() <= MAX_BITS]
    assert len(expected) > 5
    for block in (1024, 7, 1):
        monkeypatch.setattr("pipeline.release.split.BLOCK", block)
        assert sorted(close_pairs(marks)) == expected


def test_flat_pictures_are_alike_to_nobody():
    grey = encoded(Image.new("RGB", (64, 64), (90, 90, 90)))
    assert near_duplicates(["a", "b"], {"a": grey, "b": grey}.__getitem__, "demo") == []


def test_no_pictures_no_pairs():
    assert near_duplicates([], lambda digest: b"", "demo") == []
