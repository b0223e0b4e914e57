"""The places that posts name: one for each of Instagram's ids, whatever the posts call it.

Law: what the newest post says of a place counts, since pages are renamed and moved; a post counts once.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.collect.archive.fields import EARLIEST_UTC, LocationStub, PostFields

Point = tuple[float, float]


@dataclass(kw_only=True)
class NamedLocation:
    """A place and the ids of its posts; names and points beside the time of their post, of which the largest counts.

    of_post: where the newest post that says so says that itself was made.
    """

    location_id: str
    posts: set[str] = field(default_factory=set)
    _name: tuple[datetime, str] = (EARLIEST_UTC, "")
    _point: tuple[datetime, Point] | None = None
    _of_post: tuple[datetime, Point] | None = None

    @property
    def stub(self) -> LocationStub:
        """The place as its newest posts name it; a part that none of them names is left out."""
        return LocationStub(
            location_id=self.location_id,
            name=self._name[1],
            coordinates=self._point[1] if self._point else None,
        )

    @property
    def of_post(self) -> Point | None:
        return self._of_post[1] if self._of_post else None

    def add(self, fields: PostFields) -> None:
        """One more post, or another file of one."""
        assert fields.location is not None
        taken, stub = fields.taken_utc or EARLIEST_UTC, fields.location
        self.posts.add(fields.media_id)
        if stub.name:
            self._name = max(self._name, (taken, stub.name))
        if stub.coordinates:
            self._point = max(self._point or (taken, stub.coordinates), (taken, stub.coordinates))
        if fields.coordinates:
            self._of_post = max(self._of_post or (taken, fields.coordinates), (taken, fields.coordinates))


def locations_of(posts: Iterable[PostFields]) -> list[NamedLocation]:
    """The places of these posts, in the order of their ids."""
    found: dict[str, NamedLocation] = {}
    for fields in posts:
        if fields.location is not None:
            location_id = fields.location.location_id
            found.setdefault(location_id, NamedLocation(location_id=location_id)).add(fields)
    return [found[location_id] for location_id in sorted(found)]
