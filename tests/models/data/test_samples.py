"""Samples: what is refused, what `take` gives, and what the digest sees."""

import dataclasses

import numpy as np
import pytest

from models.data.samples import Samples


def samples(**changes) -> Samples:
    """Three good posts, then `changes`."""
    good = {
        "keys": ["a", "b", "c"],
        "captions": ["sea", "", "sun"],
        "hashtags": [["x"], [], ["y", "z"]],
        "image_ND": np.arange(6, dtype=np.float32).reshape(3, 2),
        "labels_N": np.array([0, 1, 1]),
    }
    return Samples(**{**good, **changes})


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        pytest.param({"captions": ["sea"]}, "differ in length", id="lengths differ"),
        pytest.param({"image_ND": np.zeros((3, 2))}, "float32", id="float64 images"),
        pytest.param({"image_ND": np.zeros(3, dtype=np.float32)}, r"\(N, D\)", id="flat images"),
        pytest.param({"labels_N": np.zeros(3, dtype=np.float32)}, "int64", id="float labels"),
        pytest.param(
            {"image_ND": np.float32([[0, 1], [0, np.nan], [0, 1]])},
            "row 1 .key b.",
            id="NaN",
            marks=pytest.mark.fault("T4"),
        ),
        pytest.param(
            {"image_ND": np.float32([[0, 1], [0, 1], [np.inf, 1]])},
            "row 2",
            id="infinite",
            marks=pytest.mark.fault("T4"),
        ),
        pytest.param({"captions": ["sea", None, "sun"]}, "use '' for none", id="caption None"),
        pytest.param({"hashtags": [["x"], "sea", []]}, "list of texts", id="hashtags as text"),
        pytest.param({"hashtags": [["x"], [None], []]}, "list of texts", id="hashtag None"),
    ],
)
def test_bad_samples_are_refused(changes, match):
    with pytest.raises(ValueError, match=match):
        samples(**changes)


@pytest.mark.parametrize(
    ("indices", "keys"),
    [
        pytest.param([2, 0, 2], ["c", "a", "c"], id="in the order and as often as named"),
        pytest.param(np.array([True, False, True]), ["a", "c"], id="mask"),
        pytest.param([], [], id="none"),
    ],
)
def test_take(indices, keys):
    taken = samples().take(indices)
    assert taken.keys == keys and len(taken) == len(keys)
    assert taken.image_ND.shape == (len(keys), 2) and taken.labels_N.dtype == np.int64


@pytest.mark.parametrize(
    "changes",
    [
        {"keys": ["a", "b", "d"]},
        {"captions": ["sea", "", "son"]},
        {"hashtags": [["x"], [], ["yz"]]},
        {"image_ND": np.ones((3, 2), dtype=np.float32)},
        {"labels_N": np.array([0, 1, 0])},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_digest_changes_with_every_field_and_only_then(changes):
    assert samples().sha256() == samples().sha256()
    assert dataclasses.replace(samples(), **changes).sha256() != samples().sha256()
