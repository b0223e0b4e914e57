"""Places in Instagram's answers, which differ from answer to answer in the names and types of their fields.

Covered: ids as numbers and as text, `pk`, `location_id`, `id`, `external_id`; coordinates as `lat`/`lng` and
`latitude`/`longitude`, missing or impossible; names with controls and bidi overrides.
Not covered: whether the place is the one that was asked for.
"""

from pipeline.collect.archive.fields import LOCATION_ID, LocationStub
from pipeline.geo import valid_coordinates
from pipeline.text.captions import clean_name

ID_KEYS = ("pk", "location_id", "id", "external_id")


def read_location(raw: object) -> LocationStub | None:
    """The place; None where the answer holds no id of one. The name is "" and the coordinates None if missing."""
    if not isinstance(raw, dict):
        return None
    location_id = next((text for key in ID_KEYS if (text := id_text(raw.get(key)))), "")
    if not LOCATION_ID.fullmatch(location_id):
        return None
    return LocationStub(
        location_id=location_id,
        name=clean_name(raw.get("name")),
        coordinates=valid_coordinates(raw.get("lat"), raw.get("lng"))
        or valid_coordinates(raw.get("latitude"), raw.get("longitude")),
    )


def id_text(value: object) -> str:
    """An id as text; "" where there is none."""
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
