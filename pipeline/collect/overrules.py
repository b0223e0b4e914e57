"""The file in which a person overrules matches of POIs and locations.

A CSV `poi_id,location_id,is_match` with yes or no, made with its header where it is absent; `#` begins a remark.
"""

import csv
from pathlib import Path

from pipeline.collect.archive.fields import LOCATION_ID
from pipeline.errors import StageError
from pipeline.store.blobs import write_atomically

HEADER = ("poi_id", "location_id", "is_match")
TEMPLATE = (
    "# Overrule the matching of places: one line per pair, is_match is yes or no, for example 4b72f0c2,212928653,no.\n"
    "# A yes makes the location that POI's and no other's; a no forbids the pair. Then build the stage places again.\n"
    "poi_id,location_id,is_match\n"
)
_WORDS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


def make_overrules(path: Path) -> None:
    """Write the file with its header where there is none."""
    if not path.exists():
        write_atomically(path, TEMPLATE.encode())


def read_overrules(path: Path, poi_ids: set[str], location_ids: set[str] | None) -> dict[str, dict[str, bool]]:
    """location_id -> poi_id -> what the person decided; any location may be named where `location_ids` is None.

    Raises:
        StageError: a line names an unknown POI or location, another word than yes or no, or contradicts an earlier
            one; the message names the line.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (UnicodeDecodeError, OSError) as error:
        raise StageError(f"the overrule file {path} cannot be read: {error}") from None
    decided: dict[str, dict[str, bool]] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        cells = tuple(cell.strip() for cell in next(csv.reader([line])))
        if cells == HEADER:
            continue
        reason = _wrong(cells, poi_ids, location_ids, decided)
        if reason:
            raise StageError(f"line {number} of the overrule file {path} {reason}: correct the line or take it out")
        poi_id, location_id, word = cells
        decided.setdefault(location_id, {})[poi_id] = _WORDS[word.lower()]
    return decided


def _wrong(
    cells: tuple[str, ...], poi_ids: set[str], location_ids: set[str] | None, decided: dict[str, dict[str, bool]]
) -> str:
    """What is wrong with a line, "" where nothing is."""
    if len(cells) != len(HEADER):
        return f"has {len(cells)} values instead of poi_id,location_id,is_match"
    poi_id, location_id, word = cells
    if poi_id not in poi_ids:
        return f"names the POI {poi_id!r}, which this city does not have"
    if not LOCATION_ID.fullmatch(location_id):
        return f"names the location {location_id!r}, which is no id of Instagram's"
    if location_ids is not None and location_id not in location_ids:
        return f"names the location {location_id!r}, which no post of the archive has"
    if word.lower() not in _WORDS:
        return f"says {word!r} where yes or no is expected"
    earlier = decided.get(location_id, {})
    is_match = _WORDS[word.lower()]
    if earlier.get(poi_id, is_match) != is_match:
        return "says the contrary of an earlier line"
    if is_match and any(yes for other, yes in earlier.items() if other != poi_id):
        return f"gives the location {location_id!r} to a second POI"
    return ""
