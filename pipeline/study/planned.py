"""What is planned: a section of a study, its rows, and of each row the cells, one for each seed.

Equal cells of several rows are one cell: its digest is the same.
"""

from dataclasses import dataclass
from typing import Any, Literal

from pipeline.study.cells import Cell
from pipeline.study.papers import PaperFigure
from pipeline.study.settings import StudySettings
from pipeline.study.splits import SplitKind

TestOn = Literal["all", "complete", "incomplete"]


@dataclass(frozen=True, kw_only=True)
class PlannedRow:
    """A row of a table: its cells by seed, on which of their test posts it is scored, and what it is compared with.

    against: the title of the row of the same section whose figures are subtracted; "" where there is none.
    """

    title: str
    cells: tuple[Cell, ...]
    against: str = ""
    test_on: TestOn = "all"
    paper: tuple[PaperFigure, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PlannedSection:
    """A table or figure; `told` is what the paper says of it in words."""

    key: str
    title: str
    question: str
    rows: tuple[PlannedRow, ...]
    told: str = ""


@dataclass(frozen=True, kw_only=True)
class Planner:
    """What all rows share: the settings, the city's threshold of hashtags, and which candidates are networks."""

    settings: StudySettings
    min_hashtag_count: int
    titles: dict[str, str]
    networks: frozenset[str]

    def cells(
        self, candidate: str, variant: str = "release", split: SplitKind = "user", **settings: Any
    ) -> tuple[Cell, ...]:
        """A cell for each seed."""
        if candidate == "mrlf":
            settings = {"preset": self.settings.preset, **settings}
        if self.settings.max_epochs is not None and candidate in self.networks:
            settings = {**settings, "max_epochs": self.settings.max_epochs}
        return tuple(
            Cell(candidate=candidate, variant=variant, split=split, seed=seed, settings=settings)
            for seed in range(self.settings.num_seeds)
        )
