"""Sensitive places: POIs whose category means health, faith, schooling, custody, shelter and the like stay out.

Reads  sensitive_categories.csv beside this file, a versioned list
Law: a POI is sensitive when one of its categories is: by its id, by what stands above it in the taxonomy, or by a
whole label of its path. An area is let in only with a reason, and both are recorded.
Covered: ids of today's and the old taxonomy and of API v3, names in English.
Not covered: names in other languages, and a place that Foursquare files under another category.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pipeline.collect.poi_sources.categories import Taxonomy, is_v3, split_label
from pipeline.collect.poi_sources.files import PoiRow
from pipeline.errors import StageError

LIST = Path(__file__).parent / "sensitive_categories.csv"

LAST_JUDGED = {"10": 56, "11": 194, "12": 125, "13": 388, "14": 16, "15": 59, "16": 69, "17": 139, "18": 76, "19": 56}
"""The last whole number of each thousand of API v3 that was read when the list was made; later ones are unknown."""


@dataclass(frozen=True)
class SensitiveList:
    """The list: areas by id and by name (casefolded)."""

    version: str
    by_id: dict[str, str]
    by_name: dict[str, str]

    @property
    def areas(self) -> tuple[str, ...]:
        """The areas of the list."""
        return tuple(sorted({*self.by_id.values(), *self.by_name.values()}))

    def areas_of(self, row: PoiRow, taxonomy: Taxonomy) -> set[str]:
        """The sensitive areas that a POI's categories lie in."""
        found = {self._of_id(category_id, taxonomy) for category_id in row.category_ids}
        found |= {self._of_path(split_label(label)) for label in (*row.category_labels, row.category_name)}
        found |= {self._of_path(split_label(row.semantic_label))}
        return found - {""}

    def is_known(self, category_id: str, taxonomy: Taxonomy) -> bool:
        """Whether somebody has judged this category: it is on the list, in the taxonomy, or was read for the list."""
        if category_id in self.by_id or category_id in taxonomy.categories:
            return True
        if is_v3(category_id):
            return int(category_id[2:]) <= LAST_JUDGED[category_id[:2]]
        return bool(taxonomy.path(category_id))

    def _of_id(self, category_id: str, taxonomy: Taxonomy) -> str:
        """The area of the category itself, else of the nearest one above it."""
        ids = (category_id, *taxonomy.above(category_id))
        area = next((self.by_id[known] for known in ids if known in self.by_id), "")
        return area or self._of_path(taxonomy.path(category_id))

    def _of_path(self, path: tuple[str, ...]) -> str:
        """The area of the last label of a path that has one."""
        names = (label.casefold() for label in reversed(path))
        return next((self.by_name[name] for name in names if name in self.by_name), "")


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """What a city does about sensitive places: the list, the taxonomy, and the areas it lets in."""

    known: SensitiveList
    taxonomy: Taxonomy
    included: frozenset[str] = frozenset()

    def is_left_out(self, row: PoiRow) -> bool:
        """Whether one of the row's sensitive areas is not let in."""
        return bool(self.known.areas_of(row, self.taxonomy) - self.included)

    def unknown_categories(self, rows: Iterable[PoiRow]) -> list[str]:
        """Ids of the rows' categories that nobody has judged: neither known here nor named by a label path."""
        ids = {
            category_id
            for row in rows
            if not any(len(split_label(label)) > 1 for label in row.category_labels)
            for category_id in row.category_ids
        }
        return sorted(found for found in ids if not self.known.is_known(found, self.taxonomy))


def sensitivity(taxonomy: Taxonomy, included: list[str], reason: str) -> Sensitivity:
    """What to leave out, after a look at what a city lets in.

    Raises:
        StageError: an area is not on the list, or no reason is given.
    """
    known = sensitive_list()
    odd = sorted(set(included) - set(known.areas))
    if odd:
        raise StageError(f"include_sensitive: there is no area {', '.join(odd)}: take of {', '.join(known.areas)}")
    if included and not reason.strip():
        raise StageError(
            "include_sensitive lets sensitive places in: say why in sensitive_reason; it is written into the cards"
        )
    return Sensitivity(known=known, taxonomy=taxonomy, included=frozenset(included))


@cache
def sensitive_list() -> SensitiveList:
    """The list beside this file."""
    lines = LIST.read_text(encoding="utf-8").splitlines()
    version = next(line.removeprefix("# version:").strip() for line in lines if line.startswith("# version:"))
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    return SensitiveList(
        version=version,
        by_id={row["category_id"]: row["area"] for row in rows if row["category_id"]},
        by_name={row["name"].casefold(): row["area"] for row in rows},
    )
