"""Posts that only two modalities together place: what an additive model can reach at most, and what each model does.

A demo city with the setting `interaction`; its users are split into train, validation and test (3 : 1 : 1). `bound` is
that of `pipeline.demo.interaction` on the test posts. Columns: all test posts, and those whose tag has two meanings.
"For mixing" is MRLF of words alone, each by itself, with little dropout: what hides a key word or tag from a training
post hides what it means together with the rest.
"""

import argparse
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import cv2
import numpy as np
from sklearn.model_selection import GroupShuffleSplit

from bench.demo_calibration import Kept, kept_posts, samples_of
from models.baselines import BASELINES
from models.best.ensemble import fit_best
from models.data.samples import Samples
from models.mrlf.config import MrlfConfig
from models.settings.train_config import TrainConfig
from models.training.training import fit
from pipeline.demo import DemoSettings
from pipeline.demo.interaction import additive_bound
from pipeline.demo.posts import Kind

IMAGE_SIDE_PX, THUMBNAIL_PX = 96, 12
HIDDEN_DIM = 128
MIXING: dict[str, Any] = {
    "characters": False,
    "word_filter_sizes": (1,),
    "dropout": 0.0,
    "head_dropout": 0.3,
    "hashtag_dropout": 0.0,
}
Predictor = Callable[[Samples], np.ndarray]


def city(settings: DemoSettings) -> tuple[list[Kept], Samples]:
    """The posts that curation keeps, and the same as models read them."""
    posts = kept_posts(settings)
    return posts, samples_of(posts, thumbnails, settings.image_side)


def thumbnails(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """The colours of small pictures, one row each: enough to tell these scenes apart, and quick."""
    size = (THUMBNAIL_PX, THUMBNAIL_PX)
    return np.stack([cv2.resize(p, size, interpolation=cv2.INTER_AREA).ravel() / np.float32(255) for p in pictures])


def split(samples: Samples, seed: int) -> list[np.ndarray]:
    """Row numbers of train, validation and test; no user is in two of them."""
    groups_N = np.array(samples.groups)
    rest, test = next(GroupShuffleSplit(1, test_size=0.2, random_state=seed).split(groups_N, groups=groups_N))
    train, validation = next(
        GroupShuffleSplit(1, test_size=0.25, random_state=seed).split(rest, groups=groups_N[rest])
    )
    return [rest[train], rest[validation], test]


def models(train: Samples, validation: Samples, num_classes: int, seed: int) -> Iterator[tuple[str, Predictor]]:
    """Each model of the table, trained."""
    training = dataclasses.replace(TrainConfig.small(), seed=seed)
    yield "linear, all three", BASELINES["logistic_all"].fit(train, num_classes).predict_proba
    small = MrlfConfig.small()
    forms = {
        "MRLF small": small,
        "  with a hidden layer": dataclasses.replace(small, hidden_dim=HIDDEN_DIM),
        "MRLF for mixing": dataclasses.replace(small, **MIXING),
        "  with a hidden layer ": dataclasses.replace(small, **MIXING, hidden_dim=HIDDEN_DIM),
    }
    for name, config in forms.items():
        yield (
            name,
            fit(train, validation, num_classes=num_classes, model_config=config, train_config=training).predict_proba,
        )
    mixing = dataclasses.replace(small, **MIXING, hidden_dim=HIDDEN_DIM)
    best = fit_best(train, validation, num_classes=num_classes, network_config=mixing, train_config=training)
    yield "best of these", best.predict_proba


def main() -> None:
    """A row per model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interaction", type=float, default=0.6, help="share of posts whose tag has two meanings")
    parser.add_argument("--posts", type=int, default=3000)
    parser.add_argument("--pois", type=int, default=5, help="two a pair; the last stays below the floor")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7], help="of city, split and networks")
    arguments = parser.parse_args()
    for seed in arguments.seeds:
        settings = DemoSettings(
            seed=seed,
            num_pois=arguments.pois,
            num_posts=arguments.posts,
            interaction=arguments.interaction,
            image_side=IMAGE_SIDE_PX,
        )
        posts, samples = city(settings)
        is_double_N = np.array([Kind.AMBIGUOUS in kept.post.kinds for kept in posts])
        train, validation, test = split(samples, seed)
        asked, is_double_V = samples.take(test), is_double_N[test]
        bound = additive_bound(asked.labels_N.tolist(), is_double_V.tolist())
        of_double = additive_bound(asked.labels_N[is_double_V].tolist(), [True] * int(is_double_V.sum()))
        print(
            f"seed {seed}: {len(train)}, {len(validation)} and {len(test)} posts, {is_double_V.sum()} of these double"
        )
        print(f"{'model':<22} {'all':>6} {'double':>7} {'seconds':>8}")
        print(f"{'additive bound':<22} {bound:>6.3f} {of_double:>7.3f}")
        started = time.monotonic()
        trained = models(samples.take(train), samples.take(validation), settings.num_pois, seed)
        for name, predict in trained:
            right_V = predict(asked).argmax(axis=1) == asked.labels_N
            seconds, started = time.monotonic() - started, time.monotonic()
            print(f"{name:<22} {right_V.mean():>6.3f} {right_V[is_double_V].mean():>7.3f} {seconds:>8.1f}", flush=True)


if __name__ == "__main__":
    main()
