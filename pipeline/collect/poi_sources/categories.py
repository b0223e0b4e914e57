"""Categories: which top-level category a POI belongs to, what stands above a category, and which ones are sensitive.

Known without a file: the ten top-level categories, by the thousand of a whole number of API v3 and by their 24-hex
ids, and what a label path "A > B > C" names. A taxonomy file gives the rest: Foursquare's categories of OS Places
(Parquet, CSV or JSON), or the JSON files of Factual/places.

Sensitive: POIs whose category means health, faith, schooling, custody, shelter and the like stay out.
Reads  sensitive_categories.csv beside this file, a versioned list, and the areas of overture_categories.csv
Law: a POI is sensitive when one of its categories is: by its id, by what stands above it in the taxonomy, or by a
whole label of its path; of a label with `_`, `,` or `/` between its words a part is enough.
An area is let in only with a reason, and both are recorded.
Covered: ids of today's and the old taxonomy and of API v3, names in English.
Not covered: names in other languages, and a place that Foursquare files under another category.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from html import unescape
from itertools import combinations
from pathlib import Path
from typing import Any, TypeGuard

from pipeline.collect.poi_sources.files import PoiRow
from pipeline.collect.poi_sources.osm import label_of_value
from pipeline.collect.poi_sources.overture_categories import overture_areas, overture_top_level
from pipeline.collect.poi_sources.tables import JSON_SUFFIXES, read_json_values, read_records
from pipeline.collect.poi_sources.values import text
from pipeline.errors import StageError
from pipeline.text.captions import clean_name

PATH = ">"
_BETWEEN_LABELS = re.compile("[,/:=\u203a\u00bb\u2192]| - ")
_IN_BRACKETS = re.compile(r"\s*\([^)]*\)")

TOP_LEVEL = {
    "10": "Arts and Entertainment",
    "11": "Business and Professional Services",
    "12": "Community and Government",
    "13": "Dining and Drinking",
    "14": "Event",
    "15": "Health and Medicine",
    "16": "Landmarks and Outdoors",
    "17": "Retail",
    "18": "Sports and Recreation",
    "19": "Travel and Transportation",
}
"""By the thousand of the whole numbers of API v3."""

TOP_LEVEL_IDS = {
    "4d4b7104d754a06370d81259": "Arts and Entertainment",
    "4d4b7105d754a06375d81259": "Business and Professional Services",
    "63be6904847c3692a84b9b9a": "Community and Government",
    "4d4b7105d754a06372d81259": "Community and Government",  # of old: College & University
    "4e67e38e036454776db1fb3a": "Community and Government",  # of old: Residence
    "63be6904847c3692a84b9bb5": "Dining and Drinking",
    "4d4b7105d754a06374d81259": "Dining and Drinking",  # of old: Food
    "4d4b7105d754a06376d81259": "Nightlife Spot",
    "4d4b7105d754a06373d81259": "Event",
    "63be6904847c3692a84b9bb9": "Health and Medicine",
    "4d4b7105d754a06377d81259": "Landmarks and Outdoors",
    "4d4b7105d754a06378d81259": "Retail",
    "4f4528bc4b90abdf24c9de85": "Sports and Recreation",
    "4d4b7105d754a06379d81259": "Travel and Transportation",
}
"""By the 24-hex ids of today's top level, and of the old one."""

NUM_LEVELS = 6
_ROOTS = ("1", "Foursquare Places")
_TOPS = {(label,) for label in (*TOP_LEVEL.values(), *TOP_LEVEL_IDS.values())}
LIST = Path(__file__).parent / "sensitive_categories.csv"
LAST_JUDGED = {"10": 56, "11": 194, "12": 125, "13": 388, "14": 16, "15": 59, "16": 69, "17": 139, "18": 76, "19": 56}
"""The last whole number of each thousand of API v3 that was read when the list was made; later ones are unknown."""


@dataclass(frozen=True, slots=True)
class Category:
    """A category of a taxonomy: its labels from the top level down, and the ids above it, the nearest first."""

    path: tuple[str, ...]
    above: tuple[str, ...] = ()


@dataclass(frozen=True)
class Taxonomy:
    """The categories of a file, by id; empty where none was named."""

    categories: Mapping[str, Category] = field(default_factory=dict)

    def path(self, category_id: str) -> tuple[str, ...]:
        """The labels from the top level down to this category; () where it is not known."""
        if category_id in self.categories:
            return self.categories[category_id].path
        top = TOP_LEVEL_IDS.get(category_id) or (TOP_LEVEL.get(category_id[:2]) if is_v3(category_id) else None)
        top = top or overture_top_level([category_id])
        return (top,) if top else ()

    def above(self, category_id: str) -> tuple[str, ...]:
        """The ids of the categories above this one, the nearest first."""
        known = self.categories[category_id].above if category_id in self.categories else ()
        thousand = category_id[:2] + "000"
        return known if not is_v3(category_id) or thousand in (category_id, *known) else (*known, thousand)

    def top_level(self, category_ids: Iterable[str], labels: Iterable[str]) -> str:
        """The top-level category of a POI, of the first of its categories where one is known; "" where none is."""
        paths = (split_label(label) for label in labels)
        by_label = next((path[0] for path in paths if len(path) > 1 or path[:1] in _TOPS), "")
        return by_label or next((path[0] for path in map(self.path, category_ids) if path), "")


