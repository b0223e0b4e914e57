"""What MRLF is compared with: models without a network by name here, networks in the files beside.

Everything that is compared, MRLF too, is made by `models.candidates`.
"""

from collections.abc import Mapping

from models.baselines.classifier import Baseline, Classifier
from models.baselines.linear import LogisticBaseline
from models.baselines.prior import MajorityBaseline, Prior

__all__ = ["BASELINES", "Baseline", "Classifier", "LogisticBaseline", "MajorityBaseline", "Prior"]

BASELINES: Mapping[str, Baseline] = {
    "majority": MajorityBaseline(),
    "logistic_hashtags": LogisticBaseline(has_hashtags=True),
    "logistic_text": LogisticBaseline(has_text=True),
    "logistic_image": LogisticBaseline(has_image=True),
    "logistic_all": LogisticBaseline(has_text=True, has_hashtags=True, has_image=True),
}
"""The baselines of the city's report: `BASELINES[name].fit(train, num_classes).predict_proba(test)`."""
