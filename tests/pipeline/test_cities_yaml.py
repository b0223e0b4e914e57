"""The YAML of cities.yaml: nothing is passed over in silence, and what is wrong within a city stays with it."""

import re

import pytest

from pipeline.cities_file import MAX_BYTES, read_file
from pipeline.cities_yaml import Entry

pytestmark = pytest.mark.fault("P26")
GOOD = Entry(key="rome", fields={"radius_km": 3})
ROME = "cities:\n  rome:\n    radius_km: 3\n"


def entries(city: str) -> list[Entry]:
    """Rome, and what stands behind it."""
    return read_file((ROME + city).encode()).entries


@pytest.mark.parametrize(
    ("city", "fault"),
    [
        pytest.param("  b:\n    posts: {}\n    posts: {}\n", "posts stands twice, in lines 5 and 6", id="a section"),
        pytest.param("  b: {dataset: {seed: 1, seed: 2}}\n", "seed stands twice", id="a setting twice"),
        pytest.param("  b: [1, 2]\n", "line 4: it holds a list in place of its fields", id="a list"),
        pytest.param("  b: Berlin\n", "it holds 'Berlin' in place", id="a name alone"),
        pytest.param("  b:\n", "it holds nothing in place", id="nothing"),
        pytest.param("  b: {name: !!python/object:os.system x}\n", "could not determine a constructor", id="a tag"),
        pytest.param("  b: {name: !!timestamp 2024-13-45}\n", "month must be in 1..12", id="a date that is none"),
        pytest.param("  b: &b {posts: *b}\n", "holds itself", id="an anchor within itself"),
        pytest.param("  b: {? [1, 2] : 3}\n", "unhashable", id="a list as key"),
        pytest.param("b:\n  name: B\n", "line 4: it stands beside `cities:` and not under it", id="not indented"),
    ],
)
def test_a_fault_within_a_city_is_that_citys(city, fault):
    first, other = entries(city)
    assert first == GOOD
    assert (other.key, other.fields) == ("b", {})
    assert fault in other.fault


def test_a_city_that_stands_twice_is_told_once_and_the_others_are_read():
    (twice, other) = read_file(b"cities:\n  a: {radius_km: 1}\n  b: {radius_km: 2}\n  a: {radius_km: 3}\n").entries
    assert twice == Entry(key="a", fault="it stands 2 times, in lines 2 and 4: leave one of them")
    assert other.fields == {"radius_km": 2}


@pytest.mark.parametrize(
    "link", ["[{0}, {0}, {0}, {0}, {0}, {0}, {0}, {0}]", "{{<<: [{0}, {0}, {0}, {0}, {0}, {0}]}}"]
)
def test_what_unfolds_without_end_is_not_unfolded(link):
    levels = ["x0: &x0 {k: v}"] + [f"x{n}: &x{n} {link.format(f'*x{n - 1}')}" for n in range(1, 30)]
    bomb = "".join(f"    {level}\n" for level in levels)
    first, other = entries(f"  b:\n{bomb}")
    assert first == GOOD
    assert "unfolds to more than 10,000 values" in other.fault


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        pytest.param("    name: A\n\tradius_km: 3\n", "line 9, column 1: .* indent with spaces", id="a tab"),
        pytest.param(
            "    name: 'A\n    radius_km: 3\n", "line 10, column 1: found unexpected end of stream", id="an open quote"
        ),
        pytest.param("    posts: {archive: x\n", "line 9, column 1: .*", id="an open bracket"),
        pytest.param("    name: A: B\n", "line 8, column 12: mapping values are not allowed", id="a colon"),
        pytest.param("    name: *none\n", "line 8, column 11: .*undefined alias", id="an anchor that is not there"),
        pytest.param("   name: A\n    radius_km: 3\n", "line 9.*", id="uneven indents"),
    ],
)
def test_what_is_no_yaml_within_a_city_is_that_citys(lines, fault):
    text = (
        f"# mine\nx-all: &all {{seed: 1}}\ncities:\n  rome:\n    radius_km: 3\n\n  b:\n{lines}  'c': {{study: *all}}\n"
    )
    first, other, last = read_file(text.encode()).entries
    assert (first, last) == (GOOD, Entry(key="c", fields={"study": {"seed": 1}}))
    assert other.key == "b" and re.match(fault, other.fault)


@pytest.mark.parametrize("place", ["first", "between", "last"])
@pytest.mark.parametrize("key", ["b", "b：", "b ="])
def test_a_city_whose_key_lacks_its_colon_is_told_and_no_other_is(key, place):
    lines = ["  rome:\n    radius_km: 3\n", "  c: {}\n"]
    lines.insert(["first", "between", "last"].index(place), f"  {key}\n    radius_km: 3\n")
    found = read_file(f"cities:\n{''.join(lines)}".encode()).entries
    assert [entry for entry in found if not entry.fault] == [GOOD, Entry(key="c")]
    [other] = [entry for entry in found if entry.fault]
    assert other.key == "b" and other.fault.startswith("line ")


