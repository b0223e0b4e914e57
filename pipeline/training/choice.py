"""Which model answers: the one that the settings name, or of MRLF and the linear model the better one.

Law: the choice sees no test post. The linear model takes MRLF's place where it is right on more held-out posts by more
than chance: where the 95 % interval of the difference, paired post by post and drawn over whole groups (users, or days
where one account made all posts), lies above zero. Else MRLF answers: a draw is no reason for another model.
Held out are the validation posts. Below `FEW_POSTS` training posts those are too few to show anything; there training
and validation posts are cut into `NUM_FOLDS` parts, and each is held out once from both models (cross-validation).
Below `MIN_GROUPS` groups nothing is chosen: five groups that all agree do so by chance once in 16 times.
Shape letters: N held-out posts, C classes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

if TYPE_CHECKING:
    from models.data.samples import Samples
    from models.trained import TrainedModel

FEW_POSTS = 500
NUM_FOLDS = 5
MIN_GROUPS = 6
GROUPS = "one user, day or month each"
MRLF, BEST, LINEAR, AUTO = "mrlf", "best", "linear", "auto"
TITLES = {MRLF: "MRLF", BEST: "the ensemble of MRLF and linear models", LINEAR: "the linear model"}
"""What a model is called within a sentence."""

Fits = dict[str, "Callable[[Samples, Samples], TrainedModel]"]
"""How MRLF and the linear model are fitted on training posts, with validation posts beside them."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What was asked for, what answers, and the figures that decided where something was to be decided.

    held_out: which posts these are of. accuracy: share of them that each model has right. difference: of the linear
    model's accuracy minus MRLF's; low and high are the ends of its interval.
    """

    asked: str
    answers: str
    why: str
    held_out: str = ""
    num_posts: int = 0
    num_groups: int = 0
    accuracy: dict[str, float] = field(default_factory=dict)
    difference: float | None = None
    low: float | None = None
    high: float | None = None


def as_asked(model: str) -> Choice:
    """The model that the settings name answers."""
    return Choice(asked=model, answers=model, why=f"the settings say model: {model}")


def is_cross_validated(train: "Samples", validation: "Samples") -> bool:
    """Whether the validation posts are too few to choose on, and folds of these posts can be made."""
    return len(train) < FEW_POSTS and len({*_drawn(train), *_drawn(validation)}) >= MIN_GROUPS


def _drawn(posts: "Samples") -> list[str]:
    """The groups that an interval draws; posts of too few for folds stand alone there, and are one group here."""
    return [f"all with {posts.keys[0]}"] * len(posts) if set(posts.groups) <= set(posts.keys) else posts.groups


def cross_validated(train: "Samples", validation: "Samples", fits: Fits, title: str) -> Choice:
    """Compare both models on all these posts, each held out once; another part chooses MRLF's epoch."""
    from sklearn.model_selection import GroupKFold

    from models.data.samples import joined

    posts, groups = joined([train, validation]), [*_drawn(train), *_drawn(validation)]
    fold_N = np.empty(len(posts), dtype=np.int64)
    for number, (_, inside) in enumerate(GroupKFold(NUM_FOLDS).split(posts.labels_N, groups=groups)):
        fold_N[inside] = number
    right = {name: np.empty(len(posts)) for name in fits}
    for fold in tqdm(range(NUM_FOLDS), desc=f"{title} choice", unit="fold", disable=None):
        is_held_out_N, is_beside_N = fold_N == fold, fold_N == (fold + 1) % NUM_FOLDS
        held_out, beside = posts.take(is_held_out_N), posts.take(is_beside_N)
        for name, fit in fits.items():
            model = fit(posts.take(~is_held_out_N & ~is_beside_N), beside)
            right[name][is_held_out_N] = _right(model.predict_proba(held_out), held_out)
    return _better_of(right, groups, f"{len(posts)} training and validation posts, each held out once,")


def on_validation(proba: "dict[str, np.ndarray[Any, Any]]", validation: "Samples") -> Choice:
    """Compare both models by their probabilities (N, C) for the validation posts."""
    right = {name: _right(proba_NC, validation) for name, proba_NC in proba.items()}
    return _better_of(right, _drawn(validation), f"{len(validation)} validation posts")


def _right(proba_NC: "np.ndarray[Any, Any]", posts: "Samples") -> "np.ndarray[Any, Any]":
    return np.asarray(proba_NC.argmax(axis=1) == posts.labels_N, dtype=np.float64)


def _better_of(right: "dict[str, np.ndarray[Any, Any]]", groups: list[str], held_out: str) -> Choice:
    from models.evaluation.metrics import grouped_bootstrap

    lead_N, num_groups = right[LINEAR] - right[MRLF], len(set(groups))
    low, high = grouped_bootstrap(lead_N, groups)
    choice = Choice(
        asked=AUTO,
        answers=LINEAR if num_groups >= MIN_GROUPS and low > 0 else MRLF,
        why="",
        held_out=held_out,
        num_posts=len(lead_N),
        num_groups=num_groups,
        accuracy={name: float(values.mean()) for name, values in right.items()},
        difference=float(lead_N.mean()),
        low=low,
        high=high,
    )
    return replace(choice, why=_why(choice))


def _why(choice: Choice) -> str:
    assert choice.difference is not None and choice.low is not None and choice.high is not None
    mrlf, linear = (f"{100 * choice.accuracy[name]:.1f} %" for name in (MRLF, LINEAR))
    signed = [f"{100 * value:+.1f}" for value in (choice.difference, choice.low, choice.high)]
    interval = f"95 % interval {signed[1]} to {signed[2]}" if choice.low < choice.high else "no interval"
    figures = (
        f"on {choice.held_out} the linear model is right for {linear} and MRLF for {mrlf} "
        f"(difference {signed[0]} points, {interval})"
    )
    if choice.answers == LINEAR:
        return f"use the linear model, which answers for this city: {figures}"
    if choice.num_groups < MIN_GROUPS:
        few = f"the posts to choose on form too few groups ({GROUPS}), {choice.num_groups} of the {MIN_GROUPS} needed"
        return f"MRLF answers, since {few}: {figures}. For so few posts try model: linear"
    return f"MRLF answers, since the linear model is not better by more than chance: {figures}"
