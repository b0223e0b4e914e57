"""OpenStreetMap's elements as POIs: named by their tags, and none of a sensitive kind in any dress."""

import json

import pyarrow as pa
import pytest
from pyarrow import parquet

from pipeline.collect.poi_sources.categories import Taxonomy, sensitivity
from pipeline.collect.poi_sources.files import poi_of_record, read_poi_file
from pipeline.collect.poi_sources.osm import CATEGORIES, OTHER, label_of_value
from pipeline.collect.poi_sources.selection import select_pois
from pipeline.collect.poi_sources.tables import _record
from pipeline.errors import StageError
from tests.fakes.poi_files import CITY

RULES = sensitivity(Taxonomy(), [], "")
SENSITIVE = """
amenity=hospital amenity=clinic amenity=doctors amenity=dentist amenity=nursing_home amenity=veterinary
amenity=social_facility amenity=place_of_worship amenity=monastery amenity=school amenity=kindergarten
amenity=childcare amenity=college amenity=university amenity=language_school amenity=prison amenity=brothel
amenity=stripclub amenity=refugee_site amenity=student_accommodation amenity=food_bank amenity=blood_donation
healthcare=centre healthcare=psychotherapist healthcare:speciality=psychiatry office=therapist office=union
office=religion office=political_party shop=erotic military=barracks landuse=military landuse=religious
building=church building=mosque building=school building=hospital building=apartments historic=church
religion=muslim denomination=sunni social_facility=shelter club=veterans club=religion lgbtq=only gay=yes
education=school amenity=restaurant;clinic amenity=Hospital emergency=ambulance_station leisure=summer_camp
""".split()
HARMLESS = """
amenity=cafe amenity=shelter amenity=animal_shelter amenity=pharmacy amenity=library amenity=police
amenity=community_centre healthcare=pharmacy shop=bakery shop=optician tourism=museum tourism=hotel leisure=park
leisure=sports_centre historic=castle office=company religion=none lgbtq=no amenity=unheard_of craft=brewery
building=retail
""".split()


def element(number=1, kind="node", **changes):
    tags = {"name": "Somewhere", **changes.pop("tags", {})}
    return {"type": kind, "id": number, "lat": 12.01, "lon": -30.01, "tags": tags, **changes}


def read(tmp_path, content, name="pois.json"):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_poi_file(path)


def answer(*elements, **fields):
    return {"version": 0.6, "generator": "Overpass API", "elements": elements, **fields}


def row_of(tags):
    return poi_of_record(_record({"@id": "node/1", "tags": {"name": "x", **tags}}))


@pytest.mark.fault("P20")
@pytest.mark.parametrize("tag", SENSITIVE)
def test_a_sensitive_kind_is_left_out(tag):
    key, value = tag.split("=")
    assert RULES.is_left_out(row_of({key: value}))


@pytest.mark.fault("P20")
@pytest.mark.parametrize("tag", HARMLESS)
def test_a_harmless_kind_is_not(tag):
    key, value = tag.split("=")
    assert not RULES.is_left_out(row_of({key: value}))


@pytest.mark.fault("P20")
def test_every_value_of_a_sensitive_group_is_known_alone_too():
    """A column of categories may hold the bare value, as Geofabrik's `fclass`."""
    for key, labels in CATEGORIES.items():
        for value in set(labels) - {OTHER}:
            if key != "building" and RULES.is_left_out(row_of({key: value})):
                record = {"id": "1", "name": "x", "category": value}
                assert RULES.is_left_out(poi_of_record(record)), (key, value)


@pytest.mark.fault("P20")
def test_a_shop_in_a_house_of_flats_is_a_shop():
    row = row_of({"shop": "bakery", "building": "apartments"})
    assert (row.category_name, row.category_labels[0]) == ("Bakery", "Retail > Bakery")
    assert not RULES.is_left_out(row)
    assert RULES.is_left_out(row_of({"tourism": "attraction", "building": "cathedral"}))


@pytest.mark.fault("P20")
@pytest.mark.parametrize(
    ("tags", "labels"),
    [
        ({"amenity": "cafe"}, ["Dining and Drinking > Cafe"]),
        ({"amenity": "fast_food"}, ["Dining and Drinking > Fast Food Restaurant"]),
        ({"shop": "yes"}, ["Retail"]),
        ({"tourism": "museum", "shop": "gift"}, ["Retail > Gift", "Arts and Entertainment > Museum"]),
        ({"amenity": "bar;cafe"}, ["Dining and Drinking > Bar", "Dining and Drinking > Cafe"]),
        ({}, []),
    ],
)
def test_tags_in_foursquares_words(tags, labels):
    assert list(row_of(tags).category_labels) == labels
    assert label_of_value("unheard of") == ""


