"""How far each modality alone predicts the place in the demo city, and all three together: a linear model, many seeds.

The generator is tuned so that each single one lands between 45 and 80 % and all three clearly higher. Accuracy is the
mean of five folds grouped by user and by equal picture, over the posts that curation keeps; the portraits at the side
are filled where they are, not where a detector found them.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from sklearn.model_selection import GroupKFold

from models.baselines import BASELINES
from models.data.samples import Samples
from models.vision.backbones import fixed_seed_features
from models.vision.running import choose_running
from pipeline.demo import DemoSettings
from pipeline.demo.pictures import draw
from pipeline.demo.posts import DemoPost, Kind, plan_city

MIN_HASHTAG_COUNT = 8
MIN_POSTS_PER_POI = 40
NUM_FOLDS = 5
NAMES = ("logistic_hashtags", "logistic_text", "logistic_image", "logistic_all")
LEFT_OUT = {
    Kind.ELSEWHERE,
    Kind.FAR,
    Kind.VIDEO,
    Kind.PORTRAIT_FULL,
    Kind.CUT,
    Kind.HTML,
    Kind.MISSING,
    Kind.NO_CAPTION,
    Kind.OTHER_LANGUAGE,
}
CENTRE, RADIUS_KM = (12.0, -30.0), 12.0


@dataclass(frozen=True)
class Kept:
    """A post that curation keeps, and its hashtags without the rare ones."""

    post: DemoPost
    hashtags: list[str]


def kept_posts(settings: DemoSettings) -> list[Kept]:
    """The posts with all three modalities, at POIs with enough of them."""
    plan = plan_city(settings, centre=CENTRE, radius_km=RADIUS_KM)
    counted = Counter(tag for post in plan.posts for tag in post.words.hashtags)
    whole = []
    for post in plan.posts:
        tags = [tag for tag in post.words.hashtags if counted[tag] >= MIN_HASHTAG_COUNT]
        if tags and post.words.language == "en" and not post.kinds & LEFT_OUT:
            whole.append(Kept(post, tags))
    num_of = Counter(kept.post.place for kept in whole)
    return [kept for kept in whole if num_of[kept.post.place] >= MIN_POSTS_PER_POI]


def clean_picture(post: DemoPost, side: int) -> np.ndarray:
    """The post's first picture, its portrait filled."""
    picture = draw(post.pictures[0], side)
    if not picture.mask.any():
        return picture.pixels
    mask = cv2.dilate(picture.mask.astype(np.uint8), np.ones((9, 9), np.uint8))
    return np.asarray(cv2.inpaint(picture.pixels, mask, 3, cv2.INPAINT_TELEA))


def groups(posts: Sequence[Kept]) -> list[int]:
    """One number per post; users who share a picture share it."""
    leader: dict[object, object] = {}

    def find(member: object) -> object:
        while leader.setdefault(member, member) != member:
            member = leader[member]
        return member

    for kept in posts:
        leader[find(kept.post.user)] = find(kept.post.pictures[0].key)
    numbers: dict[object, int] = {}
    return [numbers.setdefault(find(kept.post.user), len(numbers)) for kept in posts]


def samples_of(posts: Sequence[Kept], backbone: Callable[[Sequence[np.ndarray]], np.ndarray], side: int) -> Samples:
    """The posts as models read them; the group of a post is that of `groups`."""
    image_ND = np.concatenate([backbone([clean_picture(kept.post, side)]) for kept in posts])
    return Samples(
        keys=[str(kept.post.number) for kept in posts],
        captions=[kept.post.words.text for kept in posts],
        hashtags=[kept.hashtags for kept in posts],
        image_ND=image_ND.astype(np.float16).astype(np.float32),
        labels_N=np.array([kept.post.place for kept in posts], np.int64),
        groups=[str(group) for group in groups(posts)],
    )


def accuracies(samples: Samples, num_classes: int) -> list[float]:
    """The mean accuracy over the folds, in the order of `NAMES`."""
    numbers = [int(group) for group in samples.groups]
    folds = GroupKFold(NUM_FOLDS, shuffle=True, random_state=0).split(samples.image_ND, groups=numbers)
    right = [
        [_accuracy(name, samples.take(train), samples.take(test), num_classes) for name in NAMES]
        for train, test in folds
    ]
    return [float(value) for value in np.mean(right, axis=0)]


def _accuracy(name: str, train: Samples, test: Samples, num_classes: int) -> float:
    found = BASELINES[name].fit(train, num_classes).predict_proba(test).argmax(axis=1)
    return float((found == test.labels_N).mean())


def main() -> None:
    """A row per seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 1, 2, 3, 4], help="seeds of the generator")
    parser.add_argument("--image-size", type=int, default=128, help="side of VGG19's input, in pixels")
    arguments = parser.parse_args()
    backbone = fixed_seed_features(choose_running(), image_size=arguments.image_size)
    print(f"{'seed':>6} {'posts':>6} {'hashtags':>9} {'text':>6} {'image':>6} {'all':>6}")
    for seed in arguments.seeds:
        settings = DemoSettings(seed=seed)
        posts = kept_posts(settings)
        row = accuracies(samples_of(posts, backbone, settings.image_side), settings.num_pois)
        print(f"{seed:>6} {len(posts):>6} {row[0]:>9.3f} {row[1]:>6.3f} {row[2]:>6.3f} {row[3]:>6.3f}", flush=True)


if __name__ == "__main__":
    main()
