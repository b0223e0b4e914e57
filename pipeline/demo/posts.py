"""The posts of the demo city before they are files: who posts what, where and when.

Law: a plan depends on the settings, the centre and the radius alone. Every kind of post occurs at least once; kinds of
one group (place, pictures, words) never meet in one post.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import numpy as np

from pipeline.demo import phrases
from pipeline.demo.captions import Words, join, write_foreign, write_hashtags, write_text
from pipeline.demo.interaction import draws_ambiguous, told_by_two
from pipeline.demo.locations import Location, city_locations, moved, place_coordinates
from pipeline.demo.pictures import PictureSpec, Portrait
from pipeline.demo.settings import SHARES, DemoSettings

Rng = np.random.Generator

FIRST_DAY = datetime(2023, 3, 1, tzinfo=UTC)
NUM_DAYS = 365


class Kind(StrEnum):
    """What is odd about a post; most posts have none of these."""

    ELSEWHERE = "elsewhere"
    FAR = "far"
    REPOST = "repost"
    CAROUSEL = "carousel"
    VIDEO = "video"
    PORTRAIT_FULL = "portrait_full"
    PORTRAIT_SIDE = "portrait_side"
    ROTATED = "rotated"
    CUT = "cut"
    HTML = "html"
    MISSING = "missing"
    NO_CAPTION = "no_caption"
    OTHER_LANGUAGE = "other_language"
    NO_HASHTAGS = "no_hashtags"
    AMBIGUOUS = "ambiguous"  # by the setting `interaction`, which is in no group


class Era(StrEnum):
    """Whose format a post's file has."""

    IPHONE = "iphone"  # .json.xz, the iPhone API's media inside
    GRAPHQL = "graphql"  # .json.xz, location without coordinates
    OLD_GRAPHQL = "old_graphql"  # .json, location id a number


GROUPS = (
    (Kind.ELSEWHERE, Kind.FAR),
    (
        Kind.REPOST,
        Kind.CAROUSEL,
        Kind.VIDEO,
        Kind.PORTRAIT_FULL,
        Kind.PORTRAIT_SIDE,
        Kind.ROTATED,
        Kind.CUT,
        Kind.HTML,
        Kind.MISSING,
    ),
    (Kind.NO_CAPTION, Kind.OTHER_LANGUAGE),
    (Kind.NO_HASHTAGS,),
)


@dataclass(frozen=True, kw_only=True)
class DemoPost:
    """One post; `place` is what it is about, whatever its location says."""

    number: int
    kinds: frozenset[Kind]
    era: Era
    user: int
    place: int
    location: Location
    latitude: float
    longitude: float
    taken_utc: datetime
    words: Words
    caption: str
    pictures: tuple[PictureSpec, ...]


@dataclass(frozen=True, kw_only=True)
class DemoPlan:
    """A whole city: coordinates of its POIs in the order of `PLACES`, its locations, its posts by time."""

    coordinates: tuple[tuple[float, float], ...]
    locations: tuple[Location, ...]
    posts: tuple[DemoPost, ...]


def username(user: int) -> str:
    """The name of a user, who exists nowhere."""
    return f"demo_user_{user:03d}"


def plan_city(settings: DemoSettings, *, centre: tuple[float, float], radius_km: float) -> DemoPlan:
    """All that the city's files will say."""
    rng = np.random.default_rng([settings.seed, 0])
    coordinates = place_coordinates(rng, settings.num_pois, centre, radius_km)
    locations = city_locations(rng, coordinates, centre)
    kinds = [own | _ambiguous(settings, number, own) for number, own in enumerate(_kinds(rng, settings.num_posts))]
    places = _places_of_posts(rng, settings)
    users = _users_of_posts(rng, settings)
    times = _times(rng, settings.num_posts)
    posts: list[DemoPost] = []
    for number in range(settings.num_posts):
        own = np.random.default_rng([settings.seed, 1, number])
        post = _post(
            own,
            settings,
            number,
            kinds=kinds[number],
            place=places[number],
            user=users[number],
            taken_utc=times[number],
            locations=locations,
            radius_km=radius_km,
        )
        posts.append(_as_repost(own, post, posts, radius_km) if Kind.REPOST in post.kinds else post)
    return DemoPlan(coordinates=coordinates, locations=locations, posts=tuple(posts))


