"""OpenStreetMap's tags as categories: what `amenity=hospital` and the like are called in Foursquare's words.

Law: every tag of a key in `CATEGORIES` gives a label, also a value that is not listed there: then its own words stand
for it, under the key's top-level category. So a sensitive kind is known by its name, and none passes for no category.
Covered: tags as Overpass, GeoJSON, GDAL and tables write them (`tags.amenity`, `amenity`), several values with `;`
between them, Geofabrik's `fclass`; kinds that no longer stand there (`disused:amenity`).
Not covered: what a place is called, and what its area is tagged with.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from pipeline.collect.poi_sources.values import is_nothing, is_yes, texts, whole

FOOD, ARTS, CITY, SHOPS = "Dining and Drinking", "Arts and Entertainment", "Community and Government", "Retail"
NATURE, SPORT, TRAVEL = "Landmarks and Outdoors", "Sports and Recreation", "Travel and Transportation"
WORK, HEALTH, HOME = "Business and Professional Services", "Health and Medicine", "Residential Building"
WORSHIP, SOCIAL = f"{CITY} > Spiritual Center", f"{CITY} > Social Services Organization"
SCHOOL, CAMPUS = f"{CITY} > Education", f"{CITY} > College and University"
QUEER, MILITARY = f"{CITY} > LGBTQ Organization", f"{CITY} > Military"
OTHER = "*"
_GROUPS = (FOOD, ARTS, CITY, SHOPS, NATURE, SPORT, TRAVEL, WORK, HEALTH, WORSHIP, SOCIAL, SCHOOL, CAMPUS)

CATEGORIES: Mapping[str, Mapping[str, str]] = {
    "amenity": {
        **dict.fromkeys(("restaurant", "bar", "pub", "cafe", "biergarten", "ice_cream", "food_court"), FOOD),
        "fast_food": f"{FOOD} > Fast Food Restaurant",
        "nightclub": f"{ARTS} > Night Club",
        **dict.fromkeys(
            ("cinema", "theatre", "arts_centre", "casino", "gambling", "planetarium", "studio", "music_venue"), ARTS
        ),
        "concert_hall": f"{ARTS} > Concert Hall",
        **dict.fromkeys(("library", "townhall", "courthouse", "police", "fire_station", "post_office"), CITY),
        **dict.fromkeys(("community_centre", "public_building", "conference_centre", "grave_yard", "crypt"), CITY),
        **dict.fromkeys(("fountain", "public_bookcase", "clock", "bench", "dive_centre", "bbq"), NATURE),
        "shelter": f"{NATURE} > Picnic Shelter",
        "animal_shelter": f"{CITY} > Animal Shelter",
        "animal_boarding": WORK,
        **dict.fromkeys(("marketplace", "pharmacy", "fuel", "vending_machine"), SHOPS),
        **dict.fromkeys(("bank", "atm", "bureau_de_change", "coworking_space", "car_wash", "internet_cafe"), WORK),
        **dict.fromkeys(("parking", "bicycle_rental", "bicycle_parking", "car_rental", "boat_rental"), TRAVEL),
        **dict.fromkeys(("bus_station", "ferry_terminal", "taxi", "charging_station", "toilets"), TRAVEL),
        **dict.fromkeys(("clinic", "hospital", "doctors", "dentist", "health_post", "nursing_home"), HEALTH),
        **dict.fromkeys(("veterinary", "blood_bank", "blood_donation", "hospice", "baby_hatch", "sanatorium"), HEALTH),
        **dict.fromkeys(("rehabilitation", "physiotherapist", "retirement_home", "ambulance_station"), HEALTH),
        **dict.fromkeys(("place_of_worship", "monastery", "church", "mosque", "synagogue", "temple"), WORSHIP),
        **dict.fromkeys(("prayer_room", "place_of_mourning", "shrine"), WORSHIP),
        **dict.fromkeys(("social_facility", "social_centre", "refugee_site", "refugee_housing"), SOCIAL),
        **dict.fromkeys(("food_bank", "soup_kitchen", "food_sharing", "give_box"), SOCIAL),
        **dict.fromkeys(("school", "kindergarten", "childcare", "preschool", "prep_school", "training"), SCHOOL),
        **dict.fromkeys(("language_school", "music_school", "driving_school", "dancing_school"), SCHOOL),
        **dict.fromkeys(("cooking_school", "flight_school", "surf_school", "ski_school"), SCHOOL),
        **dict.fromkeys(("college", "university", "student_accommodation"), CAMPUS),
        "prison": f"{CITY} > Prison",
        "jail": f"{CITY} > Jail",
        **dict.fromkeys(("brothel", "swingerclub", "love_hotel"), f"{WORK} > Brothel"),
        "stripclub": f"{ARTS} > Strip Club",
    },
    "shop": {
        **dict.fromkeys(("erotic", "adult", "sex"), f"{SHOPS} > Adult Store"),
        "religion": f"{CITY} > Religious Organization",
        "nutrition_supplements": f"{SHOPS} > Vitamin Store",
        OTHER: SHOPS,
    },
    "healthcare": {OTHER: HEALTH, "pharmacy": SHOPS},
    "healthcare:speciality": {OTHER: HEALTH},
    "medical": {OTHER: HEALTH},
    "social_facility": {OTHER: SOCIAL},
    "social_facility:for": {OTHER: SOCIAL},
    "community_centre:for": {OTHER: SOCIAL},
    "religion": {OTHER: WORSHIP},
    "denomination": {OTHER: WORSHIP},
    "education": {OTHER: SCHOOL},
    "school": {OTHER: SCHOOL},
    "isced:level": {OTHER: SCHOOL},
    "military": {OTHER: MILITARY},
    "lgbtq": {OTHER: QUEER},
    "gay": {OTHER: QUEER},
    "lesbian": {OTHER: QUEER},
    "tourism": {
        **dict.fromkeys(("museum", "gallery", "artwork", "zoo", "aquarium", "theme_park"), ARTS),
        **dict.fromkeys(("attraction", "viewpoint", "picnic_site", "wilderness_hut"), NATURE),
        "apartment": f"{TRAVEL} > Vacation Rental",
        OTHER: TRAVEL,
    },
    "leisure": {
        **dict.fromkeys(("park", "garden", "nature_reserve", "dog_park", "playground", "beach_resort"), NATURE),
        **dict.fromkeys(("dance", "adult_gaming_centre", "amusement_arcade", "escape_game", "bandstand"), ARTS),
        "summer_camp": f"{SCHOOL} > Summer Camp",
        "sauna": f"{WORK} > Sauna",
        OTHER: SPORT,
    },
    "historic": {
        **dict.fromkeys(("church", "chapel", "monastery", "mosque", "temple", "synagogue", "wayside_shrine"), WORSHIP),
        **dict.fromkeys(("wayside_chapel", "cathedral", "anchorite_cell"), WORSHIP),
        OTHER: NATURE,
    },
    "natural": {OTHER: NATURE},
    "man_made": {OTHER: NATURE},
    "office": {
        **dict.fromkeys(("religion", "parish", "diocese"), f"{CITY} > Religious Organization"),
        **dict.fromkeys(("political_party", "politician"), f"{CITY} > Political Organization"),
        **dict.fromkeys(("union", "labour_union", "trade_union"), f"{CITY} > Labor Union"),
        **dict.fromkeys(("charity", "refugee", "social_services"), SOCIAL),
        **dict.fromkeys(("physician", "therapist", "midwife", "healer", "medical", "psychologist"), HEALTH),
        **dict.fromkeys(("educational_institution", "tutoring"), SCHOOL),
        "university": CAMPUS,
        OTHER: WORK,
    },
    "club": {
        "religion": f"{CITY} > Religious Organization",
        **dict.fromkeys(("student", "students", "fraternity", "sorority"), CAMPUS),
        **dict.fromkeys(("veterans", "military"), f"{CITY} > Veterans' Organization"),
        **dict.fromkeys(("lgbt", "lgbtq", "gay"), QUEER),
        **dict.fromkeys(("ethnic", "immigrant"), f"{CITY} > Ethnic Organization"),
        **dict.fromkeys(("charity", "social"), SOCIAL),
        OTHER: SPORT,
    },
    "emergency": {"ambulance_station": f"{HEALTH} > Ambulance Service", OTHER: CITY},
    "landuse": {
        **dict.fromkeys(("religious", "churchyard"), WORSHIP),
        "military": MILITARY,
        "education": SCHOOL,
        "residential": HOME,
    },
    "building": {
        **dict.fromkeys(("church", "chapel", "cathedral", "mosque", "temple", "synagogue", "religious"), WORSHIP),
        **dict.fromkeys(("shrine", "monastery", "presbytery", "convent", "kingdom_hall"), WORSHIP),
        **dict.fromkeys(("hospital", "clinic"), HEALTH),
        **dict.fromkeys(("school", "kindergarten"), SCHOOL),
        **dict.fromkeys(("university", "college", "dormitory"), CAMPUS),
        **dict.fromkeys(("military", "barracks"), MILITARY),
        **dict.fromkeys(("prison",), f"{CITY} > Prison"),
        **dict.fromkeys(("apartments", "residential", "house", "detached", "semidetached_house", "terrace"), HOME),
        **dict.fromkeys(("bungalow", "static_caravan", "nursing_home"), HOME),
    },
    "aeroway": {OTHER: TRAVEL},
    "railway": {OTHER: TRAVEL},
    "public_transport": {OTHER: TRAVEL},
    "craft": {OTHER: WORK},
}
"""Key -> value -> the label above it, or the whole label where it is no group; `*` for values that are not listed."""

USED_TO_BE = ("disused:", "abandoned:", "was:", "demolished:", "removed:", "razed:")
NAMES = ("name", "name:en", "int_name", "official_name", "brand")
_IDS = ("@id", "full_id", "osm_id")
_SURE = ("amenity", "shop", "tourism", "leisure", "healthcare", "religion", "denomination", "social_facility")
"""Keys that mean the same in a table that does not say that it is OpenStreetMap's."""