def is_v3(category_id: str) -> bool:
    """Whether this is a whole number of API v3, as 13035."""
    return len(category_id) == 5 and category_id.isdecimal() and category_id[:2] in TOP_LEVEL


def split_label(label: str) -> tuple[str, ...]:
    """The labels of a path "A > B > C"."""
    return tuple(filter(None, (clean_name(part) for part in label.split(PATH))))


def read_taxonomy(path: Path | None) -> Taxonomy:
    """The taxonomy of a file; an empty one without a file.

    Raises:
        StageError: it is missing, cannot be read, or holds no categories.
    """
    if path is None:
        return Taxonomy()
    path = path.expanduser()
    if not path.is_file():
        raise StageError(f"there is no taxonomy at {path}: name a file of categories as `pois: {{taxonomy: ...}}`")
    values = read_json_values(path) if path.suffix.lower() in JSON_SUFFIXES else []
    if len(values) == 1 and _is_factual(values[0]):
        found = _of_factual(values[0])
    else:
        found = _of_levels(read_records(path))
    if not found:
        raise StageError(
            f"{path} is no taxonomy that is known here: take the categories of Foursquare's OS Places (columns "
            "category_id and category_label), or a JSON file of Factual/places"
        )
    return Taxonomy(found)


def _is_factual(content: object) -> TypeGuard[dict[str, Any]]:
    """Whether these are objects by id, and not columns as pandas writes them."""
    if not isinstance(content, dict) or not content or "category_id" in content:
        return False
    return all(isinstance(value, dict) for value in content.values())


def _of_factual(content: dict[str, Any]) -> dict[str, Category]:
    """Both files of Factual/places: the taxonomy (`full_label`, `parents`), and old ids mapped to it."""
    found = {}
    for category_id, entry in content.items():
        match = entry.get("single_match")
        if isinstance(match, dict):
            path = split_label(str(match.get("integrated_category_label", "")))
            found[category_id] = Category(path, (str(match.get("integrated_category_id", "")),))
        elif isinstance(entry.get("full_label"), list) and category_id not in _ROOTS:
            path = tuple(clean_name(label) for label in entry["full_label"])
            found[category_id] = Category(path, _parents(content, category_id))
    return found


def _parents(content: dict[str, Any], category_id: str) -> tuple[str, ...]:
    """The ids above, the nearest first; ends at a root, or where a parent is missing or comes round again."""
    above: list[str] = []
    while True:
        parents = content.get(category_id, {}).get("parents") or [None]
        category_id = str(parents[0])
        if category_id in (*_ROOTS, *above) or category_id not in content:
            return tuple(above)
        above.append(category_id)


def _of_levels(records: list[dict[str, Any]]) -> dict[str, Category]:
    """Foursquare's own table: `category_id`, `category_label`, and `level1_category_id` to `level6_category_id`."""
    found = {}
    for record in records:
        category_id = text(record.get("category_id"))
        path = split_label(text(record.get("category_label")))
        if category_id and path:
            levels = [text(record.get(f"level{n}_category_id")) for n in range(NUM_LEVELS, 0, -1)]
            found[category_id] = Category(path, tuple(level for level in levels if level not in ("", category_id)))
    return found


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
        labels = {*row.category_labels, row.category_name, row.semantic_label}
        labels |= {part for label in labels for part in _BETWEEN_LABELS.split(label)}  # "Doctors, Hospitals" of Yelp
        return (found | {self._of_path(split_label(label)) for label in labels}) - {""}

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
        names = (name for label in reversed(path) for name in _spellings(label))
        return next((self.by_name[name] for name in names if name in self.by_name), "")


def _spellings(label: str) -> Iterator[str]:
    """How a label may stand on the list: as it is, in the singular, and of words joined by `_` each run of them.

    Nobody has judged the words of `church_cathedral`, so a part of them is enough; OpenStreetMap's are known.
    """
    name = unescape(label).casefold().replace("_", " ").replace("\u2019", "'").strip()
    for form in (name, _IN_BRACKETS.sub("", name), name.replace("&", "and")):
        yield from (form, form.removesuffix("s"), form.removesuffix("es"))
    if "_" in label and not label_of_value(label):
        words = name.split()
        yield from (" ".join(words[a:b]) for a, b in combinations(range(len(words) + 1), 2))


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
        by_id={row["category_id"]: row["area"] for row in rows if row["category_id"]} | overture_areas(),
        by_name={row["name"].casefold(): row["area"] for row in rows},
    )