def _post(
    rng: Rng,
    settings: DemoSettings,
    number: int,
    *,
    kinds: frozenset[Kind],
    place: int,
    user: int,
    taken_utc: datetime,
    locations: tuple[Location, ...],
    radius_km: float,
) -> DemoPost:
    own = [location for location in locations if location.place == place]
    if Kind.ELSEWHERE in kinds:
        own = [location for location in locations if location.place is None]
    location = own[min(int(rng.geometric(0.65)) - 1, len(own) - 1)]
    era = _era(rng, number / settings.num_posts, kinds)
    latitude, longitude = _own_coordinates(rng, location, kinds, radius_km)
    words = _words(rng, settings, kinds, place, user)
    caption = join(rng, words)
    pictures = _pictures(rng, settings.seed, number, kinds, place)
    if Kind.AMBIGUOUS in kinds:
        words, pictures = told_by_two(settings, number, place, pictures)
        caption = join(rng, words)
    return DemoPost(
        number=number,
        kinds=kinds,
        era=era,
        user=user,
        place=place,
        location=location,
        latitude=latitude,
        longitude=longitude,
        taken_utc=taken_utc,
        words=words,
        caption=caption,
        pictures=pictures,
    )


def _as_repost(rng: Rng, post: DemoPost, earlier: list[DemoPost], radius_km: float) -> DemoPost:
    """`post` with the picture and the place of an earlier plain post by somebody else, and its words if English."""
    odd = {Kind.REPOST, Kind.VIDEO, Kind.CAROUSEL, Kind.CUT, Kind.HTML, Kind.MISSING, Kind.ELSEWHERE, Kind.FAR}
    odd |= {Kind.AMBIGUOUS}
    known = [other for other in earlier if not other.kinds & odd and other.user != post.user]
    if not known:
        return replace(post, kinds=post.kinds - {Kind.REPOST})
    original = known[int(rng.integers(len(known)))]
    text = f"Repost from @{username(original.user)}. {original.words.text}".strip()
    is_silent = Kind.NO_CAPTION in post.kinds or original.words.language != "en"
    words = post.words if is_silent else replace(post.words, text=text, language="en")
    location = post.location if Kind.ELSEWHERE in post.kinds else original.location
    latitude, longitude = _own_coordinates(rng, location, post.kinds, radius_km)
    return replace(
        post,
        place=original.place,
        location=location,
        latitude=latitude,
        longitude=longitude,
        pictures=original.pictures,
        words=words,
        caption=join(rng, words),
    )


def _words(rng: Rng, settings: DemoSettings, kinds: frozenset[Kind], place: int, user: int) -> Words:
    if Kind.NO_CAPTION in kinds:
        language, text = "", ""
    elif Kind.OTHER_LANGUAGE in kinds:
        language = list(phrases.OTHER_LANGUAGES)[int(rng.integers(len(phrases.OTHER_LANGUAGES)))]
        text = write_foreign(rng, language, place)
    else:
        friend = username(int(rng.integers(settings.num_users)))
        language, text = "en", write_text(rng, place, settings.num_pois, friend)
    tags = () if Kind.NO_HASHTAGS in kinds else write_hashtags(rng, place, settings.num_pois, user, text)
    return Words(language=language, text=text, hashtags=tags)