@pytest.mark.fault("P20")
def test_an_overpass_answer_is_read_with_ways_at_their_centres(tmp_path):
    way = element(1, "way", center={"lat": 12.02, "lon": -30.02}, tags={"name": "Park", "leisure": "park"})
    bounds = {"minlat": 12.0, "maxlat": 12.04, "minlon": -30.04, "maxlon": -30.0}
    area = element(2, "relation", bounds=bounds, tags={"name": "Old Town", "tourism": "attraction"})
    for place in (way, area):
        del place["lat"], place["lon"]
    nameless, bare = (
        element(3, tags={"name": "", "amenity": "bench"}),
        {"type": "node", "id": 4, "lat": 12, "lon": -30},
    )
    elements = [element(tags={"amenity": "hospital"}), element(5), way, area, nameless, bare, {"type": "way", "id": 6}]
    pois, drops = select_pois(read(tmp_path, answer(*elements)), CITY, RULES)
    assert [(poi.poi_id, poi.latitude, poi.longitude) for poi in pois] == [
        ("node/5", 12.01, -30.01),
        ("way/1", 12.02, -30.02),
        ("relation/2", 12.02, -30.02),
    ]
    assert sorted(drops.values()) == ["no_name"] * 3 + ["sensitive_category"]


@pytest.mark.fault("P20")
def test_an_answer_that_overpass_broke_off_is_refused(tmp_path):
    with pytest.raises(StageError, match=r"not the whole answer of Overpass \(runtime error: Query timed out"):
        read(tmp_path, answer(element(), remark='runtime error: Query timed out in "query" at line 3'))


FEATURE = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [-30.01, 12.01]}}
TAGS = {"name": "Town Hospital", "amenity": "hospital"}


@pytest.mark.fault("P20")
@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param(
            "turbo.geojson",
            [{**FEATURE, "id": "node/1", "properties": {"@id": "node/1", **TAGS}}],
            id="overpass turbo",
        ),
        pytest.param(
            "old.geojson",
            [{**FEATURE, "properties": {"type": "node", "id": 1, "tags": TAGS}}],
            id="osmtogeojson of old",
        ),
        pytest.param(
            "gdal.geojson",
            [
                {
                    **FEATURE,
                    "properties": {"osm_id": "1", "name": "x", "other_tags": '"amenity"=>"hospital","beds"=>"9"'},
                }
            ],
            id="GDAL",
        ),
        pytest.param(
            "gf.geojson",
            [{**FEATURE, "properties": {"osm_id": "1", "fclass": "hospital", "name": "x"}}],
            id="Geofabrik",
        ),
        pytest.param(
            "gf.geojson",
            [{**FEATURE, "properties": {"osm_id": "1", "fclass": "christian_catholic", "name": "x"}}],
            id="Geofabrik's places of worship",
        ),
        pytest.param(
            "overture.geojson",
            [{**FEATURE, "id": "1", "properties": {"names": {"primary": "x"}, "categories": {"primary": "hospital"}}}],
            id="Overture",
        ),
        pytest.param(
            "overture.geojson",
            [
                {**FEATURE, "id": "1"}
                | {"properties": {"names": {"primary": "x"}, "categories": {"primary": "church_cathedral"}}}
            ],
            id="Overture's words",
        ),
        pytest.param("a.csv", "@id\t@lat\t@lon\tname\tamenity\n1\t12.01\t-30.01\tx\tclinic\n", id="Overpass CSV"),
        pytest.param(
            "a.csv", "osm_id,osm_type,name,lat,lon,healthcare\n1,node,x,12,-30,doctor\n", id="a table of OSM"
        ),
        pytest.param("a.csv", "id,name,lat,lon,amenity\n1,x,12,-30,place_of_worship\n", id="a table with a tag"),
        pytest.param("a.csv", 'id,name,lat,lon,tags\n1,x,12,-30,"{amenity=hospital, name=x}"\n', id="DuckDB's map"),
        pytest.param(
            "a.csv", 'id,name,lat,lon,tags\n1,x,12,-30,"name=x;amenity=bar;hospital"\n', id="pairs in a text"
        ),
        pytest.param(
            "a.csv", 'id,name,lat,lon,tags\n1,x,12,-30,"[""amenity=hospital"", ""a=b""]"\n', id="list of texts"
        ),
        pytest.param("a.csv", "id,name,lat,lon,category\n1,x,12,-30,nursing_home\n", id="a bare value"),
        pytest.param("a.csv", 'id,name,lat,lon,categories\n1,x,12,-30,"Doctors, Hospitals"\n', id="Yelp"),
        pytest.param("a.csv", "id,name,lat,lon,categories\n1,x,12,-30,\"['Cafe' 'Hospital']\"\n", id="numpy's list"),
        pytest.param(
            "a.csv",
            "id,name,lat,lon,categories\n1,x,12,-30,\"[{'id': 12, 'name': 'Hospital'}]\"\n",
            id="objects as text",
        ),
        pytest.param("a.csv", "id,name,lat,lon,category\n1,x,12,-30,15014\n", id="an id for a label"),
        pytest.param(
            "a.csv", "id,name,lat,lon,category_id,fsq_category_ids\n1,x,12,-30,13035,15014.0\n", id="two of ids"
        ),
        pytest.param(
            "a.csv", "id,name,lat,lon,category_ids\n1,x,12,-30,4BF58DD8D48988D196941735\n", id="an id in capitals"
        ),
        pytest.param("a.csv", 'id,name,lat,lon,category_ids\n1,x,12,-30,"[13035, 15014]"\n', id="ids"),
        pytest.param(
            "a.csv", "id,name,lat,lon,category,types\n1,x,12,-30,Cafe,\"['food', 'church']\"\n", id="a second"
        ),
        pytest.param(
            "a.json", [{"id": 1, "name": "x", "lat": 12, "lon": -30, "categories": ["Hospital"]}], id="a list"
        ),
        pytest.param(
            "a.json", [{"id": 1, "name": "x", "lat": 12, "lon": -30, "types": ["health", "doctor"]}], id="Google"
        ),
    ],
)
def test_a_hospital_in_any_dress_is_left_out(tmp_path, name, content):
    rows = read(tmp_path, {"type": "FeatureCollection", "features": content} if "geo" in name else content, name)
    assert list(select_pois(rows, CITY, RULES)[1].values()) == ["sensitive_category"]


