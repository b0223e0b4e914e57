"""What a fake Instagram holds: places, their posts, and what became of them. Everything follows from numbers.

A post is a number, its `pk`: all that is not set otherwise is computed from it when asked, so a world of thousands of
posts is made at once. Ids are synthetic. Posts stand newest first, as the tab `recent` shows them.
"""

from collections.abc import Container
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

FIRST_PK = 3_000_000_000_000_000_000
POSTS_PER_PLACE = 1_000_000
NEWEST_UTC = datetime(2025, 6, 1, 12, tzinfo=UTC)
STEP = timedelta(hours=2)
SEARCHES = frozenset({"fbsearch", "location_search", "topsearch"})

Era = Literal["2026-09", "2026-05", "unknown"]


def mixed(*numbers: int) -> int:
    """A number without pattern that follows from others (the finaliser of splitmix64)."""
    value = 0x9E3779B97F4A7C15
    for number in numbers:
        value = (value + number * 0xBF58476D1CE4E5B9) % 2**64
        value = ((value ^ (value >> 30)) * 0x94D049BB133111EB) % 2**64
        value ^= value >> 31
    return value


@dataclass(kw_only=True)
class FakePlace:
    """A location and its oddities; pages are counted from 1, the page of the first look being 1.

    num_posts: at the start; `pks` are all that were ever shown, newest first.
    carousel, video: shares of the posts with several parts and with one video.
    coordinates_in_posts: else latitude and longitude stand in `location_info` only.
    has_coordinates: else they stand nowhere.
    loop_at_page: 2 or more; that page names the cursor it was asked with.
    empty_pages_at: pages that hold nothing and say that more follows; no post is lost by them.
    empty_section_at: pages with a section that holds nothing.
    pages_overlap: so many posts of a page stand on the next one again.
    missing: keys left out of the answers about this place (not out of its posts).
    other_grid: the posts of a section stand in `fill_items` and `one_by_two_item` in place of `medias`.
    found_by: the searches that know it.
    """

    number: int
    location_id: str
    name: str
    latitude: float
    longitude: float
    num_posts: int
    carousel: float = 0.3
    video: float = 0.1
    coordinates_in_posts: bool = True
    has_coordinates: bool = True
    facebook_places_id: str = ""
    loop_at_page: int | None = None
    empty_pages_at: Container[int] = ()
    empty_section_at: Container[int] = ()
    pages_overlap: int = 0
    missing: Container[str] = ()
    other_grid: bool = False
    found_by: Container[str] = SEARCHES
    city: str = "Little Town"
    pks: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        assert self.loop_at_page is None or self.loop_at_page >= 2, "the first page is asked without a cursor"
        first = FIRST_PK + self.number * POSTS_PER_PLACE
        self.pks = list(range(first + self.num_posts - 1, first - 1, -1))
        self.num_made = self.num_posts
        self.facebook_places_id = self.facebook_places_id or self.location_id

    def new_pk(self) -> int:
        """The id of one more post, which is newer than all before."""
        self.num_made += 1
        return FIRST_PK + self.number * POSTS_PER_PLACE + self.num_made - 1


