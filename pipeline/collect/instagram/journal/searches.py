"""The journal's searches for a city's POIs, and the locations they found.

Law: what was asked, the name of a POI, stands here as a digest alone: names from Foursquare are kept for a time only.
"""

import sqlite3
from collections.abc import Iterable, Mapping

from pipeline.collect.archive.fields import LocationStub
from pipeline.collect.instagram.journal.disk import Disk
from pipeline.store.digests import bytes_digest

DIGEST = "sha256:"


def answered_pois(disk: sqlite3.Connection, asked: Mapping[str, str]) -> set[str]:
    """The POIs whose search was answered, in a journal that is open or only looked at; as `Searches.answered`.

    A POI that is asked for by its id has no name that is known now: then any name that was asked counts.
    """
    rows = disk.execute("SELECT poi_id, asked FROM searches WHERE outcome = 'answered'")
    return {poi_id for poi_id, was in rows if asked.get(poi_id) == poi_id or _asked(asked.get(poi_id)) == _asked(was)}


def _asked(name: str | None) -> str | None:
    """How a question stands in the journal; the older journals hold names."""
    return name if name is None or name.startswith(DIGEST) else DIGEST + bytes_digest(name.encode("utf-8", "replace"))


class Searches:
    """What was asked for each POI, and the locations that were found."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def answered(self, asked: Mapping[str, str]) -> set[str]:
        """The POIs whose search was answered; `asked` maps poi_id to what is asked, another question counts anew."""
        self._take_names_out()
        return answered_pois(self._disk.connection, asked)

    def note(self, poi_id: str, asked: str, outcome: str, stubs: Iterable[LocationStub], at_utc: float) -> None:
        """What the search for a POI came to: `answered`, or the reason why not."""
        found = list(stubs)
        with self._disk.transaction():
            self._disk.execute(
                "INSERT OR REPLACE INTO searches VALUES (?, ?, ?, ?, ?)",
                (poi_id, _asked(asked), outcome, len(found), at_utc),
            )
            for stub in found:
                self._note_stub(stub)
            self._disk.note_change()

    def stubs(self) -> list[LocationStub]:
        """Every location that a search found, by id."""
        rows = self._disk.execute("SELECT * FROM stubs ORDER BY location_id")
        return [
            LocationStub(
                location_id=row["location_id"],
                name=row["name"],
                coordinates=None if row["latitude"] is None else (row["latitude"], row["longitude"]),
            )
            for row in rows
        ]

    def _take_names_out(self) -> None:
        """Of the names that an older version wrote leave their digests."""
        named = "SELECT poi_id, asked FROM searches WHERE asked NOT LIKE 'sha256:%'"
        with self._disk.transaction():
            for poi_id, name in self._disk.execute(named).fetchall():
                self._disk.execute("UPDATE searches SET asked = ? WHERE poi_id = ?", (_asked(name), poi_id))

    def _note_stub(self, stub: LocationStub) -> None:
        latitude, longitude = stub.coordinates or (None, None)
        self._disk.execute(
            "INSERT INTO stubs VALUES (?, ?, ?, ?) ON CONFLICT (location_id) DO UPDATE SET name = excluded.name, "
            "latitude = COALESCE(excluded.latitude, latitude), longitude = COALESCE(excluded.longitude, longitude)",
            (stub.location_id, stub.name, latitude, longitude),
        )
