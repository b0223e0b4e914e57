"""Categories: the top level of every kind of id, with and without a taxonomy, from every kind of file."""

import json

import pandas as pd
import pytest

from pipeline.collect.poi_sources.categories import TOP_LEVEL, Taxonomy, read_taxonomy
from pipeline.errors import StageError

OS_PLACES = [
    {"category_id": "aa", "category_level": 1, "category_label": "Dining and Drinking", "level1_category_id": "aa"},
    {
        "category_id": "bb",
        "category_level": 3,
        "category_label": "Dining and Drinking > Bar > Wine Bar",
        "level1_category_id": "aa",
        "level2_category_id": "ab",
        "level3_category_id": "bb",
    },
]
FACTUAL = {
    "1": {"full_label": ["Foursquare Places"], "parents": []},
    "13000": {"full_label": ["Dining and Drinking"], "parents": ["1"]},
    "13003": {"full_label": ["Dining and Drinking", "Bar"], "parents": ["13000"]},
    "13025": {"full_label": ["Dining and Drinking", "Bar", "Wine Bar"], "parents": ["13003"]},
}
OLD_IDS = {
    "4bf1": {
        "foursquare_label": "Nightlife Spot > Bar > Wine Bar",
        "single_match": {
            "integrated_category_id": "13025",
            "integrated_category_label": "Dining and Drinking > Bar > Wine Bar",
            "is_exact": True,
        },
    },
}


@pytest.mark.parametrize(
    ("ids", "labels", "expected"),
    [
        pytest.param(["13035"], ["Coffee Shop"], "Dining and Drinking", id="v3 by its thousand"),
        pytest.param(["16000"], [], "Landmarks and Outdoors", id="a v3 thousand"),
        pytest.param(["63be6904847c3692a84b9bb5"], [], "Dining and Drinking", id="a top-level id"),
        pytest.param(["4d4b7105d754a06374d81259"], [], "Dining and Drinking", id="an old top-level id"),
        pytest.param(["x"], ["Retail > Bookstore"], "Retail", id="a path"),
        pytest.param(["x"], ["Retail"], "Retail", id="a path of the top level alone"),
        pytest.param(["x", "17001"], ["Something"], "Retail", id="the first that is known"),
        pytest.param(["4bf58dd8d48988d181941735"], ["Museum"], "", id="an id below the top level"),
        pytest.param(["99999"], [], "", id="no thousand of ours"),
        pytest.param([], [], "", id="none"),
    ],
)
def test_top_level_without_a_taxonomy(ids, labels, expected):
    assert Taxonomy().top_level(ids, labels) == expected


def write(tmp_path, name, records):
    path = tmp_path / name
    match path.suffix:
        case ".json":
            path.write_text(json.dumps(records))
        case ".csv":
            pd.DataFrame(records).to_csv(path, index=False)
        case ".parquet":
            pd.DataFrame(records).to_parquet(path)
    return path


@pytest.mark.parametrize("name", ["categories.parquet", "categories.csv", "categories.json"])
def test_the_categories_of_os_places_are_read_from_every_kind_of_file(tmp_path, name):
    taxonomy = read_taxonomy(write(tmp_path, name, OS_PLACES))
    assert taxonomy.path("bb") == ("Dining and Drinking", "Bar", "Wine Bar")
    assert taxonomy.above("bb") == ("ab", "aa")
    assert taxonomy.top_level(["bb"], ["Wine Bar"]) == "Dining and Drinking"


HEADER = "category_id,category_label,level1_category_id,level2_category_id,level3_category_id"
WINE_BAR = 'bb,"Dining and Drinking > Bar > Wine Bar",aa,ab,bb'


