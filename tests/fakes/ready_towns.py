"""Towns that were found or collected before: each kind is built once and copied, so a test starts where it differs."""

import copy
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.collect.web.clock import Clock
from tests.fakes.live_town import LiveTown


@dataclass
class ReadyTowns:
    """Stores of towns by their kind: the first town of a kind is built, the others get a copy of what it came to."""

    folder: Path
    made: dict[str, tuple[Path, Clock]] = field(default_factory=dict)

    def found(self, town: LiveTown) -> LiveTown:
        """The town after its search; nothing was asked for it in this test."""
        return self._ready(town, "found", town.find)

    def collected(self, town: LiveTown) -> LiveTown:
        """A found town after its first collection."""
        return self._ready(town, "collected", town.collect)

    def _ready(self, town: LiveTown, what: str, build: Callable[[], object]) -> LiveTown:
        places = [(place.num_posts, place.carousel, place.video) for place in town.server.world.places.values()]
        kind = str((what, town.server.world.page_size, places, sorted(town.city.live.items())))
        if kind not in self.made:
            build()
            root = self.folder / str(len(self.made))
            shutil.copytree(town.store.root, root)
            self.made[kind] = (root, copy.deepcopy(town.clock))
        else:
            root, clock = self.made[kind]
            shutil.rmtree(town.store.root, ignore_errors=True)
            shutil.copytree(root, town.store.root)
            town.clock = copy.deepcopy(clock)
        town.server.requests.clear()
        return town
