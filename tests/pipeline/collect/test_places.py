"""Places: locations of an archive matched with POIs, and the file in which a person overrules that."""

import json

import pytest

from pipeline.cities import City
from pipeline.collect.places import PlacesSettings, build_places, scan_locations
from pipeline.collect.pois import PoisSettings, build_pois
from pipeline.errors import StageError
from tests.fakes.archive import FakeArchive, instaloader_json

CITY = City(key="town", name="Town", latitude=12, longitude=-30, radius_km=50)
LIGHTHOUSE = {"poi_id": "p1", "name": "Old Lighthouse", "latitude": 12.0005, "longitude": -30.0}
MUSEUM = {"poi_id": "p2", "name": "Harbour Museum", "latitude": 12.05, "longitude": -30.0}


@pytest.fixture
def fake(tmp_path, store) -> FakeArchive:
    """An archive of one good post, and two POIs in the store."""
    path = tmp_path / "pois.json"
    path.write_text(json.dumps([LIGHTHOUSE, MUSEUM]))
    build_pois(store, CITY, PoisSettings(file=path))
    archive = FakeArchive(tmp_path / "archive")
    archive.post(1)
    return archive


def build(store, fake, **settings):
    return build_places(store, CITY, PlacesSettings(archive=fake.folder, **settings))


def matches(store) -> dict[str, str]:
    return {
        row["location_id"]: row["poi_id"] for row in store.tables.read("town", "places").to_pylist() if row["is_match"]
    }


def test_a_location_of_the_archive_is_matched(store, fake):
    fake.post(2, location={"id": 7, "name": "Nowhere", "lat": 1, "lng": 1})
    fake.post(3, location={"id": "8", "name": "harbour museum"})
    report = build(store, fake)
    assert matches(store) == {"212928653": "p1", "8": "p2"}
    assert report.counts == {
        "locations": 3,
        "matched_locations": 2,
        "ambiguous_locations": 0,
        "pairs": 2,
        "pois": 2,
        "matched_pois": 2,
    }
    (row, _) = store.tables.read("town", "places").to_pylist()
    assert (row["location_name"], row["latitude"], row["decided_by"]) == ("Old Lighthouse", 12.0, "distance_and_name")
    assert round(row["distance_m"]) == 56


def test_posts_of_one_location_are_merged(fake):
    from pipeline.collect.archive.folder import Archive

    for number, location in enumerate(
        [{"id": 9, "name": "B"}, {"id": "9", "name": "A", "lat": 2, "lng": 3}, {"id": 9, "name": "B"}, {"id": 9}],
        start=2,
    ):
        fake.post(number, location=location)
    stubs, num_posts = scan_locations(Archive.scan(fake.folder).entries())
    assert num_posts == 5
    assert [(stub.location_id, stub.name, stub.coordinates) for stub in stubs] == [
        ("212928653", "Old Lighthouse", (12.0, -30.0)),
        ("9", "B", (2.0, 3.0)),
    ]


def test_ambiguous_locations_are_listed_with_the_file_that_decides(store, fake, tmp_path):
    path = tmp_path / "more.json"
    path.write_text(json.dumps([LIGHTHOUSE, {**LIGHTHOUSE, "poi_id": "p3"}]))
    build_pois(store, CITY, PoisSettings(file=path))
    report = build(store, fake)
    assert report.counts["ambiguous_locations"] == 1
    assert "212928653" in report.record.notes[0]
    assert "town.csv" in report.record.notes[0]
    assert matches(store) == {}


