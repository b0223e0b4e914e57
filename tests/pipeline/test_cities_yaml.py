"""The YAML of cities.yaml: nothing is passed over in silence, and what is wrong within a city stays with it."""

import re

import pytest

from pipeline.cities_yaml import MAX_BYTES, Entry, read_entries

pytestmark = pytest.mark.fault("P26")
GOOD = Entry(key="rome", fields={"radius_km": 3})
ROME = "cities:\n  rome:\n    radius_km: 3\n"


def entries(city: str) -> list[Entry]:
    """Rome, and what stands behind it."""
    return read_entries((ROME + city).encode())


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
    (twice, other) = read_entries(b"cities:\n  a: {radius_km: 1}\n  b: {radius_km: 2}\n  a: {radius_km: 3}\n")
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
    first, other, last = read_entries(text.encode())
    assert (first, last) == (GOOD, Entry(key="c", fields={"study": {"seed": 1}}))
    assert other.key == "b" and re.match(fault, other.fault)


@pytest.mark.parametrize("place", ["first", "between", "last"])
@pytest.mark.parametrize("key", ["b", "b：", "b ="])
def test_a_city_whose_key_lacks_its_colon_is_told_and_no_other_is(key, place):
    lines = ["  rome:\n    radius_km: 3\n", "  c: {}\n"]
    lines.insert(["first", "between", "last"].index(place), f"  {key}\n    radius_km: 3\n")
    found = read_entries(f"cities:\n{''.join(lines)}".encode())
    assert [entry for entry in found if not entry.fault] == [GOOD, Entry(key="c")]
    [other] = [entry for entry in found if entry.fault]
    assert other.key == "b" and other.fault.startswith("line ")


def test_a_key_with_a_space_is_not_lost_where_another_city_is_no_yaml():
    text = "cities:\n  new york: {}\n  b:\n\tname: x\n  rome:\n    radius_km: 3\n"
    assert [entry.key for entry in read_entries(text.encode())] == ["new york", "b", "rome"]


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
        pytest.param(b"cities: {a: {}}\ncities: {b: {}}\n", "stands twice, again in line 2", id="two lists of cities"),
        pytest.param(b"cities: {a: {}}\nversion: 2\n", "line 2: 'version' stands beside", id="another key"),
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
        read_entries(text)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_files_of_every_editor_are_read(encoding, end):
    text = ROME.replace("\n", end) + "  # Zürich"
    assert read_entries(text.encode(encoding)) == [GOOD]


def test_anchors_work_within_and_from_beside_the_cities():
    text = "x-all: &all {seed: 1}\ncities:\n  a: {dataset: &own {<<: *all, kind: x}, study: *own}\n"
    (city,) = read_entries(text.encode())
    assert city.fields == {"dataset": {"seed": 1, "kind": "x"}, "study": {"seed": 1, "kind": "x"}}


def test_what_cities_share_by_anchors_is_no_key_that_stands_twice():
    text = (
        "cities:\n  a: &a {radius_km: 1, study: &s {<<: {seed: 1}, seed: 2}}\n  b: {<<: *a, radius_km: 2, study: *s}\n"
    )
    first, other = read_entries(text.encode())
    assert (first.fields, first.fault, other.fault) == ({"radius_km": 1, "study": {"seed": 2}}, "", "")
    assert other.fields == {"radius_km": 2, "study": {"seed": 2}}


@pytest.mark.parametrize(
    ("value", "read"),
    [("2:30", "2:30"), ("052", "052"), ("-0.5", -0.5), ("0", 0), ("1_000", 1000), ("0.5", 0.5), ("'2'", "2")],
)
def test_a_number_is_what_it_shows(value, read):
    (city,) = read_entries(f"cities: {{a: {{longitude: {value}}}}}".encode())
    assert city.fields == {"longitude": read}


@pytest.mark.parametrize("key", ["no", "1770", "on"])
def test_a_key_is_read_as_it_is_written(key):
    assert [entry.key for entry in read_entries(f"cities: {{{key}: {{}}}}".encode())] == [key]
