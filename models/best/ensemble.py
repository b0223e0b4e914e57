"""Preset `best`: MRLF made wide and deep, and never less than the linear model on all three modalities by intent.

score(post) = sum_m w_m * linear expert_m(post)  +  w_deep * mean_k log p_k(post)  +  w_prior * log shares of classes,
p = softmax(score)
The wide part are logistic regressions over all modalities and over each (`linear.experts`); the deep part are MRLF
networks that saw each modality of a post alone, too (`best.modality_copies`). The weights come from `linear.pool`
on posts that neither part was fitted on, and start with all weight on the linear model: what adds nothing to it gets
next to none. Wide and deep: Cheng et al. 2016 (arXiv 1606.07792), who train the two jointly.
Below `CROSS_FIT_BELOW_POSTS` posts `NUM_FOLDS` networks are trained, each on all folds but one, and scored on that
one; all of them answer. Their best epoch is the validation split's. Above it one network is trained, and the weights
are those of the validation split. The test split is seen by nothing here.
Shape letters: N samples, M classifiers (the experts, then the networks), V samples of the weights, C classes.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.best.modality_copies import for_copies, with_single_modalities
from models.best.wide_and_deep import Ensemble, FitSummary, log_proba
from models.data.samples import Samples, check_split
from models.linear.experts import EXPERTS, LinearLayer, joined, rounded
from models.linear.pool import LogLinearPool, fit_pool, log_shares
from models.linear.wide import CROSS_FIT_BELOW_POSTS, MIDDLE_CHOICES, NUM_FOLDS, Wide, cross_fit, fit_wide, folds_of
from models.mrlf.config import MrlfConfig
from models.settings.train_config import Epoch, TrainConfig, sized
from models.training.fitted import Fitted
from models.training.training import fit, refit

__all__ = ["Ensemble", "fit_best", "most_epochs", "refit_best"]

OnEpoch = Callable[[Epoch], None]
OnStep = Callable[[int, int, int], None]


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """Both parts, and their logits for samples that they were not fitted on."""

    wide: Wide
    networks: list[Fitted]
    choices: dict[str, float]
    logits_MVC: np.ndarray
    labels_V: np.ndarray
    folds_V: np.ndarray
    prior_C: np.ndarray
    is_cross_fitted: bool


def fit_best(
    train: Samples,
    validation: Samples,
    *,
    num_classes: int,
    train_config: TrainConfig | None = None,
    network_config: MrlfConfig | None = None,
    checkpoint_dir: Path | None = None,
    on_epoch: OnEpoch | None = None,
    on_step: OnStep | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Ensemble:
    """Train both parts and weigh them; settings left out are those of the preset that fits the number of posts.

    With `checkpoint_dir` every network has a folder of its own there, and the same run goes on where it was.
    on_epoch, on_step: as for `models.training.training.fit`, epochs numbered on from one network to the next.

    Raises:
        ValueError: no samples, fewer than 2 classes, or a label outside 0..num_classes-1.
        NonFiniteError, TrainingStoppedError: as `models.training.training.fit`.
    """
    check_split("train", train, num_classes)
    check_split("validation", validation, num_classes)
    training = train_config or sized(TrainConfig, "best", len(train))
    how: dict[str, Any] = {
        "validation": validation,
        "num_classes": num_classes,
        "should_stop": should_stop,
        "model_config": for_copies(network_config or sized(MrlfConfig, "best", len(train))),
    }
    fold_N = folds_of(train, training.seed) if _is_cross_fitted(len(train)) else np.zeros(len(train), dtype=np.int64)
    rows = [np.flatnonzero(fold_N != fold) for fold in range(NUM_FOLDS)] if fold_N.any() else [np.arange(len(train))]
    networks: list[Fitted] = []
    for number, inside in enumerate(rows):
        done = sum(len(network.history) for network in networks)
        callbacks: dict[str, Any] = {"on_epoch": _epochs_after(done, on_epoch), "on_step": _steps_after(done, on_step)}
        settings = dataclasses.replace(training, seed=training.seed + number)
        folder = checkpoint_dir / f"network_{number}" if checkpoint_dir else None
        shown = with_single_modalities(train.take(inside))
        networks.append(fit(shown, train_config=settings, checkpoint_dir=folder, **callbacks, **how))
    parts = _cross_fitted(train, num_classes, fold_N, networks) if len(networks) > 1 else None
    if parts is None or len(parts.labels_V) == 0:  # no class has users in two folds
        parts = _tried_on_validation(train, validation, num_classes, networks, training.seed)
    return _weighed(parts)


def refit_best(
    best: Ensemble,
    samples: Samples,
    *,
    checkpoint_dir: Path | None = None,
    on_step: OnStep | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Ensemble:
    """Both parts trained anew on these samples, with all that was chosen: regularisations, epochs and weights.

    For training and validation samples together. Every network sees all of them; those
    that weigh nothing stay as they are.

    Raises:
        NonFiniteError, TrainingStoppedError: as `models.training.training.refit`.
    """
    shown = with_single_modalities(samples)
    networks: list[Fitted] = []
    for number, network in enumerate(best.networks if best.deep_weight else ()):
        done = sum(each.best_epoch for each in networks)
        folder = checkpoint_dir / f"network_{number}" if checkpoint_dir else None
        how: dict[str, Any] = {"on_step": _steps_after(done, on_step), "should_stop": should_stop}
        networks.append(refit(network, shown, checkpoint_dir=folder, **how))
    wide = fit_wide(samples, best.num_classes, best.summary.inverse_regularisations)
    prior_C = log_shares(samples.labels_N, best.num_classes)
    layer = _layer(wide, best.summary.expert_weights, best.summary.prior_weight * prior_C)
    return dataclasses.replace(best, features=wide.features, layer=layer, networks=tuple(networks) or best.networks)


def most_epochs(num_train_posts: int, train_config: TrainConfig) -> int:
    """How many epochs `fit_best` trains at most, over all of its networks."""
    return train_config.max_epochs * (NUM_FOLDS if _is_cross_fitted(num_train_posts) else 1)


def _is_cross_fitted(num_train_posts: int) -> bool:
    return num_train_posts < CROSS_FIT_BELOW_POSTS


def _epochs_after(done: int, on_epoch: OnEpoch | None) -> OnEpoch | None:
    if on_epoch is None:
        return None
    return lambda epoch: on_epoch(dataclasses.replace(epoch, epoch=done + epoch.epoch))


def _steps_after(done: int, on_step: OnStep | None) -> OnStep | None:
    if on_step is None:
        return None
    return lambda epoch, step, num_steps: on_step(done + epoch, step, num_steps)


def _cross_fitted(train: Samples, num_classes: int, fold_N: np.ndarray, networks: list[Fitted]) -> _Parts:
    """Every training sample is scored by experts and by the one network that were not fitted on it."""
    crossed = cross_fit(train, num_classes, fold_N)
    deep_NC = np.empty((len(train), num_classes))
    for fold, network in enumerate(networks):
        deep_NC[fold_N == fold] = log_proba([network], train.take(fold_N == fold))
    logits_MNC, usable_N = np.concatenate([crossed.logits_MNC, deep_NC[None]]), crossed.is_usable_N
    return _Parts(
        wide=fit_wide(train, num_classes, crossed.choices),
        networks=networks,
        choices=dict(crossed.choices),
        logits_MVC=logits_MNC[:, usable_N],
        labels_V=train.labels_N[usable_N],
        folds_V=fold_N[usable_N],
        prior_C=log_shares(train.labels_N, num_classes),
        is_cross_fitted=True,
    )


def _tried_on_validation(
    train: Samples, validation: Samples, num_classes: int, networks: list[Fitted], seed: int
) -> _Parts:
    """The validation samples are scored by what was fitted on all training samples."""
    wide = fit_wide(train, num_classes, MIDDLE_CHOICES)
    logits_MVC = np.concatenate([wide.logits(validation), log_proba(networks, validation)[None]])
    usable_V = np.isin(validation.labels_N, train.labels_N)
    return _Parts(
        wide=wide,
        networks=networks,
        choices=dict(MIDDLE_CHOICES),
        logits_MVC=logits_MVC[:, usable_V],
        labels_V=validation.labels_N[usable_V],
        folds_V=folds_of(validation, seed)[usable_V],
        prior_C=log_shares(train.labels_N, num_classes),
        is_cross_fitted=False,
    )


def _weighed(parts: _Parts) -> Ensemble:
    """The parts put together with the pool's weights."""
    pool = fit_pool(parts.logits_MVC, parts.labels_V, parts.folds_V, prior_C=parts.prior_C)
    weights = dict(zip(EXPERTS, pool.weights_M[:-1].tolist(), strict=True))
    return Ensemble(
        features=parts.wide.features,
        layer=_layer(parts.wide, weights, pool.prior_weight * parts.prior_C),
        networks=tuple(parts.networks),
        deep_weight=float(pool.weights_M[-1]),
        summary=_summary(pool, weights, parts),
    )


def _layer(wide: Wide, weights: dict[str, float], bias_C: np.ndarray) -> LinearLayer:
    """The experts as one layer, with what is added to the scores of each class."""
    layer = rounded(joined(wide.experts, weights))
    return dataclasses.replace(layer, bias_C=layer.bias_C + bias_C)


def _summary(pool: LogLinearPool, weights: dict[str, float], parts: _Parts) -> FitSummary:
    return FitSummary(
        num_samples=len(parts.labels_V),
        is_cross_fitted=parts.is_cross_fitted,
        is_pooled=pool.is_pooled,
        expert_weights=weights,
        inverse_regularisations=parts.choices,
        prior_weight=pool.prior_weight,
        linear_accuracy=pool.anchor_accuracy,
        pool_accuracy=pool.pool_accuracy,
        linear_loss=pool.anchor_loss,
        pool_loss=pool.pool_loss,
    )