@pytest.mark.fault("P23")
@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("c.json", "\n".join(map(json.dumps, OS_PLACES)), id="an object per line"),
        pytest.param("c.json", json.dumps(OS_PLACES[1]), id="one object"),
        pytest.param("c.ndjson", json.dumps(OS_PLACES[1]), id="one line"),
        pytest.param("c.json", pd.DataFrame(OS_PLACES).to_json(), id="pandas' columns"),
        pytest.param("c.csv", f"{HEADER}\n{WINE_BAR},\n", id="commas at the end"),
        pytest.param("c.csv", f"{HEADER}\n{WINE_BAR}\n".replace(",", ";"), id="semicolons"),
        pytest.param(
            "c.tsv", f"{HEADER},level4_category_id\n{WINE_BAR},NULL\n".replace(",", "\t"), id="words for nothing"
        ),
        pytest.param("c.csv", "\ufeff" + f"{HEADER}\n{WINE_BAR}\n".replace("\n", "\r\n"), id="a mark"),
    ],
)
def test_categories_are_read_as_their_program_wrote_them(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    taxonomy = read_taxonomy(tmp_path / name)
    assert (taxonomy.path("bb"), taxonomy.above("bb")) == (("Dining and Drinking", "Bar", "Wine Bar"), ("ab", "aa"))


def test_the_files_of_factual_places_are_read(tmp_path):
    taxonomy = read_taxonomy(write(tmp_path, "taxonomy.json", FACTUAL))
    assert (taxonomy.path("13025"), taxonomy.above("13025")) == (
        ("Dining and Drinking", "Bar", "Wine Bar"),
        ("13003", "13000"),
    )
    assert taxonomy.path("1") == ()
    old = read_taxonomy(write(tmp_path, "old.json", OLD_IDS))
    assert (old.top_level(["4bf1"], ["Wine Bar"]), old.above("4bf1")) == ("Dining and Drinking", ("13025",))


def test_parents_that_go_round_end():
    around = {"a": {"full_label": ["A"], "parents": ["b"]}, "b": {"full_label": ["B"], "parents": ["a"]}}
    from pipeline.collect.poi_sources.categories import _of_factual

    assert _of_factual(around)["a"].above == ("b", "a")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b"{}", "holds no list|is no taxonomy"),
        ("a.json", b'{"a": ', "not a JSON file"),
        ("a.csv", b"x,y\n1,2\n", "is no taxonomy"),
        ("a.txt", b"x", "must end in"),
    ],
)
def test_a_file_that_is_no_taxonomy_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StageError, match=message):
        read_taxonomy(tmp_path / name)


def test_a_missing_taxonomy_is_named(tmp_path):
    with pytest.raises(StageError, match="there is no taxonomy"):
        read_taxonomy(tmp_path / "x.csv")


def test_the_recorded_taxonomies_are_read_whole(shared_data):
    folder = shared_data / "foursquare" / "factual_places"
    taxonomy = read_taxonomy(folder / "integrated_category_taxonomy.json")
    assert len(taxonomy.categories) == 1145
    assert {path[0] for path in (category.path for category in taxonomy.categories.values())} == set(
        TOP_LEVEL.values()
    )
    assert taxonomy.path("12101") == ("Community and Government", "Spiritual Center", "Church")
    assert all(taxonomy.path(known)[0] == TOP_LEVEL[known[:2]] for known in taxonomy.categories)
    old = read_taxonomy(folder / "foursquare_to_integrated.json")
    assert len(old.categories) == 964
    assert old.top_level(["4bf58dd8d48988d14e941735"], ["American Restaurant"]) == "Dining and Drinking"


def test_pois_get_the_top_level_of_a_taxonomy_and_what_is_unknown_is_reported(build, server, store, tmp_path):
    from tests.fakes.foursquare_server import MUSEUM

    report = build(max_pois=2)
    assert (report.counts["category_not_in_taxonomy"], report.counts["unknown_categories"]) == (2, 1)
    assert any("taxonomy: " in note and MUSEUM in note for note in report.record.notes)
    path = write(tmp_path, "c.csv", [{"category_id": MUSEUM, "category_label": "Arts and Entertainment > Museum"}])
    report = build(max_pois=2, taxonomy=path)
    assert not {"category_not_in_taxonomy", "unknown_categories"} & set(report.counts)
    assert report.record.notes == []
    rows = store.tables.read("town", "pois").to_pylist()
    assert {row["semantic_label"] for row in rows} == {"Arts and Entertainment"}
    write(tmp_path, "c.csv", [{"category_id": MUSEUM, "category_label": "Retail > Museum"}])
    assert not build(max_pois=2, taxonomy=path).is_reused
