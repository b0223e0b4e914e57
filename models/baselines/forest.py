"""Tagvisor: a random forest on hashtags (Zhang et al., WWW 2018, arXiv 1802.04122).

Stated: a random forest over a post's hashtags. From memory, not confirmed: 100 trees over a binary vector of hashtags.
Which hashtags a city has often enough is curation's to say, which counts all of its posts.
Shape letters: N samples, C classes.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.baselines.classifier import Classifier
from models.baselines.prior import MajorityBaseline
from models.data.samples import Samples, check_split
from models.data.text import MIN_HASHTAG_COUNT, normalise_hashtags
from models.settings.config_values import require

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.feature_extraction.text import CountVectorizer


@dataclass(frozen=True, kw_only=True)
class ForestBaseline:
    """Settings of the forest; the same seed gives the same forest whatever the number of threads."""

    num_trees: int = 100
    min_hashtag_count: int = MIN_HASHTAG_COUNT
    """of training posts"""
    seed: int = 0
    num_threads: int | None = None
    """None takes every core"""

    def __post_init__(self) -> None:
        for name in ("num_trees", "min_hashtag_count"):
            require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))

    def fit(self, train: Samples, num_classes: int) -> Classifier:
        """Fit; training samples of a single class, or without a frequent hashtag, give the classes' shares."""
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.feature_extraction.text import CountVectorizer

        check_split("train", train, num_classes)
        tags = {tag for tag, count in _posts_per_tag(train).items() if count >= self.min_hashtag_count}
        if not tags or len(np.unique(train.labels_N)) == 1:
            return MajorityBaseline().fit(train, num_classes)
        vectoriser = CountVectorizer(analyzer=normalise_hashtags, binary=True, vocabulary=sorted(tags))
        forest = RandomForestClassifier(self.num_trees, n_jobs=self.num_threads or -1, random_state=self.seed)
        forest.fit(vectoriser.transform(train.hashtags), train.labels_N)
        forest.n_jobs = 1  # threads would add the trees up in the order they end, and the last digits would vary
        return _Forest(vectoriser, forest, num_classes)


def _posts_per_tag(train: Samples) -> dict[str, int]:
    counts: dict[str, int] = {}
    for tags in train.hashtags:
        for tag in set(normalise_hashtags(tags)):
            counts[tag] = counts.get(tag, 0) + 1
    return counts


@dataclass(frozen=True)
class _Forest:
    vectoriser: "CountVectorizer"
    forest: "RandomForestClassifier"
    num_classes: int

    def predict_proba(self, samples: Samples) -> np.ndarray:
        """The share of trees per class, in the mean over their leaves."""
        proba_NC = np.zeros((len(samples), self.num_classes))
        if len(samples):
            design_NF = self.vectoriser.transform(samples.hashtags)
            proba_NC[:, self.forest.classes_] = self.forest.predict_proba(design_NF)
        return proba_NC
