"""Sensitive places: every id and name of the list is left out, and the list covers the recorded taxonomy."""

import csv
import json
import re

import pytest

from pipeline.collect.poi_sources.categories import (
    LIST,
    Category,
    SensitiveList,
    Sensitivity,
    Taxonomy,
    read_taxonomy,
    sensitive_list,
    sensitivity,
)
from pipeline.collect.poi_sources.files import PoiRow
from pipeline.errors import StageError

LINES = LIST.read_text(encoding="utf-8").splitlines()
ROWS = list(csv.DictReader(line for line in LINES if not line.startswith("#")))
RULES = sensitivity(Taxonomy(), [], "")
FTC_AREAS = {
    "medical",
    "religious",
    "correctional",
    "union",
    "education_childcare",
    "ethnic_association",
    "shelter_social_service",
    "military",
    "sexual_orientation",
}


def row(*ids, labels=(), **changes):
    return PoiRow(poi_id="p", category_ids=ids, category_labels=labels, **changes)


@pytest.mark.fault("P11")
@pytest.mark.parametrize("category_id", [known["category_id"] for known in ROWS if known["category_id"]])
def test_every_id_of_the_list_is_left_out(category_id):
    assert RULES.is_left_out(row(category_id))
    assert RULES.is_left_out(row("13035", category_id))


@pytest.mark.fault("P11")
@pytest.mark.parametrize("name", sorted({known["name"] for known in ROWS}))
def test_every_name_of_the_list_is_left_out(name):
    assert RULES.is_left_out(row(labels=(name,)))
    assert RULES.is_left_out(row(labels=(f"Anything > {name.upper()} > Something new",)))
    assert RULES.is_left_out(row(category_name=name))
    assert RULES.is_left_out(row(semantic_label=name))


@pytest.mark.fault("P11")
def test_the_areas_of_the_ftc_are_all_there():
    assert set(sensitive_list().areas) >= FTC_AREAS


def test_the_list_is_versioned_sorted_and_says_a_thing_once():
    assert re.fullmatch(r"\d+", sensitive_list().version)
    assert any(line.startswith("# date: 20") for line in LINES)
    assert "CC BY 3.0" in "".join(LINES)
    ids = [known["category_id"] for known in ROWS if known["category_id"]]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[0-9a-f]{24}|1\d{4}", known) for known in ids)
    area_of: dict[str, str] = {}
    assert all(area_of.setdefault(known["name"].casefold(), known["area"]) == known["area"] for known in ROWS)


@pytest.mark.fault("P20")
@pytest.mark.parametrize(
    ("poi", "is_left_out"),
    [
        pytest.param(row("13035", labels=("Coffee Shop",)), False, id="coffee"),
        pytest.param(row("4bf58dd8d48988d181941735", labels=("Museum",)), False, id="museum"),
        pytest.param(row("4bf58dd8d48988d15c941735", labels=("Cemetery",)), False, id="cemetery"),
        pytest.param(row("12002", labels=("Animal Shelter",)), False, id="animal shelter: a whole label counts"),
        pytest.param(row("10050", labels=("Samba School",)), False, id="samba school"),
        pytest.param(row("12004", labels=("Community Center",)), False, id="community center"),
        pytest.param(row("15999"), True, id="v3: all of Health and Medicine, known or not"),
        pytest.param(row(labels=("Health and Medicine > New Kind",)), True, id="a path below a sensitive label"),
        pytest.param(row("13011", labels=("Gay Bar",)), True, id="gay bar"),
        pytest.param(row(), False, id="no category"),
        pytest.param(row(labels=("Doctors, Hospitals",)), True, id="several in one text"),
        pytest.param(row(labels=("Health/Hospital",)), True, id="a path with a slash"),
        pytest.param(row(labels=("Retail \u203a Clinic",)), True, id="a path with an angle"),
        pytest.param(row(labels=("amenity=hospital",)), True, id="a tag in a column of categories"),
        pytest.param(row(labels=("Churches",)), True, id="the plural"),
        pytest.param(row(labels=("Doctor\u2019s Office",)), True, id="a curly apostrophe"),
        pytest.param(row(labels=("College &amp; University",)), True, id="an entity"),
        pytest.param(row(labels=("Health & Medicine",)), True, id="& for and"),
        pytest.param(row(labels=("Hospital (private)",)), True, id="brackets"),
        pytest.param(row(labels=("church_cathedral",)), True, id="words joined by _"),
        pytest.param(row(labels=("animal_shelter",)), False, id="unless they are known"),
        pytest.param(row(labels=("Cafe, Coffee, and Tea House",)), False, id="commas in a harmless label"),
    ],
)
def test_what_is_left_out(poi, is_left_out):
    assert RULES.is_left_out(poi) == is_left_out


