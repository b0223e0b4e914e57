"""Which source a city's POIs come from, and what a file has to hold."""

from pathlib import Path

import pandas as pd
import pytest

from pipeline.collect.pois import PoisSettings, build_pois
from pipeline.errors import StageError
from tests.fakes.poi_files import CITY, build, poi, table


@pytest.mark.parametrize("name", ["pois.json", "pois.csv", "pois.parquet", "POIS.CSV"])
def test_every_kind_of_file_gives_the_same_table(store, tmp_path, name):
    build(store, tmp_path, [poi(), poi(poi_id="p2", name="NA", latitude=12.02)], name=name)
    assert [(row["poi_id"], row["name"], row["latitude"], row["longitude"]) for row in table(store)] == [
        ("p1", "Old Lighthouse", 12.01, -30.01),
        ("p2", "NA", 12.02, -30.01),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("a.csv", b"poi_id,name\np1,x\n", "has no latitude", id="no coordinates"),
        pytest.param(
            "a.json", b'[{"poi_id": "p", "name": "x", "latitude": 1}]', "has no longitude", id="half of them"
        ),
        pytest.param("a.json", b"[]", "the file is empty", id="empty list"),
        pytest.param("a.json", b'{"results": 5}', "no list of POIs", id="no list"),
        pytest.param("a.json", b'[{"poi_id": ', "not a JSON file of POIs", id="cut"),
        pytest.param("a.csv", b"", "cannot be read", id="empty CSV"),
        pytest.param("a.csv", b"\xff\x00x", "cannot be read", id="binary CSV"),
        pytest.param("a.parquet", b"PAR1 no", "cannot be read", id="broken Parquet"),
        pytest.param("a.xlsx", b"PK", "must end in", id="another kind"),
        pytest.param(
            "a.json", b'[{"id": "p", "name": "x", "lat": 50, "lng": 8}]', "outside_city 1", id="all elsewhere"
        ),
    ],
)
def test_a_file_that_gives_no_poi_is_refused_with_a_reason(store, tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StageError, match=message):
        build_pois(store, CITY, PoisSettings(file=tmp_path / name))
    assert store.stage_record("town", "pois") is None
    assert table(store) == []


def test_a_file_that_this_user_may_not_read_is_not_to_be_made_again(store, tmp_path, monkeypatch):
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.suffix == ".csv":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    (tmp_path / "a.csv").write_text("poi_id,name,latitude,longitude\n")
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(StageError, match=r"a\.csv cannot be read \(Permission denied\): give this user the right to$"):
        build_pois(store, CITY, PoisSettings(file=tmp_path / "a.csv"))


def test_a_missing_file_and_no_file_at_all_say_what_to_put_where(store, tmp_path):
    with pytest.raises(StageError, match=r"there is no file of POIs at .*cities\.yaml"):
        build_pois(store, CITY, PoisSettings(file=tmp_path / "x.csv"))
    with pytest.raises(StageError, match=r"no source of POIs.*cities\.yaml"):
        build_pois(store, CITY, PoisSettings())


@pytest.fixture
def no_key(monkeypatch):
    monkeypatch.delenv("FOURSQUARE_API_KEY", raising=False)


def test_without_a_source_the_three_ways_are_reported(store, no_key):
    with pytest.raises(StageError, match=r"no source of POIs.*file: .*os_places: .*FOURSQUARE_API_KEY"):
        build_pois(store, CITY, PoisSettings())


def test_foursquare_without_a_key_names_the_variable(store, no_key):
    with pytest.raises(StageError, match="FOURSQUARE_API_KEY"):
        build_pois(store, CITY, PoisSettings(source="foursquare"))


@pytest.mark.parametrize("source", ["file", "os_places"])
def test_a_source_that_names_nothing_is_refused(store, source, monkeypatch):
    monkeypatch.setenv("FOURSQUARE_API_KEY", "0123456789")
    with pytest.raises(StageError, match=rf"source: {source} is set, but no path is given"):
        build_pois(store, CITY, PoisSettings(source=source))


def test_auto_takes_the_file_first_then_os_places(store, tmp_path, monkeypatch):
    monkeypatch.setenv("FOURSQUARE_API_KEY", "0123456789")
    build(store, tmp_path, [poi(poi_id="of the extract")], name="os.parquet")
    extract = tmp_path / "os.parquet"
    frame = pd.read_parquet(extract).rename(columns={"poi_id": "fsq_place_id"})
    frame.to_parquet(extract)
    build(store, tmp_path, [poi()], os_places=extract)
    assert [row["source"] for row in table(store)] == ["file"]
    build_pois(store, CITY, PoisSettings(os_places=extract))
    assert [(row["source"], row["poi_id"]) for row in table(store)] == [("os_places", "of the extract")]
    build_pois(store, CITY, PoisSettings(source="os_places", os_places=extract, file=tmp_path / "pois.json"))
    assert [row["source"] for row in table(store)] == ["os_places"]


@pytest.mark.slow
def test_the_demo_city_takes_its_own_pois_even_with_a_key(store, monkeypatch):
    monkeypatch.setenv("FOURSQUARE_API_KEY", "0123456789")
    city = CITY.model_copy(update={"demo": {"num_pois": 4, "num_posts": 48}, "is_synthetic": True})
    report = build_pois(store, city, PoisSettings())
    assert {row["source"] for row in table(store)} == {"demo"}
    assert report.record.notes == []
