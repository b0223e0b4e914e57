"""Logistic regressions on each modality and on all of them: the honest baselines that the papers leave out.

None of the papers reports a linear model on the same posts, yet on a few hundred real posts it beat MRLF. Every table
of ours shows them.
They read the features of `linear.wide_features`: tf-idf of characters and of words, multi-hot hashtags, and image
features standardised as for MRLF, each block of a post of a length of about 1.
scikit-learn is imported where it is used: the networks beside this file are trained where it is not installed.
Shape letters: N samples, C classes.
"""

from dataclasses import dataclass

import numpy as np

from models.baselines.classifier import Classifier
from models.baselines.prior import MajorityBaseline
from models.data.samples import Samples, check_split
from models.linear.experts import Expert, LinearLayer, fit_expert
from models.linear.pool import log_softmax
from models.linear.wide_features import Block, WideFeatures

INVERSE_REGULARISATION = 3.0
"""scikit-learn's C, fixed so that no baseline is tuned on the split it is compared on"""


@dataclass(frozen=True)
class LogisticBaseline:
    """Multinomial logistic regression on the chosen blocks of features; `has_text` is characters and words."""

    has_text: bool = False
    has_hashtags: bool = False
    has_image: bool = False
    has_characters: bool = False

    def fit(self, train: Samples, num_classes: int) -> Classifier:
        """Fit; training samples of a single class, or without any feature, give the classes' shares."""
        check_split("train", train, num_classes)
        if len(np.unique(train.labels_N)) == 1:
            return MajorityBaseline().fit(train, num_classes)
        features = WideFeatures.learn(train, self._blocks())
        if not any(features.widths().values()):
            return MajorityBaseline().fit(train, num_classes)
        expert = Expert(dict.fromkeys(self._blocks(), 1.0), (INVERSE_REGULARISATION,))
        layer = fit_expert(expert, features.transform(train), train.labels_N, num_classes, INVERSE_REGULARISATION)
        return _Linear(features, layer)

    def _blocks(self) -> list[Block]:
        asked: dict[Block, bool] = {
            "characters": self.has_text or self.has_characters,
            "words": self.has_text,
            "hashtags": self.has_hashtags,
            "image": self.has_image,
        }
        return [block for block, is_asked in asked.items() if is_asked]


@dataclass(frozen=True)
class _Linear:
    features: WideFeatures
    layer: LinearLayer

    def predict_proba(self, samples: Samples) -> np.ndarray:
        """Probabilities over all classes; one without a training post gets 0."""
        logits_NC = self.layer.logits(self.features.transform(samples))
        return np.asarray(np.exp(log_softmax(np.where(self.layer.seen_C, logits_NC, -np.inf))))
