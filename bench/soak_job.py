"""What a soak runs again and again: the stages of live collection over one town."""

import json
from dataclasses import dataclass
from pathlib import Path

from pipeline.cities import City
from pipeline.collect.instagram.live import Runtime
from pipeline.collect.places import PlacesSettings, build_places
from pipeline.collect.pois import PoisSettings, build_pois
from pipeline.collect.posts import PostsSettings, build_posts
from pipeline.collect.web.retries import Retries
from pipeline.stage import StageReport
from pipeline.store import Store
from tests.fakes.live_town import LiveTown

RETRIES = Retries(first_s=0.001, longest_s=0.002)


@dataclass(frozen=True)
class Job:
    """What is needed to collect a town, in this process or another one."""

    root: Path
    city: City
    pois: Path

    @classmethod
    def of(cls, town: LiveTown, name: str) -> "Job":
        """The town, over a store of this name."""
        pois = town.folder / "pois.json"
        pois.write_text(json.dumps(town.pois))
        return cls(town.folder / name, town.city, pois)

    def run(self, runtime: Runtime) -> StageReport:
        """The stages pois, places and posts; what the last one reports."""
        store = Store(self.root)
        build_pois(store, self.city, PoisSettings(file=self.pois, max_pois=1000))
        build_places(store, self.city, PlacesSettings(max_requests=None), runtime)
        return build_posts(store, self.city, PostsSettings(max_requests=None), runtime)