def test_a_key_with_a_space_is_not_lost_where_another_city_is_no_yaml():
    text = "cities:\n  new york: {}\n  b:\n\tname: x\n  rome:\n    radius_km: 3\n"
    assert [entry.key for entry in read_file(text.encode()).entries] == ["new york", "b", "rome"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param(b"", "it is empty", id="empty"),
        pytest.param(b"# nothing\n", "it is empty", id="comments alone"),
        pytest.param(b"- rome\n", "holds a list", id="a list"),
        pytest.param(b"citties: {a: {}}\n", "has no `cities:`: write it in place of `citties:`", id="a misspelt key"),
        pytest.param(b"cities:\n", "`cities:` holds nothing", id="no city"),
        pytest.param(b"cities: {}\n", "`cities:` holds nothing", id="an empty mapping"),
        pytest.param(b"cities: [{key: a}]\n", "`cities:` holds a list", id="a list of cities"),
        pytest.param(b"cities:\n  - name: A\n", "`cities:` holds a list", id="a list of cities, a line each"),
        pytest.param(
            b"cities: [a]\ncities:\n", "holds a list: .*line 2: `cities:` holds nothing", id="two of no city"
        ),
        pytest.param(b"cities:\n\ta: {}\n", "line 2, column 1: .* indent with spaces", id="a tab"),
        pytest.param(b"cities: {a: {}\n", "line 2, column 1", id="an open bracket"),
        pytest.param(b"cities:\n  a: *none\n", "line 2.*undefined alias", id="an anchor that is not there"),
        pytest.param(b"cities: {a: {}}\n---\ncities: {}\n", "line 2.*another document", id="two documents"),
        pytest.param("cities:\n  a: {name: Z\u00fcrich}\n".encode("latin-1"), "line 2 .*not UTF-8", id="latin-1"),
        pytest.param(b"cities:\n  a: {name: \x07}\n", "line 2 holds the character 0x7", id="a control character"),
        pytest.param(b"[" * 5000, "nested too deep", id="nested too deep"),
        pytest.param(b"#" * (MAX_BYTES + 1), "more than 1024 KiB", id="too large"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_with_its_line(text, why):
    with pytest.raises(ValueError, match=why):
        read_file(text)


@pytest.mark.fault("P30")
@pytest.mark.parametrize(
    ("beside", "fault"),
    [
        pytest.param(
            "version: 2\n", "line 4: `version:` stands beside `cities:` and is unknown: take it out", id="a key"
        ),
        pytest.param("[a]: 2\n", "line 4: `a list:` stands beside", id="a key that is none"),
        pytest.param("City: 2\n", "line 4: `City:` .* unknown .did you mean cities", id="a key with a slip"),
        pytest.param("citys: {b: {}}\n", "line 4: `citys:` .* unknown .did you mean cities", id="cities with a slip"),
        pytest.param("cities:\n", "line 4: `cities:` holds nothing", id="no cities"),
        pytest.param("cities: [b]\n", "line 4: `cities:` holds a list", id="a list of cities"),
        pytest.param(
            "version 2\n", "line 4: it is no `key: value`; what stands beside `cities:` is not read", id="no YAML"
        ),
        pytest.param(
            "x-mine: {a\nb: *c\n", "line 5, .*what stands beside `cities:` is not read", id="an open bracket"
        ),
    ],
)
def test_what_stands_beside_the_cities_stops_no_city(beside, fault):
    found = read_file((ROME + beside).encode())
    assert found.entries == [GOOD]
    (told,) = found.faults
    assert re.match(fault, told)
    assert read_file((beside + ROME).encode()).entries == [GOOD], "also before them"


@pytest.mark.fault("P30")
def test_the_cities_of_two_lists_are_read_and_the_second_list_is_told():
    found = read_file(b"cities: {a: {}, b: {}}\ncities: {b: {}, c: {}}\n")
    assert [entry.key for entry in found.entries if not entry.fault] == ["a", "c"]
    assert found.entries[1].fault == "it stands 2 times, in lines 1 and 2: leave one of them"
    assert found.faults == ["lines 1 and 2: `cities:` stands 2 times: put all cities under one"]


PLACE = "name: B\n{0}latitude: 1\n{0}radius_km: 3\n"


@pytest.mark.fault("P30")
@pytest.mark.parametrize(
    ("city", "fault"),
    [
        pytest.param(
            f"    b:\n      {PLACE.format(' ' * 6)}", "line 5: it stands within rome; .*too far", id="a level"
        ),
        pytest.param(
            "    b: {latitude: 1}\n", "line 5: it stands within rome; .*line it up with rome", id="in one line"
        ),
        pytest.param(f"    b:\n    radius_km: 3\n    {PLACE.format(' ' * 4)}", "line 5: it stands within", id="flush"),
        pytest.param(
            f"   b:\n      {PLACE.format(' ' * 6)}", "line 5: it is indented by 3, .* cities by 2", id="a space"
        ),
        pytest.param(
            f" b:\n    {PLACE.format(' ' * 4)}", "line 5: it is indented by 1, .* cities by 2", id="too little"
        ),
        pytest.param(f"b:\n    {PLACE.format(' ' * 4)}", "line 5: it stands beside `cities:`", id="not at all"),
    ],
)
def test_a_city_that_is_indented_otherwise_is_told_and_its_neighbour_is_read(city, fault):
    text = ROME.replace("  rome", "  c: {}\n  rome") + city
    last, first, other = read_file(text.encode()).entries
    assert (last, first, other.key, other.fields) == (Entry(key="c"), GOOD, "b", {})
    assert re.match(fault, other.fault)


SPOILT = {
    "not indented": "{text}",
    "a space less": "{short}{text}",
    "a tab": "\t{text}",
    "an open quote": "{line} '",
    "an open bracket": "{line} [",
    "no colon": "{line}x",
    "another document": "{line}\n---",
    "a key beside": "{line}\nversion: 2",
    "a line that is none": "{line}\nversion 2",
}


@pytest.mark.fault("P30")
@pytest.mark.parametrize("how", SPOILT)
def test_a_line_that_is_spoilt_costs_its_own_city_at_most(how):
    cities = {key: f"  {key}:\n    latitude: 1\n    posts:\n      archive: x" for key in ("a", "b", "c")}
    for spoilt, lines in cities.items():
        for line in lines.splitlines():
            text = line.strip()
            wrong = SPOILT[how].format(line=line, text=text, short=" " * (line.index(text) - 1))
            written = {**cities, spoilt: lines.replace(line, wrong)}
            found = read_file("\n".join(["cities:", *written.values()]).encode())
            good = [entry for entry in found.entries if not entry.fault and entry.key != spoilt]
            assert [entry.key for entry in good] == [key for key in cities if key != spoilt], wrong
            assert found.faults or any(spoilt == entry.key for entry in found.entries), wrong


@pytest.mark.fault("P30")
def test_keys_are_as_they_are_written_at_every_depth():
    (city,) = read_file(b"cities: {a: {no: 1, 123: {on: 2, 052: 3, 1.0: 4, null: 5}}}").entries
    assert city.fields == {"no": 1, "123": {"on": 2, "052": 3, "1.0": 4, "null": 5}}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_files_of_every_editor_are_read(encoding, end):
    text = ROME.replace("\n", end) + "  # Zürich"
    assert read_file(text.encode(encoding)).entries == [GOOD]


def test_anchors_work_within_and_from_beside_the_cities():
    text = "x-all: &all {seed: 1}\ncities:\n  a: {dataset: &own {<<: *all, kind: x}, study: *own}\n"
    (city,) = read_file(text.encode()).entries
    assert city.fields == {"dataset": {"seed": 1, "kind": "x"}, "study": {"seed": 1, "kind": "x"}}


def test_what_cities_share_by_anchors_is_no_key_that_stands_twice():
    text = (
        "cities:\n  a: &a {radius_km: 1, study: &s {<<: {seed: 1}, seed: 2}}\n  b: {<<: *a, radius_km: 2, study: *s}\n"
    )
    first, other = read_file(text.encode()).entries
    assert (first.fields, first.fault, other.fault) == ({"radius_km": 1, "study": {"seed": 2}}, "", "")
    assert other.fields == {"radius_km": 2, "study": {"seed": 2}}


@pytest.mark.parametrize(
    ("value", "read"),
    [("2:30", "2:30"), ("052", "052"), ("-0.5", -0.5), ("0", 0), ("1_000", 1000), ("0.5", 0.5), ("'2'", "2")],
)
def test_a_number_is_what_it_shows(value, read):
    (city,) = read_file(f"cities: {{a: {{longitude: {value}}}}}".encode()).entries
    assert city.fields == {"longitude": read}


@pytest.mark.parametrize("key", ["no", "1770", "on"])
def test_a_key_is_read_as_it_is_written(key):
    assert [entry.key for entry in read_file(f"cities: {{{key}: {{}}}}".encode()).entries] == [key]
