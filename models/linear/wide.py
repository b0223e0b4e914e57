"""The wide part of preset `best`: its linear experts, each chosen and scored on posts that it was not fitted on.

Below `CROSS_FIT_BELOW_POSTS` training posts the choices are made by cross-fitting: training is cut into folds that
keep a group of samples together (a user, a day), and each fold is scored by experts of the others. From there on the
validation split is large enough to choose on, and every expert is fitted once.
Shape letters: N training samples, V samples that choices are made on, M experts, C classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.data.samples import Samples
from models.linear.experts import EXPERTS, Expert, LinearLayer, fit_expert
from models.linear.pool import mean_loss
from models.linear.wide_features import Block, WideFeatures

NUM_FOLDS = 3
CROSS_FIT_BELOW_POSTS = 5000
MIDDLE_CHOICES = {"all": 3.0, "words_and_hashtags": 3.0, "caption": 10.0, "hashtags": 3.0, "image": 30.0}
"""inverse regularisations taken as they are where experts are fitted once"""


@dataclass(frozen=True)
class Wide:
    """Features and experts, fitted on all training samples."""

    features: WideFeatures
    experts: Mapping[str, LinearLayer]

    def logits(self, samples: Samples) -> np.ndarray:
        """Class scores (M, N, C) of every expert, in the order of `EXPERTS`."""
        blocks = self.features.transform(samples)
        return np.stack([layer.logits(blocks) for layer in self.experts.values()])


@dataclass(frozen=True)
class CrossFit:
    """The experts' logits for samples that they were not fitted on."""

    logits_MNC: np.ndarray
    is_usable_N: np.ndarray
    """bool: the sample's class was among those its experts were fitted on"""
    choices: Mapping[str, float]
    """the inverse regularisation of lowest loss, by expert"""


def folds_of(samples: Samples, seed: int) -> np.ndarray:
    """A fold number (N,) for every sample; the samples of a group have the same. All 0 where no three groups are."""
    from sklearn.model_selection import GroupKFold

    fold_N = np.zeros(len(samples), dtype=np.int64)
    if len(set(samples.groups)) < NUM_FOLDS:
        return fold_N
    folds = GroupKFold(NUM_FOLDS, shuffle=True, random_state=seed).split(fold_N, groups=samples.groups)
    for number, (_, held_out) in enumerate(folds):
        fold_N[held_out] = number
    return fold_N


def fit_wide(train: Samples, num_classes: int, choices: Mapping[str, float]) -> Wide:
    """Every expert on all training samples, with the chosen inverse regularisations."""
    features = WideFeatures.learn(train)
    blocks = features.transform(train)
    layers = {
        name: fit_expert(expert, blocks, train.labels_N, num_classes, choices[name])
        for name, expert in EXPERTS.items()
    }
    return Wide(features, layers)


def cross_fit(train: Samples, num_classes: int, fold_N: np.ndarray) -> CrossFit:
    """Each fold scored by experts of the other folds, once for every choice; the choice of lowest loss is kept."""
    scores = {name: np.zeros((len(expert.choices), len(train), num_classes)) for name, expert in EXPERTS.items()}
    is_usable_N = np.zeros(len(train), dtype=bool)
    for fold in np.unique(fold_N):
        held_out_N = fold_N == fold
        inside = train.take(~held_out_N)
        features = WideFeatures.learn(inside)
        blocks, asked = features.transform(inside), features.transform(train.take(held_out_N))
        is_usable_N[held_out_N] = np.isin(train.labels_N[held_out_N], inside.labels_N)
        for name, expert in EXPERTS.items():
            scores[name][:, held_out_N] = _of_all_choices(expert, blocks, inside.labels_N, num_classes, asked)
    best = {name: _lowest(scores[name][:, is_usable_N], train.labels_N[is_usable_N]) for name in EXPERTS}
    return CrossFit(
        np.stack([scores[name][best[name]] for name in EXPERTS]),
        is_usable_N,
        {name: expert.choices[best[name]] for name, expert in EXPERTS.items()},
    )


def _of_all_choices(
    expert: Expert, blocks: Mapping[Block, Any], labels_N: np.ndarray, num_classes: int, asked: Mapping[Block, Any]
) -> np.ndarray:
    layers = (fit_expert(expert, blocks, labels_N, num_classes, choice) for choice in expert.choices)
    return np.stack([layer.logits(asked) for layer in layers])


def _lowest(logits: Sequence[np.ndarray] | np.ndarray, labels_V: np.ndarray) -> int:
    """The number of the choice with the lowest loss; the middle one where there is nothing to choose on."""
    if len(logits) == 1 or len(labels_V) == 0:
        return len(logits) // 2
    return int(np.argmin([mean_loss(logits_VC, labels_V) for logits_VC in logits]))