def _pictures(rng: Rng, seed: int, number: int, kinds: frozenset[Kind], place: int) -> tuple[PictureSpec, ...]:
    count = int(rng.integers(2, 5)) if Kind.CAROUSEL in kinds else 1
    portrait: Portrait = "none"
    if Kind.PORTRAIT_FULL in kinds:
        portrait = "full"
    elif Kind.PORTRAIT_SIDE in kinds:
        portrait = "side"
    return tuple(
        PictureSpec(key=(seed, 2, number, part), place=place, portrait=portrait, is_rotated=Kind.ROTATED in kinds)
        for part in range(count)
    )


def _era(rng: Rng, age: float, kinds: frozenset[Kind]) -> Era:
    """Older posts were mostly saved in older formats; only the iPhone API gives a post's own coordinates."""
    if Kind.FAR in kinds or rng.random() < 0.3 + 0.65 * age:
        return Era.IPHONE
    return Era.OLD_GRAPHQL if rng.random() < 0.4 else Era.GRAPHQL


def _ambiguous(settings: DemoSettings, number: int, kinds: frozenset[Kind]) -> frozenset[Kind]:
    """Whether the post is one of those that take two modalities to place; reposts and silent ones are not."""
    silent = {Kind.REPOST, Kind.NO_CAPTION, Kind.OTHER_LANGUAGE, Kind.NO_HASHTAGS}
    is_one = not kinds & silent and draws_ambiguous(settings, number)
    return frozenset({Kind.AMBIGUOUS}) if is_one else frozenset()


def _own_coordinates(rng: Rng, location: Location, kinds: frozenset[Kind], radius_km: float) -> tuple[float, float]:
    distance_km = rng.uniform(1.2, 2.0) * max(radius_km, 3) if Kind.FAR in kinds else abs(rng.normal(0, 0.02))
    return moved((location.latitude, location.longitude), distance_km, rng.uniform(0, 2 * np.pi))


def _kinds(rng: Rng, count: int) -> list[frozenset[Kind]]:
    """The kinds of each post: within a group at most one, each at least once in the city."""
    kinds: list[set[Kind]] = [set() for _ in range(count)]
    for group in GROUPS:
        free = rng.permutation(count).tolist()
        for kind in group:
            allowed = [number for number in free if kind is not Kind.REPOST or number >= count // 4]
            for number in allowed[: max(1, round(getattr(SHARES, kind.value) * count))]:
                kinds[number].add(kind)
                free.remove(number)
    return [frozenset(own) for own in kinds]


def _places_of_posts(rng: Rng, settings: DemoSettings) -> list[int]:
    """A POI for each post: the last one is quiet, of the others the busiest has some twice the posts of the least."""
    weights = rng.permutation(np.linspace(1, 2.2, settings.num_pois - 1))
    quiet = max(1, round(SHARES.quiet_poi * settings.num_posts))
    loud = settings.num_posts - quiet
    bounds = np.round(np.cumsum(weights) / weights.sum() * loud).astype(int)
    places = np.append(np.searchsorted(bounds, np.arange(loud), side="right"), [settings.num_pois - 1] * quiet)
    return [int(place) for place in rng.permutation(places)]


def _users_of_posts(rng: Rng, settings: DemoSettings) -> list[int]:
    """Zipf-Mandelbrot: the busiest user writes some 3 % of 200 users' posts."""
    weights = 1 / (np.arange(settings.num_users) + 9.0)
    drawn = rng.choice(settings.num_users, size=settings.num_posts, p=weights / weights.sum())
    return [int(user) for user in drawn]


def _times(rng: Rng, count: int) -> list[datetime]:
    """Increasing times over a year, no two in the same second, few at night."""
    days = np.sort(rng.integers(0, NUM_DAYS, count))
    hours = np.clip(rng.normal(15, 4, count), 0, 23.9)
    seconds = sorted({int(day * 86_400 + hour * 3600) for day, hour in zip(days, hours, strict=True)})
    while len(seconds) < count:
        seconds = sorted({*seconds, int(rng.integers(0, NUM_DAYS * 86_400))})
    return [FIRST_DAY + timedelta(seconds=second) for second in seconds]
