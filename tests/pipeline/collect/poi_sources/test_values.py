"""Values as programs write them: each form of nothing, of a number, of yes and no, of a list and of an object."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from pipeline.collect.poi_sources.values import day, is_date, is_nothing, name, number, structure, text, texts, words

CAFE, DOCTOR = "Dining and Drinking > Cafe, Coffee, and Tea House > Café", "Health and Medicine > Doctor's Office"


@pytest.mark.fault("P15")
@pytest.mark.parametrize(
    "written",
    [
        pytest.param([CAFE, DOCTOR, None], id="a list"),
        pytest.param(f'["{CAFE}", "{DOCTOR}", null]', id="JSON"),
        pytest.param(f"['{CAFE}', \"{DOCTOR}\", None]", id="Python"),
        pytest.param(f"('{CAFE}', \"{DOCTOR}\")", id="a tuple"),
        pytest.param(f"{{'{CAFE}', \"{DOCTOR}\"}}", id="a set"),
        pytest.param(f"['{CAFE}' \"{DOCTOR}\"\n None]", id="numpy"),
        pytest.param(f"array(['{CAFE}', \"{DOCTOR}\"], dtype=object)", id="numpy's repr"),
        pytest.param(f"['{CAFE}', 'Health and Medicine > Doctor\\'s Office', NULL]", id="DuckDB"),
        pytest.param(f'{{"{CAFE}",NULL,"{DOCTOR}"}}', id="PostgreSQL"),
        pytest.param(f"['{CAFE}', 'Health and Medicine > Doctor''s Office']", id="SQL"),
        pytest.param(f"{CAFE}|{DOCTOR}", id="our own"),
        pytest.param(f"{CAFE}; {DOCTOR}", id="semicolons"),
    ],
)
def test_a_list_is_the_same_in_every_dress(written):
    assert texts(written) == [CAFE, DOCTOR]


@pytest.mark.fault("P15")
@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("[4bf5, 4bf6]", ["4bf5", "4bf6"]),
        ("[15014 13065]", ["15014", "13065"]),
        ("['4bf5' '4bf6']", ["4bf5", "4bf6"]),
        ("WrappedArray(4bf5, 4bf6)", ["4bf5", "4bf6"]),
        ("{4bf5,4bf6}", ["4bf5", "4bf6"]),
        ("4bf5,4bf6", ["4bf5", "4bf6"]),
        ("['4bf5', '4bf", ["4bf5", "4bf"]),
        ([15014.0, Decimal("13065.00")], ["15014", "13065"]),
        ("15014.0", ["15014"]),
        ("15,014", ["15014"]),
        ("13035,15014", ["13035", "15014"]),
        ("[]", []),
        ("[nan]", []),
        ("[None]", []),
        ("[Closed] Old Bar", ["[Closed]", "Old", "Bar"]),
    ],
)
def test_ids_and_flags_are_words(written, expected):
    assert words(written) == expected


@pytest.mark.fault("P15")
@pytest.mark.parametrize(
    "written",
    [
        '{"amenity": "hospital", "name:en": "A, B"}',
        "{'amenity': 'hospital', 'name:en': 'A, B'}",
        "{'amenity': hospital, 'name:en': 'A, B'}",
        "{amenity=hospital, 'name:en'='A, B'}",
        "{amenity=hospital, name:en='A, B'}",
        '"amenity"=>"hospital", "name:en"=>"A, B"',
        "[('amenity', 'hospital'), ('name:en', 'A, B')]",
        [("amenity", "hospital"), ("name:en", "A, B")],
    ],
)
def test_an_object_is_the_same_in_every_dress(written):
    assert structure(written) == {"amenity": "hospital", "name:en": "A, B"}


@pytest.mark.parametrize(
    "written", ["[", "{", "{'a':", "{a=", "[[[[[[[[[[[[[", "{{{=", "']", "[]]", "[,,]", "{=}", "(", "=>"]
)
def test_what_is_no_list_comes_to_an_end(written):
    texts(written)
    words(written)


@pytest.mark.fault("P16")
@pytest.mark.parametrize(
    ("written", "point", "comma"),
    [
        (Decimal("12.010000"), 12.01, 12.01),
        (Decimal("NaN"), None, None),
        ("12.01", 12.01, 12.01),
        ("\u221212.01", -12.01, -12.01),
        ("12,5", None, 12.5),
        ("1,234,567.5", 1_234_567.5, None),
        ("1.234.567,5", None, 1_234_567.5),
        ("1,234", 1234, 1.234),
        ("1 234", 1234, 1234),
        ("1\u202f234", 1234, 1234),
        ("1'234.5", 1234.5, 1234.5),
        ("NULL", None, None),
        (True, None, None),
    ],
)
def test_a_number_by_the_mark_before_its_fraction(written, point, comma):
    assert (number(written), number(written, ",")) == (point, comma)


@pytest.mark.fault("P17")
@pytest.mark.parametrize(
    "written",
    [
        *(
            None,
            float("nan"),
            Decimal("NaN"),
            "",
            " ",
            "NULL",
            "null",
            r"\N",
            "NaN",
            "nan",
            "NaT",
            "None",
            "N/A",
            "#N/A",
        ),
        *("<NA>", "NA", "nil", "-", "[]", "{}", [], {}),
    ],
)
def test_what_says_nothing(written):
    assert is_nothing(written)
    assert text(written) == ""
    assert not is_date(written)


@pytest.mark.fault("P17")
@pytest.mark.parametrize(
    "written", [False, 0, 0.0, "0", "0.0", "0,0", "N", "n", "f", "F", "False", "no", "FALSCH", "off", "open"]
)
def test_what_says_no(written):
    assert not is_date(written)
    assert not is_nothing(written)


@pytest.mark.fault("P17")
@pytest.mark.parametrize(
    "written", ["0000-00-00", "0001-01-01T00:00:00", "9999-12-31", "1970-01-01 00:00", "1900-01-00", "infinity"]
)
def test_a_date_that_stands_for_none(written):
    assert not is_date(written)


@pytest.mark.parametrize("written", [True, 1, "1", "Y", "t", "yes", "2024-01-01", date(2024, 1, 1), 1_704_067_200])
def test_what_says_yes(written):
    assert is_date(written)


@pytest.mark.fault("P17")
def test_a_place_may_have_a_name_that_looks_like_nothing():
    assert [name(written) for written in ("NA", "Nan", "Nil", "0")] == ["NA", "Nan", "Nil", "0"]
    assert [name(written) for written in ("NULL", r"\N", "nan", "None", None)] == [""] * 5


@pytest.mark.parametrize(
    "written", [date(2025, 9, 9), datetime(2025, 9, 9, 5, tzinfo=UTC), "2025-09-09 05:00", "20250909"]
)
def test_a_day_is_the_same_in_every_dress(written):
    assert day(written) == date(2025, 9, 9).toordinal()
    assert day("9 September") == day(None) == 0
