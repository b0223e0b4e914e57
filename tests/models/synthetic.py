"""A small made-up city whose posts need all three modalities: 4 categories of 3 places each.

Caption, hashtags and image vector each carry a hint of the place and something misleading, as in real posts. A
linear model reaches about .68 on each modality alone and .9 on all three.
"""

import dataclasses

import numpy as np

from models.data.samples import Samples

NUM_CLASSES = 12
NUM_CATEGORIES = 4
SYLLABLES = "ba ko mi ru ta se lo vi na du pe zi gra sho lin mar ".split()


def city(num_posts: int, *, seed: int = 0, world_seed: int = 0) -> Samples:
    """`num_posts` posts of the city `world_seed`, drawn with `seed`."""
    world = _World(world_seed)
    rng = np.random.default_rng([seed, 1])
    labels_N = rng.integers(0, NUM_CLASSES, num_posts)
    return Samples(
        keys=[f"post-{seed}-{number}" for number in range(num_posts)],
        captions=[world.caption(label, rng) for label in labels_N],
        hashtags=[world.tags(label, rng) for label in labels_N],
        image_ND=np.stack([world.image(label, rng) for label in labels_N]).astype(np.float32),
        labels_N=labels_N,
    )


class _World:
    """The words, tags and looks of every place."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed, 0])
        self.noise_words = [_word(rng) for _ in range(300)]
        self.names = [_word(rng) + _word(rng) for _ in range(NUM_CLASSES)]
        self.category_words = [[_word(rng) for _ in range(8)] for _ in range(NUM_CATEGORIES)]
        self.details = [[f"{_word(rng)} {_word(rng)}" for _ in range(3)] for _ in range(NUM_CLASSES)]
        self.generic_tags = [_word(rng) for _ in range(60)]
        self.own_tags = [[_word(rng) + name for _ in range(6)] for name in self.names]
        self.category_tags = [[_word(rng) for _ in range(6)] for _ in range(NUM_CATEGORIES)]
        self.category_looks = rng.normal(0, 0.6, (NUM_CATEGORIES, 64))
        self.modes = rng.normal(0, 0.8, (NUM_CATEGORIES, 3, 64))
        self.looks = rng.normal(0, 0.32, (NUM_CLASSES, 64))

    def caption(self, label: int, rng: np.random.Generator) -> str:
        if rng.random() < 0.05:
            return ""
        parts = list(rng.choice(self.noise_words, rng.integers(2, 9)))
        if rng.random() < 0.38:
            parts.append(self.names[label])
        if rng.random() < 0.75:
            parts.extend(rng.choice(self.category_words[label // 3], rng.integers(1, 3)))
        if rng.random() < 0.45:
            parts.append(rng.choice(self.details[label]))
        if rng.random() < 0.05:
            parts.append(rng.choice(self.details[_neighbour(label, rng)]))
        if rng.random() < 0.06:
            parts.append(rng.choice(self.names))
        rng.shuffle(parts)
        return " ".join(_typo(part, rng) if rng.random() < 0.05 else part for part in parts)

    def tags(self, label: int, rng: np.random.Generator) -> list[str]:
        if rng.random() < 0.05:
            return []
        tags: list[str] = []
        if rng.random() < 0.6:
            tags.extend(rng.choice(self.generic_tags, 1 + rng.poisson(3)))
        if rng.random() < 0.65:
            tags.extend(rng.choice(self.own_tags[label], rng.integers(1, 3)))
        if rng.random() < 0.45:
            tags.append(rng.choice(self.category_tags[label // 3]))
        if rng.random() < 0.12:
            tags.append(rng.choice(self.own_tags[_neighbour(label, rng)]))
        return [str(tag) for tag in rng.permutation(tags)] if tags else []

    def image(self, label: int, rng: np.random.Generator) -> np.ndarray:
        if rng.random() < 0.2:
            return rng.normal(0, 1.5, 64)
        category = label // 3
        mode = self.modes[category, rng.integers(3)]
        return self.category_looks[category] + mode + self.looks[label] + rng.normal(0, 1.1, 64)


def _word(rng: np.random.Generator) -> str:
    return "".join(rng.choice(SYLLABLES, rng.integers(2, 4)))


def _typo(word: str, rng: np.random.Generator) -> str:
    place = int(rng.integers(len(word)))
    return word[:place] + word[place + 1 :]


def _neighbour(label: int, rng: np.random.Generator) -> int:
    return label // 3 * 3 + (label + 1 + int(rng.integers(2))) % 3


def clear_city(num_posts: int, *, seed: int = 0, num_classes: int = 4, side_px: int = 32) -> Samples:
    """Posts whose caption, hashtags, image vector and pixels each give the place away: learnt in a few steps."""
    rng = np.random.default_rng([seed, 2])
    labels_N = rng.integers(0, num_classes, num_posts)
    world = np.random.default_rng(7)
    words, tags = ([_word(world) + _word(world) for _ in range(num_classes)] for _ in range(2))
    filling = [_word(world) for _ in range(20)]
    looks, colours = world.normal(0, 1, (num_classes, 16)), world.integers(40, 216, (num_classes, 4, 4, 3))
    patch = np.ones((1, side_px // 4, side_px // 4, 1))
    pixels_NHWC = np.kron(colours[labels_N], patch) + rng.normal(0, 20, (num_posts, side_px, side_px, 3))
    return Samples(
        keys=[f"clear-{seed}-{number}" for number in range(num_posts)],
        captions=[" ".join(rng.permutation([words[label], *rng.choice(filling, 3)])) for label in labels_N],
        hashtags=[
            [str(tag) for tag in rng.permutation([tags[label], *rng.choice(filling, rng.integers(0, 3))])]
            for label in labels_N
        ],
        image_ND=(looks[labels_N] + rng.normal(0, 0.7, (num_posts, 16))).astype(np.float32),
        labels_N=labels_N,
        pixels_NHWC=np.clip(pixels_NHWC, 0, 255).astype(np.uint8),
    )


def of_other_posts(samples: Samples, *modalities: str, seed: int = 0) -> Samples:
    """The posts with text, hashtags or image of each taken from a post drawn by chance: they carry no information."""
    rows = {name: np.random.default_rng([seed, 3]).permutation(len(samples)) for name in modalities}
    donors = {name: samples.take(row) for name, row in rows.items()}
    changes: dict[str, object] = {}
    if "text" in donors:
        changes["captions"] = donors["text"].captions
    if "hashtags" in donors:
        changes["hashtags"] = donors["hashtags"].hashtags
    if "image" in donors:
        donor = donors["image"]
        changes |= {"image_ND": donor.image_ND, "has_image_N": donor.has_image_N, "pixels_NHWC": donor.pixels_NHWC}
    return dataclasses.replace(samples, **changes)
