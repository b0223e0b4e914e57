"""A place as Instagram's answers tell it, which differs from answer to answer in the names and types of its fields.

Covered: ids as numbers and as text, `pk`, `location_id`, `id`, `external_id`; coordinates as `lat`/`lng` and
`latitude`/`longitude`, missing or impossible; names with controls and bidi overrides.
Not covered: whether the place is the one that was asked for.
"""

from pipeline.collect.archive.fields import LOCATION_ID, LocationStub
from pipeline.geo import valid_coordinates
from pipeline.text.captions import clean_name

ID_KEYS = ("pk", "location_id", "id", "external_id")


def told_location(told: object) -> LocationStub | None:
    """The place; None where the answer holds no id of one. The name is "" and the coordinates None where not told."""
    if not isinstance(told, dict):
        return None
    location_id = next((text for key in ID_KEYS if (text := id_text(told.get(key)))), "")
    if not LOCATION_ID.fullmatch(location_id):
        return None
    return LocationStub(
        location_id=location_id,
        name=clean_name(told.get("name")),
        coordinates=valid_coordinates(told.get("lat"), told.get("lng"))
        or valid_coordinates(told.get("latitude"), told.get("longitude")),
    )


def id_text(told: object) -> str:
    """An id as text; "" where there is none."""
    return str(told).strip() if isinstance(told, str | int) and not isinstance(told, bool) else ""
