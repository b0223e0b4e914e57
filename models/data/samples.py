"""The samples of one split as plain arrays, for every model here, and the scaler of their image features.

Law of the scaler: a column that is constant in training carries no information and becomes 0, and no value leaves
[-4, 4]. Dividing by "sd + 1e-6" instead sent 5 % of real test posts to 100,000 standard deviations and spoilt the
whole model.
Shape letters: N samples, D image features, H, W height and width of a picture.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

CLIP = 4.0
RELATIVE_FLOOR = 1e-6
"""A standard deviation under this share of the column's largest value is rounding, not information."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    """One row per post: without caption "", without hashtags [], without picture has_image False; labels in 0..C-1.

    Raises:
        ValueError: the fields differ in length or type, or an image feature is not finite.
    """

    keys: list[str]
    captions: list[str]
    hashtags: list[list[str]]
    image_ND: np.ndarray
    """float32"""
    labels_N: np.ndarray
    """int64"""
    has_image_N: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=bool))
    """bool; left out, every post has a picture. Where False, the row of image_ND is zeros and not looked at"""
    groups: list[str] = field(default_factory=list)
    """who posted it, or on what day: folds and resamples keep a group together; left out, every post is its own"""
    pixels_NHWC: np.ndarray | None = None
    """uint8, RGB: the pictures themselves, for the networks that learn from pixels; None where none does"""

    def __post_init__(self) -> None:
        if len(self.has_image_N) == 0:
            object.__setattr__(self, "has_image_N", np.ones(len(self.keys), dtype=bool))
        if not self.groups:
            object.__setattr__(self, "groups", list(self.keys))
        self._check_arrays()
        self._check_lengths()
        self._check_text()

    def _check_arrays(self) -> None:
        if self.image_ND.ndim != 2 or self.image_ND.dtype != np.float32:
            found = f"{self.image_ND.dtype} of shape {self.image_ND.shape}"
            raise ValueError(f"image_ND must be float32 of shape (N, D), got {found}; use .astype(np.float32)")
        if self.labels_N.ndim != 1 or self.labels_N.dtype != np.int64:
            found = f"{self.labels_N.dtype} of shape {self.labels_N.shape}"
            raise ValueError(f"labels_N must be int64 of shape (N,), got {found}; use .astype(np.int64)")
        if self.has_image_N.ndim != 1 or self.has_image_N.dtype != bool:
            found = f"{self.has_image_N.dtype} of shape {self.has_image_N.shape}"
            raise ValueError(f"has_image_N must be bool of shape (N,), got {found}; use .astype(bool)")
        if self.pixels_NHWC is not None and (self.pixels_NHWC.ndim != 4 or self.pixels_NHWC.dtype != np.uint8):
            found = f"{self.pixels_NHWC.dtype} of shape {self.pixels_NHWC.shape}"
            raise ValueError(f"pixels_NHWC must be uint8 of shape (N, H, W, 3), got {found}")
        finite_N = np.isfinite(self.image_ND).all(axis=1)
        if not finite_N.all():
            row = int(np.argmin(finite_N))
            raise ValueError(
                f"{int((~finite_N).sum())} samples have image features that are NaN or infinite, the first in row "
                f"{row} (key {self.keys[row] if row < len(self.keys) else '?'}); compute their features again"
            )

    def _check_lengths(self) -> None:
        lengths = {
            "keys": len(self.keys),
            "captions": len(self.captions),
            "hashtags": len(self.hashtags),
            "image_ND": len(self.image_ND),
            "labels_N": len(self.labels_N),
            "has_image_N": len(self.has_image_N),
            "groups": len(self.groups),
        }
        if self.pixels_NHWC is not None:
            lengths["pixels_NHWC"] = len(self.pixels_NHWC)
        if len(set(lengths.values())) > 1:
            raise ValueError(f"the fields of the samples differ in length: {lengths}; give one entry per post in each")

    def _check_text(self) -> None:
        for row, caption in enumerate(self.captions):
            if not isinstance(caption, str):
                raise ValueError(f"caption of row {row} is {type(caption).__name__}, not text; use '' for none")
        for row, tags in enumerate(self.hashtags):
            if isinstance(tags, str) or not all(isinstance(tag, str) for tag in tags):
                raise ValueError(f"hashtags of row {row} must be a list of texts; use [] for none")

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, indices: Sequence[int] | np.ndarray) -> "Samples":
        """The samples at `indices`, in their order and as often as named; a boolean mask selects."""
        rows = np.asarray(indices)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64)
        return Samples(
            keys=[self.keys[row] for row in rows],
            captions=[self.captions[row] for row in rows],
            hashtags=[self.hashtags[row] for row in rows],
            image_ND=self.image_ND[rows],
            labels_N=self.labels_N[rows],
            has_image_N=self.has_image_N[rows],
            groups=[self.groups[row] for row in rows],
            pixels_NHWC=None if self.pixels_NHWC is None else self.pixels_NHWC[rows],
        )

    def sha256(self) -> str:
        """Hex digest over every field: equal exactly when a model would see the same data."""
        text = json.dumps([self.keys, self.groups, self.captions, [list(tags) for tags in self.hashtags]])
        digest = hashlib.sha256(text.encode())
        digest.update(repr(self.image_ND.shape).encode())
        digest.update(np.ascontiguousarray(self.image_ND).tobytes())
        digest.update(np.ascontiguousarray(self.labels_N).tobytes())
        digest.update(self.has_image_N.tobytes())
        if self.pixels_NHWC is not None:
            digest.update(np.ascontiguousarray(self.pixels_NHWC).tobytes())
        return digest.hexdigest()


def showing(samples: Samples, kinds: Collection[str]) -> Samples:
    """The samples with every kind of input emptied that is not among these: text, hashtags, image."""
    hidden: dict[str, Any] = {}
    if "text" not in kinds:
        hidden["captions"] = [""] * len(samples)
    if "hashtags" not in kinds:
        hidden["hashtags"] = [[] for _ in range(len(samples))]
    if "image" not in kinds:
        hidden["has_image_N"] = np.zeros(len(samples), dtype=bool)
        hidden["image_ND"] = np.zeros_like(samples.image_ND)
    return replace(samples, **hidden)


def joined(parts: Sequence[Samples]) -> Samples:
    """All of them one after the other, without pixels; at least one."""
    return Samples(
        keys=[key for part in parts for key in part.keys],
        captions=[caption for part in parts for caption in part.captions],
        hashtags=[tags for part in parts for tags in part.hashtags],
        image_ND=np.concatenate([part.image_ND for part in parts]),
        labels_N=np.concatenate([part.labels_N for part in parts]),
        has_image_N=np.concatenate([part.has_image_N for part in parts]),
        groups=[group for part in parts for group in part.groups],
    )


def check_split(name: str, samples: Samples, num_classes: int) -> None:
    """Refuse a split that no classifier can be trained or chosen on."""
    if num_classes < 2:
        raise ValueError(f"num_classes must be at least 2, got {num_classes}; one class leaves nothing to tell apart")
    if len(samples) == 0:
        raise ValueError(f"the {name} split is empty; it needs at least one sample")
    wrong_N = (samples.labels_N < 0) | (samples.labels_N >= num_classes)
    if wrong_N.any():
        row = int(np.argmax(wrong_N))
        raise ValueError(
            f"{int(wrong_N.sum())} labels of the {name} split lie outside 0..{num_classes - 1}, the first is "
            f"{samples.labels_N[row]} (key {samples.keys[row]}); make the labels from the same class list"
        )


@dataclass(frozen=True)
class ImageScaler:
    """z = clip((x - mean) * inverse_sd, -4, 4), with inverse_sd 0 for columns constant in training."""

    mean_D: np.ndarray
    inverse_sd_D: np.ndarray

    @classmethod
    def fit(cls, image_ND: np.ndarray) -> "ImageScaler":
        """Measure mean and standard deviation, in float64, of at least one sample."""
        if len(image_ND) == 0:
            raise ValueError("an image scaler needs at least one training sample, got none")
        wide_ND = image_ND.astype(np.float64)
        sd_D = wide_ND.std(axis=0)
        varies_D = sd_D > RELATIVE_FLOOR * np.abs(wide_ND).max(axis=0)
        inverse_sd_D = np.where(varies_D, 1.0 / np.where(varies_D, sd_D, 1.0), 0.0)
        return cls(wide_ND.mean(axis=0).astype(np.float32), inverse_sd_D.astype(np.float32))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "ImageScaler":
        """The scaler that `arrays` was called on."""
        return cls(arrays["mean"], arrays["inverse_sd"])

    def arrays(self) -> dict[str, np.ndarray]:
        """What to store, by name."""
        return {"mean": self.mean_D, "inverse_sd": self.inverse_sd_D}

    def transform(self, image_ND: np.ndarray) -> np.ndarray:
        """Standardised features (N, D), float32."""
        if image_ND.shape[1] != len(self.mean_D):
            raise ValueError(
                f"the model was trained on {len(self.mean_D)} image features, got {image_ND.shape[1]}; "
                "compute the features with the network the model was trained with"
            )
        scaled_ND = (image_ND - self.mean_D) * self.inverse_sd_D
        clipped_ND: np.ndarray = np.clip(scaled_ND, -CLIP, CLIP).astype(np.float32)
        return clipped_ND
