"""Preset `best` beside the linear model on all three modalities, over five demo cities of their own generator seed.

Five folds grouped by user and equal picture, so every post is a test post once; an eighth of the groups of the other
four folds is the validation split. Intervals: 95 %, paired differences, bootstrap over groups. Besides: the wide part
without networks, MRLF alone (preset small), and a linear model whose regularisation is chosen by inner folds: what of
the gain each of them is. About four minutes a fold and core; with --keep a broken run goes on where it was.
"""

import argparse
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from sklearn.model_selection import GroupKFold

from bench.demo_calibration import kept_posts, samples_of
from bench.result import print_result
from models.baselines import BASELINES
from models.best.ensemble import fit_best
from models.data.samples import Samples
from models.evaluation.metrics import grouped_bootstrap
from models.linear.experts import Expert, fit_expert
from models.linear.pool import fit_pool, mean_loss
from models.linear.wide import cross_fit, fit_wide, folds_of
from models.linear.wide_features import WideFeatures
from models.mrlf.config import MrlfConfig
from models.settings.train_config import TrainConfig
from models.training.training import fit
from models.vision.backbones import fixed_seed_features
from models.vision.running import choose_running
from pipeline.demo import DemoSettings

NUM_FOLDS = 5
SEEDS = (7, 1, 2, 3, 4)
IMAGE_SIDE_PX = 96
TUNED = Expert({"characters": 1.5, "words": 1.5, "hashtags_idf": 1.5, "image": 1.5}, (1.0, 3.0, 10.0, 30.0))
NAMES = ("best", "wide_alone", "mrlf_small", "linear_tuned", "logistic_all")


def city(seed: int) -> Samples:
    """The posts of a demo city that curation keeps, with the features of its pictures."""
    settings = DemoSettings(seed=seed)
    backbone = fixed_seed_features(choose_running(), image_size=IMAGE_SIDE_PX)
    return samples_of(kept_posts(settings), backbone, settings.image_side)