@dataclass(kw_only=True)
class World:
    """All places and posts, and switches that can be turned at any time.

    page_size: posts of a page of a grid. page_era: the keys that the place's own page holds its data under.
    page_wants_login: that page answers a redirect to the login page.
    answers_201: the old address of Instaloader answers 201 Created, as it does since 2024.
    gone_status: of `media/info` of a removed post, 404 or 400. media_base: the base address of pictures.
    session_id: of the one session that is signed in; another value ends it.
    """

    page_size: int = 24
    picture_size: tuple[int, int] = (96, 72)
    newest_utc: datetime = NEWEST_UTC
    page_era: Era = "2026-09"
    page_wants_login: bool = False
    answers_201: bool = False
    gone_status: int = 404
    media_base: str = ""
    session_id: str = "77001%3Afakesession%3A7"
    csrf_token: str = "fakecsrftoken0123456789"
    user_id: str = "77001"
    places: dict[str, FakePlace] = field(default_factory=dict)
    removed: set[int] = field(default_factory=set)
    private: set[int] = field(default_factory=set)
    changes: dict[int, dict[str, Any]] = field(default_factory=dict)
    media_version: dict[int, int] = field(default_factory=dict)
    wrong_cursors: list[dict[str, str]] = field(default_factory=list)

    def add_location(
        self, location_id: str, name: str, latitude: float, longitude: float, *, num_posts: int = 100, **oddities: Any
    ) -> FakePlace:
        """A place with posts; `oddities` are the fields of `FakePlace`. An id like `c123` makes a city's page."""
        assert location_id not in self.places
        place = FakePlace(
            number=len(self.places),
            location_id=location_id,
            name=name,
            latitude=latitude,
            longitude=longitude,
            num_posts=num_posts,
            **oddities,
        )
        self.places[location_id] = place
        return place

    def add_post(self, location_id: str, **changes: Any) -> int:
        """Puts a newest post on top and returns its pk; `changes` as in `change`."""
        pk = self.places[location_id].new_pk()
        self.places[location_id].pks.insert(0, pk)
        self.change(pk, **changes)
        return pk

    def change(self, pk: int, **changes: Any) -> None:
        """Replaces keys of a post's media; None takes a key out.

        Short forms: `caption` as text or None; `is_videos`, a flag for each part in order; `owner`, the account's id;
        `pictures_of`, another post whose pictures it shows again; `taken_at` as datetime or as seconds.
        """
        self.changes.setdefault(pk, {}).update(changes)

    def also_show(self, pk: int, location_id: str) -> None:
        """Puts an existing post on top of another place too, or on top of its own again."""
        self.places[location_id].pks.insert(0, pk)

    def remove(self, pk: int) -> None:
        """Deletes a post: no grid shows it, `media/info` says it is gone, its pictures answer 404."""
        self.removed.add(pk)

    def make_private(self, pk: int) -> None:
        """The post's account becomes private for us: no grid shows the post, `media/info` says `is_private`."""
        self.private.add(pk)

    def remove_account(self, owner: int) -> None:
        """Deletes all posts of an account."""
        self.removed |= {pk for place in self.places.values() for pk in place.pks if self.owner_of(pk) == owner}

    def expire_media(self, pk: int) -> None:
        """Old addresses of the post's pictures answer 403; `media/info` and the grids show new ones."""
        self.media_version[pk] = self.media_version.get(pk, 0) + 1

    def cookies(self) -> dict[str, str]:
        """The cookies of the session that is signed in."""
        return {"sessionid": self.session_id, "csrftoken": self.csrf_token, "ds_user_id": self.user_id}

    def end_session(self) -> None:
        """From now on the cookies given before are those of nobody."""
        self.session_id += "x"

    def place_of(self, pk: int) -> FakePlace | None:
        """The place a post was made at; None where there was no such post."""
        number, index = divmod(pk - FIRST_PK, POSTS_PER_PLACE)
        places = list(self.places.values())
        if not 0 <= number < len(places) or index >= places[number].num_made:
            return None
        return places[number]

    def place(self, stated_id: str) -> FakePlace | None:
        """The place of an id of Instagram or Facebook."""
        by_facebook = (place for place in self.places.values() if place.facebook_places_id == stated_id)
        return self.places.get(stated_id) or next(by_facebook, None)

    def owner_of(self, pk: int) -> int:
        """The id of the account of a post; every third account or so has two posts at a place."""
        changed = self.changes.get(pk, {}).get("owner")
        if changed is not None:
            return int(changed)
        place = self.place_of(pk)
        assert place is not None
        num_owners = max(1, place.num_posts * 2 // 3)
        return 70_000_000 + place.number * 100_000 + mixed(pk, 1) % num_owners

    def taken_at(self, pk: int) -> int:
        """When a post was made, in seconds of Unix; falls from the newest to the oldest post of a place."""
        changed = self.changes.get(pk, {}).get("taken_at")
        if changed is not None:
            return int(changed.timestamp() if isinstance(changed, datetime) else changed)
        place = self.place_of(pk)
        assert place is not None
        age = place.num_posts - 1 - (pk - FIRST_PK) % POSTS_PER_PLACE
        step_s = int(STEP.total_seconds())
        return int(self.newest_utc.timestamp()) - age * step_s - mixed(pk, 2) % step_s

    def is_shown(self, pk: int) -> bool:
        """Whether grids show a post."""
        return pk not in self.removed and pk not in self.private

    def shown(self, location_id: str) -> list[int]:
        """The posts that the tab `recent` shows, newest first."""
        return [pk for pk in self.places[location_id].pks if self.is_shown(pk)]
