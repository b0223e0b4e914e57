"""The rules of curation: what a post must have to be learnt from (MRLF, arXiv:2306.07935, section IV-A).

Law: a post is dropped by the first rule that it breaks, in the order of `RULES`; `kept + dropped == seen`. The order
of posts does not matter. Rules about a part of a post that the setting `require` leaves out are not asked.
A new rule is one more `Rule` in the list (and its setting in `settings.py`): the order of drops, the counts of the
stage, the report and the message of an empty city follow from the list. `docs/CURATION.md` shows it to users.

The language of a caption is detected by lingua (Apache-2.0) among the languages most frequent on Instagram:
deterministic, and offline, as the models are in the package. Loading them takes 3 s and 380 MB, a caption 0.7 ms.
Not covered: captions of one or two words, which may belong to several languages; the likeliest counts.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import regex

from pipeline.curate.settings import HASHTAGS, IMAGE, TEXT, CuratedPostsSettings
from pipeline.errors import StageError
from pipeline.text.captions import PLACEHOLDERS, without_hashtags

if TYPE_CHECKING:
    from lingua import Language


ANY_LANGUAGE = "any"
COMMON_LANGUAGES = (
    "ar",
    "de",
    "en",
    "es",
    "fa",
    "fr",
    "hi",
    "id",
    "it",
    "ja",
    "ko",
    "nl",
    "pt",
    "ru",
    "tr",
    "zh",
)
BATCH_SIZE = 10_000
_PLACEHOLDER = regex.compile("|".join(map(regex.escape, PLACEHOLDERS)))
_LETTER = regex.compile(r"\p{L}")
_NO_WORD = regex.compile(r"[^\p{L}\p{M}\p{Pd}'’.,!?\s]+")


def are_in_language(texts: Sequence[str], language: str) -> list[bool]:
    """Whether each text is likeliest in the language of this ISO 639-1 code; `any` says yes to all.

    Raises:
        StageError: lingua knows no such language.
    """
    if language == ANY_LANGUAGE:
        return [True] * len(texts)
    wanted = _language(language)
    from lingua import LanguageDetectorBuilder

    known = sorted({*COMMON_LANGUAGES, language})
    detector = LanguageDetectorBuilder.from_languages(*map(_language, known)).build()
    found: list[Language | None] = []
    for start in range(0, len(texts), BATCH_SIZE):
        found += detector.detect_languages_in_parallel_of(list(texts[start : start + BATCH_SIZE]))
    detector.unload_language_models()  # type: ignore[no-untyped-call]
    return [language_found == wanted for language_found in found]


def _language(code: str) -> "Language":
    from lingua import IsoCode639_1, Language

    iso = getattr(IsoCode639_1, code.upper(), None)
    if not isinstance(iso, IsoCode639_1):
        raise StageError(f"language {code!r} is not known: take an ISO 639-1 code such as en, or any")
    return Language.from_iso_code_639_1(iso)


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


Check = Callable[[Sequence[Candidate], CuratedPostsSettings], Sequence[bool]]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One thing that a post must have.

    name: the reason in the ledger of a post that it drops.
    setting: the field of `CuratedPostsSettings` that makes it drop more or fewer posts; None where none does.
    meaning: why a post was dropped by it, as the report says it.
    check: whether each of the posts that the rules before it have left passes.
    part: what of a post it asks for; it counts where `require` names that.
    """

    name: str
    meaning: str
    check: Check
    setting: str | None = None
    part: str | None = None

    def reason(self, settings: CuratedPostsSettings) -> str:
        """The reason in the ledger: the name, but `not_<code>` where another language than English is wanted."""
        return f"not_{settings.language}" if self.setting == "language" and settings.language != "en" else self.name


def each(passes: Callable[[Candidate, CuratedPostsSettings], bool]) -> Check:
    """The check that looks at one post at a time."""
    return lambda posts, settings: [passes(post, settings) for post in posts]


def words_of(text: str) -> str:
    """What shows the language: no placeholders, emoji or numbers; "" where no letter is left."""
    words = " ".join(_NO_WORD.sub(" ", _PLACEHOLDER.sub(" ", text)).split())
    return words if _LETTER.search(words) else ""