def splits(samples: Samples) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Row numbers of train, validation and test, once per fold."""
    group_N = np.array(samples.groups)
    rows = GroupKFold(NUM_FOLDS, shuffle=True, random_state=0).split(group_N, groups=group_N)
    for number, (rest, test) in enumerate(rows):
        inner = GroupKFold(8, shuffle=True, random_state=number).split(rest, groups=group_N[rest])
        train, validation = next(iter(inner))
        yield rest[train], rest[validation], test


def probabilities(train: Samples, validation: Samples, test: Samples, num_classes: int) -> dict[str, np.ndarray]:
    """The most probable class of every test post, by each model."""
    best = fit_best(train, validation, num_classes=num_classes)
    small = fit(
        train, validation, num_classes=num_classes, model_config=MrlfConfig.small(), train_config=TrainConfig.small()
    )
    linear = BASELINES["logistic_all"].fit(train, num_classes)
    return {
        "best": best.predict_proba(test).argmax(axis=1),
        "wide_alone": _wide_alone(train, test, num_classes).argmax(axis=1),
        "mrlf_small": small.predict_proba(test).argmax(axis=1),
        "linear_tuned": _tuned(train, test, num_classes).argmax(axis=1),
        "logistic_all": linear.predict_proba(test).argmax(axis=1),
        "weights": np.array([*best.summary.expert_weights.values(), best.deep_weight]),
    }


def _wide_alone(train: Samples, test: Samples, num_classes: int) -> np.ndarray:
    """Scores of the linear experts of `best`, pooled without its networks."""
    fold_N = folds_of(train, 0)
    tried = cross_fit(train, num_classes, fold_N)
    usable_N = tried.is_usable_N
    pool = fit_pool(tried.logits_MNC[:, usable_N], train.labels_N[usable_N], fold_N[usable_N])
    return np.asarray(np.tensordot(pool.weights_M, fit_wide(train, num_classes, tried.choices).logits(test), 1))


def _tuned(train: Samples, test: Samples, num_classes: int) -> np.ndarray:
    """Scores of one regression over all blocks, its regularisation chosen by inner folds."""
    fold_N = folds_of(train, 0)
    scores_KNC = np.zeros((len(TUNED.choices), len(train), num_classes))
    for fold in np.unique(fold_N):
        held_out_N = fold_N == fold
        for number, choice in enumerate(TUNED.choices):
            inside, asked = train.take(~held_out_N), train.take(held_out_N)
            scores_KNC[number, held_out_N] = _scores(inside, asked, num_classes, choice)
    lowest = int(np.argmin([mean_loss(scores_NC, train.labels_N) for scores_NC in scores_KNC]))
    return _scores(train, test, num_classes, TUNED.choices[lowest])


def _scores(train: Samples, asked: Samples, num_classes: int, choice: float) -> np.ndarray:
    features = WideFeatures.learn(train)
    layer = fit_expert(TUNED, features.transform(train), train.labels_N, num_classes, choice)
    return layer.logits(features.transform(asked))


def fold_of_city(samples: Samples, number: int, kept: Path | None) -> dict[str, np.ndarray]:
    """`probabilities` of one fold with its labels and groups; taken from the file `kept` where it is there."""
    if kept is not None and kept.exists():
        with np.load(kept) as stored:
            return dict(stored)
    train, validation, test = list(splits(samples))[number]
    num_classes = int(samples.labels_N.max()) + 1
    started = time.monotonic()
    result = probabilities(samples.take(train), samples.take(validation), samples.take(test), num_classes)
    result |= {"labels": samples.labels_N[test], "groups": np.array(samples.groups)[test]}
    result["seconds"] = np.array(time.monotonic() - started)
    if kept is not None:
        np.savez(kept, allow_pickle=False, **result)
    return result


def interval(right: np.ndarray, other: np.ndarray, groups: np.ndarray) -> str:
    """The difference of two accuracies in points, with its interval."""
    difference = right.astype(np.float64) - other
    low, high = grouped_bootstrap(difference, groups, num_resamples=4000)
    return f"{100 * difference.mean():+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]"


def show(title: str, folds: list[dict[str, np.ndarray]]) -> dict[str, float]:
    """Print a row: accuracies, and what `best` is above the others."""
    labels, groups = (np.concatenate([fold[name] for fold in folds]) for name in ("labels", "groups"))
    right = {name: np.concatenate([fold[name] for fold in folds]) == labels for name in NAMES}
    figures = " ".join(f"{right[name].mean():>13.3f}" for name in NAMES)
    above = interval(right["best"], right["logistic_all"], groups)
    print(f"{title:>6} {len(labels):>6} {figures}  {above}", flush=True)
    if title == "all":
        for name in NAMES[1:]:
            print(f"best above {name:<13} {interval(right['best'], right[name], groups)}")
        print("weights of", np.round(np.mean([fold["weights"] for fold in folds], axis=0), 2), "(the last is deep)")
        print(f"{np.median([fold['seconds'] for fold in folds]):.0f} s a fold (median, all models)")
    return {name: float(values.mean()) for name, values in right.items()}


def main() -> None:
    """A row per seed, then all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS), help="seeds of the generator")
    parser.add_argument("--keep", type=Path, help="folder for the folds that are done, so that a broken run goes on")
    parser.add_argument("--processes", type=int, default=2, help="folds at a time, one thread each")
    arguments = parser.parse_args()
    if arguments.keep:
        arguments.keep.mkdir(parents=True, exist_ok=True)
    print(f"{'seed':>6} {'posts':>6} {' '.join(f'{name:>13}' for name in NAMES)}  best above logistic_all, points")
    everything: list[dict[str, np.ndarray]] = []
    with ProcessPoolExecutor(arguments.processes) as pool:
        for seed in arguments.seeds:
            samples = city(seed)
            kept = arguments.keep
            files = [kept / f"{seed}-{number}.npz" if kept else None for number in range(NUM_FOLDS)]
            folds = list(pool.map(fold_of_city, [samples] * NUM_FOLDS, range(NUM_FOLDS), files))
            show(str(seed), folds)
            everything += [fold | {"groups": np.char.add(f"{seed}-", fold["groups"])} for fold in folds]
    figures = show("all", everything)
    print_result("best", ours=figures["best"], peer=figures["logistic_all"], unit="accuracy", is_more_better=True)


if __name__ == "__main__":
    main()
