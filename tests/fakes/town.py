"""A small town: two POIs and an archive that a test fills, built through the real stages up to `posts`."""

import json
from pathlib import Path
from typing import Any

from pipeline.cities import City
from pipeline.collect.instagram.live import Runtime
from pipeline.collect.places import PlacesSettings, build_places
from pipeline.collect.pois import PoisSettings, build_pois
from pipeline.collect.posts import PostsSettings, build_posts
from pipeline.privacy.pseudonyms import load_pseudonyms
from pipeline.stage import StageReport
from pipeline.store import Store
from tests.fakes.archive import FakeArchive, media_id

CITY = City(key="town", name="Town", latitude=12, longitude=-30, radius_km=50)
POIS = [
    {"poi_id": "p1", "name": "Old Lighthouse", "latitude": 12.0005, "longitude": -30.0},
    {"poi_id": "p2", "name": "Harbour Museum", "latitude": 12.05, "longitude": -30.0},
]


class Town:
    """A town with two POIs and an archive that a test fills."""

    def __init__(self, store: Store, folder: Path, pois: list[dict[str, Any]] = POIS, city: City = CITY) -> None:
        self.store, self.folder, self.pois, self.city = store, folder, pois, city
        self.archive = FakeArchive(folder / "archive")
        self.runtime: Runtime | None = None

    def build(self, **settings: Any) -> StageReport:
        """All stages up to posts."""
        path = self.folder / "pois.json"
        path.write_text(json.dumps(self.pois))
        build_pois(self.store, self.city, PoisSettings(file=path))
        build_places(self.store, self.city, PlacesSettings(archive=self.archive.folder))
        return build_posts(self.store, self.city, PostsSettings(archive=self.archive.folder, **settings), self.runtime)

    def key(self, number: int = 1) -> str:
        return load_pseudonyms(self.store, self.city).post_key(media_id(number))

    def rows(self, table: str) -> list[dict]:
        return self.store.tables.read(self.city.key, table).to_pylist()

    def posts(self) -> dict[str, dict]:
        return {row["post_key"]: row for row in self.rows("posts")}

    def reasons(self, table: str = "drops") -> dict[str, str]:
        return {row["post_key"]: row["reason"] for row in self.rows(table)}

    def blobs(self) -> list[str]:
        return sorted(path.name for path in (self.store.root / "blobs").rglob("*") if path.is_file())
