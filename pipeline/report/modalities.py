"""Which kind of input decides: the trained model asked again with kinds of input hidden.

Hidden is emptied: the caption "", no hashtags, no picture. All eight ways of hiding are asked, so besides what is lost
without one kind and what one alone is worth there is the Shapley value (Shapley 1953; for models Lundberg and Lee
2017, arXiv 1705.07874): the mean over all orders of what a kind adds to those before it. Over the kinds these values
sum to the accuracy on all of them minus that on none.
What this is not: a model trained without the kind, which would learn to do better; the study trains those.
"""

import dataclasses
import math
from collections.abc import Callable
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.report.evaluation import Bootstrap, Floats, right_answers
from pipeline.report.measures import Modality, ModalityUse

if TYPE_CHECKING:
    from models.data.samples import Samples

Shown = frozenset[str]

MODALITIES = {"text": "captions", "hashtags": "hashtags", "image": "pictures"}
ALL: Shown = frozenset(MODALITIES)


def showing(samples: "Samples", shown: Shown) -> "Samples":
    """The posts with every kind of input emptied that is not in `shown`."""
    hidden: dict[str, Any] = {}
    if "text" not in shown:
        hidden["captions"] = [""] * len(samples)
    if "hashtags" not in shown:
        hidden["hashtags"] = [[] for _ in range(len(samples))]
    if "image" not in shown:
        hidden["has_image_N"] = np.zeros(len(samples), dtype=bool)
        hidden["image_ND"] = np.zeros_like(samples.image_ND)
    return dataclasses.replace(samples, **hidden)


def modality_use(
    predict: "Callable[[Samples], Floats]", samples: "Samples", all_shown: Floats, bootstrap: Bootstrap
) -> ModalityUse:
    """What each kind of input is worth to `predict`; `all_shown` is what it gives with nothing hidden."""
    right = {
        shown: right_answers(all_shown if shown == ALL else predict(showing(samples, shown)), samples.labels_N)
        for shown in subsets(ALL)
    }
    return ModalityUse(
        modalities=[
            Modality(
                name=name,
                title=title,
                without=bootstrap.of_mean(right[ALL - {name}]),
                fall=bootstrap.of_mean(right[ALL] - right[ALL - {name}]),
                alone=bootstrap.of_mean(right[frozenset({name})]),
                share=bootstrap.of_mean(shapley_values(right, name)),
            )
            for name, title in MODALITIES.items()
        ],
        everything=bootstrap.of_mean(right[ALL]),
        blind=bootstrap.of_mean(right[frozenset()]),
    )


def shapley_values(right: dict[Shown, Floats], name: str) -> Floats:
    """Per post (N,) what `name` adds, averaged over all orders in which the kinds of input can be shown."""
    others = max(right, key=len) - {name}
    num = len(others) + 1
    total = np.zeros_like(right[frozenset()])
    for before in subsets(others):
        weight = math.factorial(len(before)) * math.factorial(num - len(before) - 1) / math.factorial(num)
        total += weight * (right[before | {name}] - right[before])
    return total


def subsets(names: Shown) -> list[Shown]:
    """Every subset, the empty one first."""
    ordered = sorted(names)
    return [frozenset(chosen) for size in range(len(ordered) + 1) for chosen in combinations(ordered, size)]
