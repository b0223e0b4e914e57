"""Posts of the demo city that no single modality places, and no sum over modalities either.

The POIs stand in pairs. A pair has two hashtags, and every such post one of them (x = 0 or 1) and one cue (c = 0 or
1) in its picture or its caption; it is about the first POI of the pair where x = c and about the second where not. Its
other words, tags and colours are drawn without regard to the place.

Law: no additive model, one that scores a place by a sum of any functions of each modality alone, is right in all four
cases of a pair. Let D be the score of the first POI minus that of the second, D(x, c) = g(x) + h(c) + the rest. To be
right it needs D(0, 0) > 0, D(1, 1) > 0, D(0, 1) < 0 and D(1, 0) < 0; yet D(0, 0) + D(1, 1) = D(0, 1) + D(1, 0). So
one case is wrong at least, whatever else the post says, since that does not depend on x and c. With p the share of
the first POI among the posts of a pair the cases have shares p/2, p/2, (1-p)/2, (1-p)/2: an additive model is right in
at most 1 - min(p, 1-p)/2 of them: three quarters where both POIs have as many.
"""

from collections.abc import Iterable

import numpy as np

from pipeline.demo import phrases
from pipeline.demo.captions import Words
from pipeline.demo.pictures import PictureSpec
from pipeline.demo.settings import DemoSettings

STREAM = 3
"""beside those of the city, of its posts and of their pictures"""
SCENES_BY_CUE = (("sunset", "flowers"), ("bokeh", "coffee"))


def draws_ambiguous(settings: DemoSettings, number: int) -> bool:
    """Whether this post is of the share that the setting asks for."""
    return settings.interaction > 0 and _rng(settings, number).random() < settings.interaction


def told_by_two(
    settings: DemoSettings, number: int, place: int, pictures: tuple[PictureSpec, ...]
) -> tuple[Words, tuple[PictureSpec, ...]]:
    """The words and pictures of such a post; a POI without a partner is told as the first of its pair."""
    rng = _rng(settings, number)
    rng.random()  # that of `draws_ambiguous`
    tag, is_seen = int(rng.integers(2)), bool(rng.integers(2))
    cue = tag ^ (place % 2)
    told, seen = (int(rng.integers(2)), cue) if is_seen else (cue, int(rng.integers(2)))
    sentences = [phrases.NOISE[row] for row in rng.choice(len(phrases.NOISE), int(rng.integers(1, 3)), replace=False)]
    if not is_seen:
        sentences.insert(int(rng.integers(len(sentences) + 1)), str(rng.choice(phrases.CUES[told])))
    tags = [
        phrases.PAIR_TAGS[place // 2][tag],
        *rng.choice(phrases.GENERIC_TAGS, int(rng.integers(0, 4)), replace=False),
    ]
    words = Words(
        language="en", text=_filled(rng, " ".join(sentences)), hashtags=tuple(map(str, rng.permutation(tags)))
    )
    shown = int(rng.integers(settings.num_pois))
    return words, tuple(
        PictureSpec(
            key=spec.key,
            place=shown,
            portrait=spec.portrait,
            is_rotated=spec.is_rotated,
            scene=str(rng.choice(SCENES_BY_CUE[seen])),
        )
        for spec in pictures
    )


def additive_bound(places: Iterable[int], are_ambiguous: Iterable[bool]) -> float:
    """The accuracy that no additive model exceeds in expectation on such posts, were it right about all others."""
    counts: dict[int, list[int]] = {}
    total = 0
    for place, is_one in zip(places, are_ambiguous, strict=True):
        total += 1
        if is_one:
            counts.setdefault(place // 2, [0, 0])[place % 2] += 1
    return 1 - sum(min(pair) / 2 for pair in counts.values()) / total


def _filled(rng: np.random.Generator, text: str) -> str:
    for slot, values in (("{who}", phrases.WHO), ("{day}", phrases.DAYS), ("{time}", phrases.TIMES)):
        text = text.replace(slot, values[int(rng.integers(len(values)))])
    return text


def _rng(settings: DemoSettings, number: int) -> np.random.Generator:
    return np.random.default_rng([settings.seed, STREAM, number])
