"""Searches for a city's POIs and the places they found."""

import sqlite3
from collections.abc import Iterable, Mapping

from pipeline.collect.fields import LocationStub
from pipeline.collect.instagram.journal.disk import Disk


def answered_pois(disk: sqlite3.Connection, asked: Mapping[str, str]) -> set[str]:
    """The POIs whose search was answered, in a journal that is open or only looked at; as `Searches.searched`."""
    rows = disk.execute("SELECT poi_id, asked FROM searches WHERE outcome = 'answered'")
    return {poi_id for poi_id, question in rows if asked.get(poi_id) == question}


class Searches(Disk):
    """The part of the journal on searches."""

    def searched(self, asked: Mapping[str, str]) -> set[str]:
        """The POIs whose search was answered; `asked` maps poi_id to what is asked, another question counts anew."""
        return answered_pois(self._disk, asked)

    def note_search(self, poi_id: str, asked: str, outcome: str, stubs: Iterable[LocationStub], at_utc: float) -> None:
        """What the search for a POI came to: `answered`, or the reason why not."""
        found = list(stubs)
        with self.transaction():
            self._disk.execute(
                "INSERT OR REPLACE INTO searches VALUES (?, ?, ?, ?, ?)", (poi_id, asked, outcome, len(found), at_utc)
            )
            for stub in found:
                self._note_stub(stub)
            self._change()

    def stubs(self) -> list[LocationStub]:
        """Every location that a search found, by id."""
        rows = self._disk.execute("SELECT * FROM stubs ORDER BY location_id")
        return [
            LocationStub(
                location_id=row["location_id"], name=row["name"],
                coordinates=None if row["latitude"] is None else (row["latitude"], row["longitude"]),
            )
            for row in rows
        ]  # fmt: skip

    def _note_stub(self, stub: LocationStub) -> None:
        latitude, longitude = stub.coordinates or (None, None)
        self._disk.execute(
            "INSERT INTO stubs VALUES (?, ?, ?, ?) ON CONFLICT (location_id) DO UPDATE SET name = excluded.name, "
            "latitude = COALESCE(excluded.latitude, latitude), longitude = COALESCE(excluded.longitude, longitude)",
            (stub.location_id, stub.name, latitude, longitude),
        )
