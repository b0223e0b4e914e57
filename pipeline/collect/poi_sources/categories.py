"""Categories: which top-level category a POI belongs to, and what stands above a category.

Known without a file: the ten top-level categories, by the thousand of a whole number of API v3 and by their 24-hex
ids, and what a label path "A > B > C" names. A taxonomy file gives the rest: Foursquare's categories of OS Places
(Parquet, CSV or JSON), or the JSON files of Factual/places.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.collect.archive.json_files import UnreadableFile, read_json
from pipeline.collect.poi_sources.files import read_records
from pipeline.errors import StageError
from pipeline.text.captions import clean_name

PATH = ">"

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


_TOPS = {(label,) for label in (*TOP_LEVEL.values(), *TOP_LEVEL_IDS.values())}


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
    content = _json(path) if path.suffix.lower() == ".json" else None
    if isinstance(content, dict) and content and all(isinstance(value, dict) for value in content.values()):
        found = _of_factual(content)
    else:
        found = _of_levels(read_records(path))
    if not found:
        raise StageError(
            f"{path} is no taxonomy that is known here: take the categories of Foursquare's OS Places (columns "
            "category_id and category_label), or a JSON file of Factual/places"
        )
    return Taxonomy(found)


def _json(path: Path) -> object:
    try:
        return read_json(path)
    except UnreadableFile as error:
        raise StageError(f"{path} is not a JSON file ({error.reason}): write it anew") from None


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
        category_id = str(record.get("category_id") or "").strip()
        path = split_label(str(record.get("category_label") or ""))
        if category_id and path:
            levels = [str(record.get(f"level{n}_category_id") or "").strip() for n in range(NUM_LEVELS, 0, -1)]
            found[category_id] = Category(path, tuple(level for level in levels if level not in ("", category_id)))
    return found