class TestOverrules:
    def write(self, store, *lines: str) -> None:
        path = store.root / "overrules" / "town.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(["# a remark", "poi_id,location_id,is_match", *lines]))

    def test_the_file_is_made_with_a_header_and_changes_nothing(self, store, fake):
        assert not build(store, fake).is_reused
        assert "poi_id,location_id,is_match\n" in (store.root / "overrules" / "town.csv").read_text()
        assert build(store, fake).is_reused

    def test_an_edit_runs_the_stage_again_and_decides(self, store, fake):
        build(store, fake)
        self.write(store, "p2, 212928653, yes")
        assert not build(store, fake).is_reused
        assert matches(store) == {"212928653": "p2"}
        self.write(store, "p1,212928653,NO", "")
        build(store, fake)
        assert matches(store) == {}
        assert store.tables.read("town", "places")["decided_by"].to_pylist() == ["overrule"]

    @pytest.mark.fault("P23")
    @pytest.mark.parametrize(
        "content",
        [
            pytest.param("poi_id;location_id;is_match\r\np2;212928653;yes\r\n", id="semicolons"),
            pytest.param("poi_id\tlocation_id\tis_match\np2\t212928653\tTRUE\n", id="tabs"),
            pytest.param("poi_id,location_id,is_match,\n,,,\np2,212928653,Y,\n", id="commas at the end"),
            pytest.param("location_id,location_name,poi_id,is_match\n212928653,x,p2,1.0\n", id="other columns"),
            pytest.param("# a; remark\np2,212928653.0,t", id="an id as a float, no header"),
            pytest.param('"poi_id";"location_id";"is_match"\n"p2";"212928653";"yes"', id="quotes"),
        ],
    )
    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
    def test_a_file_that_a_spreadsheet_wrote_back_is_read(self, store, fake, content, encoding):
        path = store.root / "overrules" / "town.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode(encoding))
        build(store, fake)
        assert matches(store) == {"212928653": "p2"}

    @pytest.mark.parametrize(
        ("lines", "message"),
        [
            (["nope,212928653,yes"], r"line 3 .*POI 'nope'"),
            (["p1,212928653,yes", "p1,999,no"], r"line 4 .*location '999'"),
            (["p1,212928653,maybe"], r"line 3 .*'maybe'"),
            (["p1,212928653"], r"line 3 .*2 values"),
            (["p1,212928653,yes,no"], r"line 3 .*4 values"),
            (["p1,212928653,yes", "p1,212928653,no"], r"line 4 .*contrary"),
            (["p1,212928653,yes", "p2,212928653,yes"], r"line 4 .*second POI"),
        ],
    )
    def test_a_wrong_line_is_named_and_nothing_is_written(self, store, fake, lines, message):
        build(store, fake)
        self.write(store, *lines)
        with pytest.raises(StageError, match=message):
            build(store, fake)
        assert matches(store) == {"212928653": "p1"}

    def test_a_named_file_must_exist(self, store, fake, tmp_path):
        with pytest.raises(StageError, match="no overrule file"):
            build(store, fake, overrules=tmp_path / "x.csv")


def test_a_folder_without_places_is_reported(store, fake):
    for path in fake.folder.glob("*.json.xz"):
        path.unlink()
    fake.post(1, location=None)
    with pytest.raises(StageError, match=r"none of the 1 posts .* names its place"):
        build(store, fake)


def test_a_folder_without_posts_is_reported(store, fake):
    for path in fake.folder.glob("*.json.xz"):
        path.unlink()
    fake.json("a.json", instaloader_json({}, "Profile"))
    with pytest.raises(StageError, match=r"none of the 1 metadata files .* is a post"):
        build(store, fake)


def test_without_pois_or_an_archive_the_message_says_what_to_do(store, tmp_path):
    with pytest.raises(StageError, match="build the stage pois first"):
        build_places(store, CITY, PlacesSettings(archive=tmp_path))
    store_with_pois = build_pois_of(store, tmp_path)
    with pytest.raises(StageError, match=r"no source of posts.*cities\.yaml"):
        build_places(store_with_pois, CITY, PlacesSettings())


def build_pois_of(store, tmp_path):
    path = tmp_path / "pois.json"
    path.write_text(json.dumps([LIGHTHOUSE]))
    build_pois(store, CITY, PoisSettings(file=path))
    return store


def test_the_archive_of_posts_in_cities_yaml_is_taken_when_places_names_none(store, fake):
    city = CITY.model_copy(update={"stages": {"posts": {"archive": str(fake.folder)}}})
    assert build_places(store, city, PlacesSettings()).counts["matched_locations"] == 1
