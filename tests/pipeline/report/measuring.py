"""Small test splits and models with known answers, to measure."""

from collections.abc import Callable

import numpy as np

from models.data.samples import Samples
from pipeline.report.evaluation import Answers, Bootstrap
from pipeline.training.samples import CitySamples

LATITUDES = np.array([12.0, 12.0, 12.1, 12.3])
LONGITUDES = np.array([-30.0, -30.004, -30.0, -30.0])


def make_samples(
    labels: list[int], captions: list[str] | None = None, hashtags: list[list[str]] | None = None
) -> Samples:
    """Posts whose picture's first number is their label."""
    count = len(labels)
    return Samples(
        keys=[f"post{row}" for row in range(count)],
        captions=captions or ["words"] * count,
        hashtags=hashtags or [["tag"]] * count,
        image_ND=np.array([[label, 1] for label in labels], dtype=np.float32),
        labels_N=np.array(labels, dtype=np.int64),
        groups=[f"user{row % 7}" for row in range(count)],
    )


def make_city(samples: Samples) -> CitySamples:
    """A city whose test split these are."""
    return CitySamples(
        splits={"test": samples},
        users={"test": samples.groups},
        unit="user",
        class_latitudes=LATITUDES,
        class_longitudes=LONGITUDES,
    )


def bootstrap(samples: Samples) -> Bootstrap:
    return Bootstrap(groups=samples.groups, num_resamples=100, seed=0)


def one_hot(predicted: list[int] | np.ndarray, num_classes: int = 4, confidence: float = 0.9) -> np.ndarray:
    """Probabilities with `confidence` on the predicted class."""
    proba = np.full((len(predicted), num_classes), (1 - confidence) / (num_classes - 1))
    proba[np.arange(len(predicted)), predicted] = confidence
    return proba


def make_answers(name: str, predicted: list[int], labels: list[int], masked: list[int] | None = None) -> Answers:
    """A model that predicts these classes, and `masked` where label words are out."""
    right = np.array([one == other for one, other in zip(predicted, labels, strict=True)], dtype=np.float64)
    hidden = np.array([one == other for one, other in zip(masked or predicted, labels, strict=True)], dtype=np.float64)
    return Answers(name=name, title=name.title(), proba=one_hot(predicted), right=right, masked_right=hidden)


class Rule:
    """A classifier that predicts a class by a rule over caption, hashtags and picture (None where it is hidden)."""

    def __init__(self, rule: Callable[[str, list[str], float | None], int]) -> None:
        self.rule = rule

    def predict_proba(self, samples: Samples) -> np.ndarray:
        """The predicted class at 0.9."""
        rows = zip(samples.captions, samples.hashtags, samples.image_ND, samples.has_image_N, strict=True)
        return one_hot([self.rule(text, tags, float(row[0]) if there else None) for text, tags, row, there in rows])
