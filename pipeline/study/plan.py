"""The plan of a study: all its sections in the order of the page, and the cells behind them."""

from collections.abc import Iterable, Sequence

from pipeline.study.cells import Cell
from pipeline.study.own_sections import best, leakage, noise, splits
from pipeline.study.paper_sections import figure_2, figure_3, figure_4, table_2, table_3
from pipeline.study.planned import PlannedSection, Planner
from pipeline.study.settings import StudySettings

SECTIONS = {
    "table2": table_2,
    "table3": table_3,
    "fig2": figure_2,
    "fig3": figure_3,
    "fig4": figure_4,
    "best": best,
    "leakage": leakage,
    "splits": splits,
    "noise": noise,
}
"""By the name that `mrlf study --only` takes."""


def plan_study(settings: StudySettings, *, min_hashtag_count: int) -> list[PlannedSection]:
    """All sections; `min_hashtag_count` is the city's."""
    from models.candidates import CANDIDATES

    planner = Planner(
        settings=settings,
        min_hashtag_count=min_hashtag_count,
        titles={name: candidate.title for name, candidate in CANDIDATES.items()},
        networks=frozenset(name for name, candidate in CANDIDATES.items() if candidate.is_network),
    )
    return [section(planner) for section in SECTIONS.values()]


def cells_of(sections: Sequence[PlannedSection], keys: Iterable[str]) -> list[Cell]:
    """Every cell of these sections once."""
    chosen = set(keys)
    cells = [cell for section in sections if section.key in chosen for row in section.rows for cell in row.cells]
    return list({cell.identity: cell for cell in cells}.values())