@pytest.mark.fault("P11")
def test_what_stands_below_a_sensitive_category_in_the_taxonomy_is_left_out():
    taxonomy = Taxonomy(
        {
            "new": Category(("Community and Government", "Sanctuary"), ("12098", "12000")),
            "named": Category(("Community and Government", "Spiritual Center", "Sanctuary")),
            "other": Category(("Retail", "Sanctuary"), ("17000",)),
        }
    )
    rules = Sensitivity(known=sensitive_list(), taxonomy=taxonomy)
    assert [rules.is_left_out(row(name)) for name in ("new", "named", "other")] == [True, True, False]


def test_an_area_is_let_in_alone():
    rules = sensitivity(Taxonomy(), ["higher_education"], "campuses are studied")
    assert not rules.is_left_out(row("12013", labels=("College and University",)))
    assert not rules.is_left_out(row(labels=("Community and Government > Education > College and University > New",)))
    assert rules.is_left_out(row("12059", labels=("High School",)))
    assert rules.is_left_out(row("12013", "15014"))


def test_an_unknown_area_is_refused_with_those_there_are():
    with pytest.raises(StageError, match=r"no area faith: take of .*religious"):
        sensitivity(Taxonomy(), ["faith"], "x")


def test_categories_that_nobody_judged_are_reported():
    rows = [
        row("13035"),
        row("13999"),
        row("4bf58dd8d48988d181941735"),
        row("zz", labels=("Retail > Bookstore",)),
        row("63be6904847c3692a84b9bb5"),
    ]
    assert RULES.unknown_categories(rows) == ["13999", "4bf58dd8d48988d181941735"]
    known = Taxonomy({"4bf58dd8d48988d181941735": Category(("Arts and Entertainment", "Museum"))})
    rules = Sensitivity(known=SensitiveList("1", {}, {}), taxonomy=known)
    assert rules.unknown_categories(rows) == ["13999"]


WORDS = re.compile(
    r"(?i)\b(hospital|clinic|church|mosque|temple|synagogue|shrine|spiritual|school|college|university|prison|shelter"
    r"|union|hospice|doctor|physician|medical center|mental|rehab\w*|addiction|child care|daycare|preschool|military"
    r"|abuse|gay|monastery|kingdom hall|assisted living|nursing|blood|aids|maternity|women's health)\b"
)
NOT_SENSITIVE = {
    "Animal Shelter",
    "Samba School",
    "Credit Union",
    "Massage Clinic",
    "Skin Care Clinic",
    "Medical Supply Store",
    "Picnic Shelter",
}


@pytest.mark.fault("P11")
@pytest.mark.parametrize("name", ["integrated_category_taxonomy.json", "foursquare_to_integrated.json"])
def test_the_list_covers_the_recorded_taxonomy(shared_data, name):
    folder = shared_data / "foursquare" / "factual_places"
    content = json.loads((folder / name).read_text())
    labels = {
        category_id: entry["full_label"] if "full_label" in entry else entry["foursquare_label"].split(" > ")
        for category_id, entry in content.items()
    }
    suspect = {known: path for known, path in labels.items() if WORDS.search(" > ".join(path))}
    missed = {
        known: path
        for known, path in suspect.items()
        if not RULES.is_left_out(row(known)) and path[-1] not in NOT_SENSITIVE
    }
    assert len(suspect) > 90
    assert missed == {}


def test_with_the_recorded_taxonomy_no_recorded_place_is_unknown(shared_data):
    taxonomy = read_taxonomy(shared_data / "foursquare" / "factual_places" / "foursquare_to_integrated.json")
    rules = Sensitivity(known=sensitive_list(), taxonomy=taxonomy)
    assert rules.unknown_categories([row("4bf58dd8d48988d14e941735"), row("4f2a25ac4b909258e854f55f")]) == []
