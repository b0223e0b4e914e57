"""Honest baselines: the majority class, and logistic regressions on each modality and on all of them.

None of the papers reports a linear model on the same posts, yet on a few hundred real posts it beat MRLF. Every table
of ours shows them.
Text is tf-idf of characters (2 to 5 within words) and of words (1 and 2); hashtags are multi-hot; image features are
standardised as for MRLF and scaled by 1 / sqrt(D), so that each block of a post has a length of about 1.
Shape letters: N samples, C classes, P classes met in training, D image features.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from models.samples import Samples
from models.standardise import ImageScaler
from models.text import normalise, normalise_hashtags, words_of
from models.training import check_split

INVERSE_REGULARISATION = 3.0
"""scikit-learn's C, fixed so that no baseline is tuned on the split it is compared on"""
MAX_ITERATIONS = 300


class Classifier(Protocol):
    """Anything that gives probabilities (N, C), float64, rows summing to 1."""

    def predict_proba(self, samples: Samples) -> np.ndarray: ...


class Baseline(Protocol):
    """A way to make a classifier from training samples; classes without any get probability 0."""

    def fit(self, train: Samples, num_classes: int) -> Classifier: ...


@dataclass(frozen=True)
class Prior:
    """The share of each class in training, whatever the post."""

    share_C: np.ndarray

    def predict_proba(self, samples: Samples) -> np.ndarray:
        """The same row for every sample."""
        return np.tile(self.share_C, (len(samples), 1))


class MajorityBaseline:
    """Predicts the most frequent class."""

    def fit(self, train: Samples, num_classes: int) -> Prior:
        """Count the labels."""
        check_split("train", train, num_classes)
        return Prior(np.bincount(train.labels_N, minlength=num_classes) / len(train))


@dataclass(frozen=True)
class LogisticBaseline:
    """Multinomial logistic regression on the chosen blocks of features."""

    has_text: bool = False
    has_hashtags: bool = False
    has_image: bool = False

    def fit(self, train: Samples, num_classes: int) -> "Classifier":
        """Fit; training samples of a single class, or without any feature, give the classes' shares."""
        check_split("train", train, num_classes)
        features = _Features(self)
        design_NF = features.fit_transform(train)
        if design_NF.shape[1] == 0 or len(np.unique(train.labels_N)) == 1:
            return MajorityBaseline().fit(train, num_classes)
        regression = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=MAX_ITERATIONS, tol=1e-3)
        return _Linear(features, regression.fit(design_NF, train.labels_N), num_classes)


@dataclass(frozen=True)
class _Linear:
    features: "_Features"
    regression: LogisticRegression
    num_classes: int

    def predict_proba(self, samples: Samples) -> np.ndarray:
        """Probabilities over all classes."""
        proba_NC = np.zeros((len(samples), self.num_classes))
        if len(samples):
            proba_NC[:, self.regression.classes_] = self.regression.predict_proba(self.features.transform(samples))
        return proba_NC


class _Features:
    """The chosen blocks side by side, as learnt from the training samples."""

    def __init__(self, blocks: LogisticBaseline) -> None:
        self.blocks = blocks
        self.vectorisers: list[tuple[str, Any]] = []
        self.scaler: ImageScaler | None = None

    def fit_transform(self, train: Samples) -> sparse.csr_matrix:
        """Learn vocabularies and scales, and transform."""
        if self.blocks.has_text:
            self._learn(
                "text", TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=2, sublinear_tf=True), train
            )
            self._learn(
                "text",
                TfidfVectorizer(tokenizer=words_of, token_pattern=None, ngram_range=(1, 2), sublinear_tf=True),
                train,
            )
        if self.blocks.has_hashtags:
            self._learn("hashtags", CountVectorizer(analyzer=normalise_hashtags, binary=True, dtype=np.float64), train)
        if self.blocks.has_image:
            self.scaler = ImageScaler.fit(train.image_ND)
        return self.transform(train)

    def transform(self, samples: Samples) -> sparse.csr_matrix:
        """The features (N, F)."""
        documents = _documents(samples)
        parts = [vectoriser.transform(documents[kind]) for kind, vectoriser in self.vectorisers]
        if self.scaler:
            image_ND = self.scaler.transform(samples.image_ND).astype(np.float64)
            parts.append(sparse.csr_matrix(image_ND / np.sqrt(image_ND.shape[1])))
        return sparse.hstack(parts, format="csr") if parts else sparse.csr_matrix((len(samples), 0))

    def _learn(self, kind: str, vectoriser: Any, train: Samples) -> None:
        """Keep the vectoriser, unless the training samples hold nothing for it to learn."""
        try:
            vectoriser.fit(_documents(train)[kind])
        except ValueError as error:
            if "vocabulary" not in str(error) and "no terms remain" not in str(error):
                raise
        else:
            self.vectorisers.append((kind, vectoriser))


def _documents(samples: Samples) -> Mapping[str, Sequence[Any]]:
    return {"text": [normalise(caption) for caption in samples.captions], "hashtags": samples.hashtags}


BASELINES: Mapping[str, Baseline] = {
    "majority": MajorityBaseline(),
    "logistic_hashtags": LogisticBaseline(has_hashtags=True),
    "logistic_text": LogisticBaseline(has_text=True),
    "logistic_image": LogisticBaseline(has_image=True),
    "logistic_all": LogisticBaseline(has_text=True, has_hashtags=True, has_image=True),
}
"""Every baseline by its name: `BASELINES[name].fit(train, num_classes).predict_proba(test)`."""
