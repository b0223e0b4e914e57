"""The rules of curation: what a post must have to be learnt from (MRLF, arXiv:2306.07935, section IV-A).

Law: a post fails by the first rule against it, in the order of `RULES`; `kept + dropped == seen`. Order of posts does
not matter.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import regex

from pipeline.text.captions import PLACEHOLDERS
from pipeline.text.hashtags import without_hashtags

RULES = ("deleted", "far_from_poi", "no_text", "not_english", "no_hashtag", "no_image", "poi_below_floor")
"""In the order in which they are asked; of another language than English the fourth is `not_<code>`."""

SETTING_OF_RULE = {
    "far_from_poi": "max_poi_distance_km",
    "not_english": "language",
    "no_hashtag": "min_hashtag_count",
    "poi_below_floor": "min_posts_per_poi",
}
"""What to change where a rule takes too much."""

_PLACEHOLDER = regex.compile("|".join(map(regex.escape, PLACEHOLDERS)))
_LETTER = regex.compile(r"\p{L}")
_NO_WORD = regex.compile(r"[^\p{L}\p{M}\p{Pd}'’.,!?\s]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A post as the rules see it.

    distance_km: from its own coordinates to its POI; None where it has none, then the match of its location counts.
    image_digests: of the pictures that can be read.
    """

    post_key: str
    poi_id: str
    caption: str
    hashtags: tuple[str, ...]
    image_digests: tuple[str, ...]
    distance_km: float | None
    is_active: bool


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The thresholds of the rules."""

    max_poi_distance_km: float
    min_hashtag_count: int
    min_posts_per_poi: int
    language: str


def caption_text(caption: str) -> str:
    """The caption without its hashtags, which are a modality of their own; placeholders stay."""
    return without_hashtags(caption)


def words_of(text: str) -> str:
    """What tells the language: no placeholders, emoji or numbers; "" where no letter is left."""
    words = " ".join(_NO_WORD.sub(" ", _PLACEHOLDER.sub(" ", text)).split())
    return words if _LETTER.search(words) else ""


def frequent_hashtags(posts: Sequence[Candidate], min_count: int) -> frozenset[str]:
    """Hashtags that at least `min_count` active posts of the city have."""
    counted = Counter(tag for post in posts if post.is_active for tag in set(post.hashtags))
    return frozenset(tag for tag, count in counted.items() if count >= min_count)


def apply_rules(
    posts: Sequence[Candidate],
    frequent: frozenset[str],
    limits: Limits,
    are_in_language: Callable[[list[str]], list[bool]],
) -> tuple[list[Candidate], dict[str, str]]:
    """The posts that pass, without hashtags in the caption and without rare hashtags, and post_key -> reason."""
    drops = {post.post_key: reason for post in posts if (reason := _first_reason(post, limits))}
    shown = [
        replace(post, caption=caption_text(post.caption), hashtags=tuple(t for t in post.hashtags if t in frequent))
        for post in posts
        if post.post_key not in drops
    ]
    words = {post.post_key: words_of(post.caption) for post in shown}
    drops |= {key: "no_text" for key, text in words.items() if not text}
    worded = [post for post in shown if post.post_key not in drops]
    is_fine = are_in_language([words[post.post_key] for post in worded])
    for post, is_in_language in zip(worded, is_fine, strict=True):
        if reason := _later_reason(post, is_in_language, limits.language):
            drops[post.post_key] = reason
    kept = [post for post in worded if post.post_key not in drops]
    num_of_poi = Counter(post.poi_id for post in kept)
    small = {poi_id for poi_id, count in num_of_poi.items() if count < limits.min_posts_per_poi}
    drops |= {post.post_key: "poi_below_floor" for post in kept if post.poi_id in small}
    return [post for post in kept if post.poi_id not in small], drops


def _first_reason(post: Candidate, limits: Limits) -> str:
    if not post.is_active:
        return "deleted"
    if post.distance_km is not None and post.distance_km > limits.max_poi_distance_km:
        return "far_from_poi"
    return ""


def _later_reason(post: Candidate, is_in_language: bool, language: str) -> str:
    if not is_in_language:
        return "not_english" if language == "en" else f"not_{language}"
    if not post.hashtags:
        return "no_hashtag"
    return "" if post.image_digests else "no_image"