def is_osm(record: Mapping[str, Any]) -> bool:
    """Whether a record is an element of OpenStreetMap."""
    return any(name in record for name in _IDS) or any(name.startswith("tags.") for name in record)


def osm_id(record: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """The element's id with its kind, `node/1`: a node, a way and a relation may have one number."""
    number = next((whole(found) for name in names for found in texts(record.get(name))), "")
    kind = next((found for name in ("@type", "osm_type") for found in texts(record.get(name))), "")
    return f"{kind}/{number}" if number and kind and not number[:1].isalpha() else number


def osm_labels(record: Mapping[str, Any]) -> list[str]:
    """Labels of the categories that a record's tags stand for; that a building is lived in counts where it is all."""
    labels = list(dict.fromkeys(_labels(record)))
    return [label for label in labels if label != HOME] or labels


def is_gone(record: Mapping[str, Any]) -> bool:
    """Whether an element says that it no longer is what it was."""
    tags = {name.removeprefix("tags.") for name, value in record.items() if not is_nothing(value)}
    was = any(tag.startswith(USED_TO_BE) for tag in tags)
    return (was and not osm_labels(record)) or any(
        is_yes(_tag(record, key)) for key in ("disused", "abandoned", "demolished")
    )


def label_of_value(value: str) -> str:
    """The label of a value that stands alone, as `place_of_worship` in a column of categories; "" where it is none."""
    return _by_value().get(value.strip().lower(), "")


def _labels(record: Mapping[str, Any]) -> Iterator[str]:
    is_whole = is_osm(record)
    for key in (key for key in CATEGORIES if key in record or f"tags.{key}" in record):
        labels = CATEGORIES[key]
        for value in filter(is_yes, texts(_tag(record, key))):
            word = value.lower()
            above = labels.get(word) or (labels.get(OTHER) if is_whole or key in _SURE else None)
            if above is not None or key == "amenity":
                yield _label(above or "", word)


def _tag(record: Mapping[str, Any], key: str) -> object:
    value = record.get(f"tags.{key}")
    return record.get(key) if is_nothing(value) else value


def _label(above: str, value: str) -> str:
    """The value's own words under a top-level category or a group; another label says all."""
    words = value.replace("_", " ").title()
    if above not in _GROUPS or words == "Yes":
        return above or words
    return f"{above} > {words}"


@cache
def _by_value() -> dict[str, str]:
    """Labels of the values that are listed, but for those of buildings; the first key that lists one counts."""
    found: dict[str, str] = {}
    for key, labels in CATEGORIES.items():
        for value, label in labels.items():
            if key != "building" and value != OTHER:
                found.setdefault(value, _label(label, value))
    return found