def has_enough_posts(poi_ids: Sequence[str], minimum: int) -> list[bool]:
    """Whether the POI of each post has at least so many of these posts."""
    counted = Counter(poi_ids)
    return [counted[poi_id] >= minimum for poi_id in poi_ids]


def _are_in_language(posts: Sequence[Candidate], settings: CuratedPostsSettings) -> list[bool]:
    """Whether the captions are in the language asked for; one without a word is in any."""
    texts = [words_of(post.caption) for post in posts]
    return [not text or speaks for text, speaks in zip(texts, are_in_language(texts, settings.language), strict=True)]


def _is_near(post: Candidate, settings: CuratedPostsSettings) -> bool:
    return post.distance_km is None or post.distance_km <= settings.max_poi_distance_km


POI_FLOOR = Rule(
    name="poi_below_floor",
    setting="min_posts_per_poi",
    meaning="its POI has too few posts left for training",
    check=lambda posts, settings: has_enough_posts([post.poi_id for post in posts], settings.min_posts_per_poi),
)
POST_RULES = (
    Rule(
        name="deleted",
        meaning="the post was deleted at its source",
        check=each(lambda post, _: post.is_active),
    ),
    Rule(
        name="far_from_poi",
        setting="max_poi_distance_km",
        meaning="made too far from the POI whose location it carries",
        check=each(_is_near),
    ),
    Rule(
        name="no_text",
        part=TEXT,
        setting="require",
        meaning="no caption is left without hashtags, names and addresses",
        check=each(lambda post, _: bool(words_of(post.caption))),
    ),
    Rule(
        name="not_english",
        setting="language",
        meaning="the caption is not in English",
        check=_are_in_language,
    ),
    Rule(
        name="no_hashtag",
        part=HASHTAGS,
        setting="min_hashtag_count",
        meaning="none of its hashtags is frequent enough in the city",
        check=each(lambda post, _: bool(post.hashtags)),
    ),
    Rule(
        name="no_image",
        part=IMAGE,
        meaning="it has no picture that can be read",
        check=each(lambda post, _: bool(post.image_digests)),
    ),
)
"""Rules whose answer for a post does not depend on the other posts."""

CITY_RULES = (POI_FLOOR,)
"""Rules that look at all posts that the rules of `POST_RULES` have left."""

RULES = POST_RULES + CITY_RULES
"""In the order in which they are applied."""


def frequent_hashtags(posts: Sequence[Candidate], min_count: int) -> frozenset[str]:
    """Hashtags that at least `min_count` active posts of the city have."""
    counted = Counter(tag for post in posts if post.is_active for tag in set(post.hashtags))
    return frozenset(tag for tag, count in counted.items() if count >= min_count)


def apply_rules(
    posts: Sequence[Candidate], frequent: frozenset[str], settings: CuratedPostsSettings
) -> tuple[list[Candidate], dict[str, str]]:
    """The posts that pass, without hashtags in the caption and without rare hashtags, and post_key -> reason.

    Raises:
        StageError: the language is not known.
    """
    left = [
        replace(
            post, caption=without_hashtags(post.caption), hashtags=tuple(t for t in post.hashtags if t in frequent)
        )
        for post in posts
    ]
    drops: dict[str, str] = {}
    for rule in (rule for rule in RULES if rule.part is None or rule.part in settings.require):
        checked = list(zip(left, rule.check(left, settings), strict=True))
        drops |= {post.post_key: rule.reason(settings) for post, passes in checked if not passes}
        left = [post for post, passes in checked if passes]
    return left, drops


def rule_of(reason: str) -> Rule | None:
    """The rule whose drops have this reason, whatever the language wanted; None where it is none of curation's."""
    is_language = reason.startswith("not_")
    return next((rule for rule in RULES if rule.name == reason or (is_language and rule.setting == "language")), None)


def meaning_of_drop(reason: str) -> str | None:
    """What a reason of curation means; None where it is none of curation's."""
    rule = rule_of(reason)
    if rule is not None and rule.name != reason:
        return f"the caption is not in the language asked for ({reason.removeprefix('not_')})"
    return rule.meaning if rule is not None else None