@pytest.mark.fault("P20")
@pytest.mark.parametrize(
    "tags",
    [
        pytest.param(
            pa.array(
                [[{"key": b"amenity", "value": b"hospital"}]],
                pa.list_(pa.struct({"key": "binary", "value": "binary"})),
            ),
            id="osm-parquetizer",
        ),
        pytest.param(pa.array([[{"k": "amenity", "v": "hospital"}]]), id="pairs of k and v"),
        pytest.param(pa.array([[("amenity", "hospital")]], pa.map_("string", "string")), id="a map"),
        pytest.param(pa.array([[(b"amenity", b"hospital")]], pa.map_("binary", "binary")), id="a map of bytes"),
    ],
)
def test_a_hospital_in_parquets_lists_of_tags_is_left_out(tmp_path, tags):
    columns = {"id": ["1"], "name": ["x"], "lat": [12.0], "lon": [-30.0], "tags": tags}
    parquet.write_table(pa.table(columns), tmp_path / "pois.parquet")
    rows = read_poi_file(tmp_path / "pois.parquet")
    assert list(select_pois(rows, CITY, RULES)[1].values()) == ["sensitive_category"]


@pytest.mark.fault("P20")
def test_a_column_of_another_table_is_no_tag(tmp_path):
    content = "id,name,lat,lon,category,office,school\n1,x,12,-30,Cafe,555 1234,Northern District\n"
    (row,) = read(tmp_path, content, "a.csv")
    assert row.category_labels == ("Cafe",)


@pytest.mark.fault("P20")
def test_what_no_longer_stands_there_is_closed(tmp_path):
    gone = element(1, tags={"disused:amenity": "restaurant"})
    changed = element(2, tags={"was:amenity": "bank", "amenity": "restaurant"})
    empty = element(3, tags={"tourism": "hotel", "abandoned": "yes"})
    assert [row.is_closed for row in read(tmp_path, answer(gone, changed, empty))] == [True, False, True]


@pytest.mark.fault("P20")
def test_a_node_and_a_way_of_one_number_are_two(tmp_path):
    content = "osm_id,osm_type,name,lat,lon\n1,node,x,12.01,-30\n1.0,way,y,12.02,-30\n"
    assert [row.poi_id for row in read(tmp_path, content, "a.csv")] == ["node/1", "way/1"]
