"""What of a post decided its answer: how far the answer falls when one part of the post is left out.

Occlusion: Zeiler and Fergus 2013 (arXiv 1311.2901) for pictures, Li et al. 2016 (arXiv 1612.08220) for words. It needs
nothing but predictions, so it holds for any model here; where attention lies (`explain.attention_shares`) is no such
measure (Jain and Wallace 2019, arXiv 1902.10186). Not covered: parts that matter only together.
Shape letters: V variants of a post, W words, T hashtags, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from models.data.samples import Samples
from models.data.samples import joined as joined
from models.data.text import normalise, normalise_hashtags

MAX_WORDS = 60
"""words of a caption that are left out one by one; MRLF reads no more"""
MAX_HASHTAGS = 30


class Predicts(Protocol):
    """Any model of this project."""

    def predict_proba(self, samples: Samples) -> np.ndarray:
        """Probabilities (N, C)."""
        ...


@dataclass(frozen=True)
class Influences:
    """How much of the probability of one class each part holds up: p(whole) - p(without it), so in [-1, 1].

    Negative: the part speaks against the class. words_W, hashtags_T: as `shown_words` and `shown_hashtags` list them.
    image: None where the post has no picture.
    """

    words_W: np.ndarray
    hashtags_T: np.ndarray
    image: float | None


def shown_words(caption: str) -> list[str]:
    """The words of a caption as the models read them, in their order, as many as are left out one by one."""
    return normalise(caption).split(" ")[:MAX_WORDS] if normalise(caption) else []


def shown_hashtags(hashtags: Sequence[str]) -> list[str]:
    """The hashtags as the models read them."""
    return normalise_hashtags(hashtags)[:MAX_HASHTAGS]


def variants(post: Samples) -> Samples:
    """One post: whole, then without each word, without each hashtag and, where it has one, without its picture."""
    assert len(post) == 1, "one post at a time"
    words = normalise(post.captions[0]).split(" ") if normalise(post.captions[0]) else []
    tags = normalise_hashtags(post.hashtags[0])
    captions = [" ".join(_without(words, number)) for number in range(len(words[:MAX_WORDS]))]
    tag_lists = [_without(tags, number) for number in range(len(tags[:MAX_HASHTAGS]))]
    has_image = bool(post.has_image_N[0])
    num_text = 1 + len(captions) + len(tag_lists)
    num_all = num_text + has_image
    return Samples(
        keys=post.keys * num_all,
        captions=[post.captions[0], *captions, *post.captions * (len(tag_lists) + has_image)],
        hashtags=[*post.hashtags * (1 + len(captions)), *tag_lists, *post.hashtags * has_image],
        image_ND=np.concatenate(
            [np.repeat(post.image_ND, num_text, axis=0), np.zeros_like(post.image_ND[:has_image])]
        ),
        labels_N=np.repeat(post.labels_N, num_all),
        has_image_N=np.array([has_image] * num_text + [False] * has_image),
    )


def influences(post: Samples, proba_VC: np.ndarray, label: int) -> Influences:
    """What the parts of `post` do for class `label`, from the probabilities of its `variants`."""
    num_words, num_tags = len(shown_words(post.captions[0])), len(shown_hashtags(post.hashtags[0]))
    drop_V = proba_VC[0, label] - proba_VC[1:, label]
    image = float(drop_V[num_words + num_tags]) if post.has_image_N[0] else None
    return Influences(drop_V[:num_words], drop_V[num_words : num_words + num_tags], image)


def explain(model: Predicts, post: Samples) -> Influences:
    """What the parts of one post do for the class that `model` finds the most probable."""
    proba_VC = model.predict_proba(variants(post))
    return influences(post, proba_VC, int(proba_VC[0].argmax()))


def _without(items: list[str], number: int) -> list[str]:
    return items[:number] + items[number + 1 :]
