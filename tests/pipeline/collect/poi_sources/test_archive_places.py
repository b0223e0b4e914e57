"""POIs of the places that an archive's posts name: which are POIs, and which posts are theirs."""

import random
import shutil

import pytest

from pipeline.cities import City
from pipeline.collect.archive.fields import LocationStub
from pipeline.collect.places import PlacesSettings, build_places
from pipeline.collect.poi_sources.archive_places import SAME_PLACE_M, SamePlaces
from pipeline.collect.pois import PoisSettings, build_pois
from pipeline.collect.posts import PostsSettings, build_posts
from pipeline.errors import StageError
from pipeline.geo import distance_km
from pipeline.privacy.opt_out import add_opt_outs
from tests.fakes.archive import FakeArchive, graphql_node

CITY = City(key="town", name="Port Town", latitude=12, longitude=-30, radius_km=20)
TAKEN = 1_600_000_000


@pytest.fixture
def fake(tmp_path) -> FakeArchive:
    return FakeArchive(tmp_path / "archive")


@pytest.fixture
def city(fake) -> City:
    return CITY.model_copy(update={"stages": {"posts": {"archive": str(fake.folder)}}})


def place(location_id=1, name="Old Lighthouse", lat=12.0, lng=-30.0) -> dict:
    """A location as Instagram states it; None leaves a part out."""
    stated = {"id": str(location_id), "name": name, "lat": lat, "lng": lng}
    return {key: value for key, value in stated.items() if value is not None}


def write(fake, *places: dict, first=1, **changes) -> None:
    """A post per place, each a day after the one before."""
    for number, location in enumerate(places, start=first):
        taken = TAKEN + number * 86_400
        fake.post(number, location=location, taken_at_timestamp=taken, **{"pictures": 0, **changes})


def build(store, city, min_posts=2, **settings):
    return build_pois(store, city, PoisSettings(from_archive={"min_posts": min_posts}, **settings))


def build_all(store, city, min_posts=2):
    """The POIs, then which location is at which of them, and the place of each post."""
    build(store, city, min_posts)
    build_places(store, city, PlacesSettings())
    build_posts(store, city, PostsSettings())
    rows = store.tables.read("town", "places").to_pylist()
    posts = store.tables.read("town", "posts").to_pylist()
    matched = {row["location_id"]: (row["poi_id"], row["decided_by"]) for row in rows if row["is_match"]}
    return matched, sorted((post["location_id"], post["poi_id"]) for post in posts)


def pois(store) -> list[tuple[str, str, float]]:
    rows = store.tables.read("town", "pois").to_pylist()
    return [(row["poi_id"], row["name"], row["popularity"]) for row in sorted(rows, key=lambda row: row["rank"])]


def reasons(report) -> dict[str, int]:
    return {
        name.removeprefix("dropped/"): count for name, count in report.counts.items() if name.startswith("dropped/")
    }


@pytest.mark.fault("P24")
def test_places_that_enough_posts_name_are_pois_the_most_frequent_first(store, fake, city):
    pier = place(2, "Pier 7", lat=12.05)
    write(fake, place(), place(), pier, pier, pier, place(3, "Once", lat=12.1))
    fake.post(7, node=graphql_node(7, location=None), pictures=0)
    report = build(store, city)
    assert pois(store) == [("2", "Pier 7", 3), ("1", "Old Lighthouse", 2)]
    assert reasons(report) == {"too_few_posts": 1}
    assert (report.counts["posts"], report.counts["posts_without_place"]) == (7, 1)
    row = max(store.tables.read("town", "pois").to_pylist(), key=lambda row: row["poi_id"])
    assert (row["latitude"], row["longitude"], row["source"]) == (12.05, -30.0, "from_archive")
    assert (row["category_name"], row["semantic_label"]) == ("", "")
    assert "hospitals" in report.record.notes[0]


@pytest.mark.fault("P24")
@pytest.mark.parametrize(
    ("location", "reason"),
    [
        pytest.param(place(lat=None, lng=None), "no_coordinates", id="without coordinates"),
        pytest.param(place(lat=0, lng=0), "no_coordinates", id="at the null island"),
        pytest.param(place(lat=12.5), "outside_city", id="elsewhere"),
        pytest.param(place(name=None), "no_name", id="without a name"),
        pytest.param(place(name="Port Town, Some State"), "city_itself", id="the city's own page"),
        pytest.param(place(name="City of Port Town"), "city_itself", id="the same in other words"),
        pytest.param(place(name="PT"), "city_itself", id="the city in short", marks=pytest.mark.fault("P28")),
        pytest.param(place(name="Australia"), "area", id="a country", marks=pytest.mark.fault("P28")),
        pytest.param(place(name="Port Town General Hospital"), "sensitive_category", id="sensitive by name"),
    ],
)
def test_a_place_that_is_no_poi_is_counted_with_its_reason(store, fake, city, location, reason):
    write(fake, location, location, place(2, "Pier 7"), place(2, "Pier 7"))
    report = build(store, city)
    assert [poi_id for poi_id, *_ in pois(store)] == ["2"]
    assert reasons(report) == {reason: 1}
    is_told = any("--login" in note for note in report.record.notes)
    assert is_told == (reason == "no_coordinates")


@pytest.mark.fault("P24")
def test_posts_go_to_their_place_by_its_id_whatever_it_is_called_and_whatever_lies_near(store, fake, city):
    near = place(3, "Old Lighthouse Cafe")
    write(fake, place(name="El Faro"), place(name="El Faro"), place(2, "Pier 7"), place(2, "Pier 7"), near)
    write(fake, place(2, "Muelle 7", lat=12.002), first=6)
    matched, posts = build_all(store, city)
    assert matched == {"1": ("1", "location_id"), "2": ("2", "location_id")}
    assert posts == [("1", "1")] * 2 + [("2", "2")] * 3


@pytest.mark.fault("P24")
def test_what_the_newest_post_says_of_a_place_counts(store, fake, city):
    write(fake, place(name="Quay", lat=12.01), place(name="Quay", lat=12.01), place(name="Quay Two", lat=12.02))
    write(fake, place(name=None, lat=None, lng=None), first=4)
    build(store, city)
    assert pois(store) == [("1", "Quay Two", 4)]
    assert store.tables.read("town", "pois")["latitude"].to_pylist() == [12.02]


@pytest.mark.fault("P24")
@pytest.mark.parametrize(
    ("other", "is_one"),
    [
        pytest.param(place(2, "The Pier"), True, id="the same words"),
        pytest.param(place(2, "Pier, the", lat=12.00269), True, id="in another order, 299 m away"),
        pytest.param(place(2, "THE PIER (Port Town)"), True, id="with the city's name"),
        pytest.param(place(2, "The Pier", lat=12.00271), False, id="301 m away"),
        pytest.param(place(2, "The Pier Cafe"), False, id="other words"),
        pytest.param(place(2, "The Pier", lat=None, lng=None), False, id="nobody knows where"),
    ],
)
def test_pages_of_one_place_are_one_poi_with_the_posts_of_all(store, fake, city, other, is_one):
    write(fake, *[place(1, "The Pier")] * 3, other, other)
    matched, posts = build_all(store, city, min_posts=3)
    assert pois(store) == [("1", "The Pier", 5 if is_one else 3)]
    assert matched == {"1": ("1", "location_id")} | ({"2": ("1", "same_place")} if is_one else {})
    assert len(posts) == (5 if is_one else 3)


@pytest.mark.fault("P24")
def test_how_far_other_sources_match_is_no_limit_of_pages_of_one_place(store, fake, city):
    write(fake, place(1, "The Pier"), place(1, "The Pier"), place(2, "Pier, the", lat=12.002))
    build(store, city)
    build_places(store, city, PlacesSettings(max_distance_m=100))
    assert store.tables.read("town", "places")["decided_by"].to_pylist() == ["location_id", "same_place"]


@pytest.mark.fault("P24")
def test_two_places_of_one_name_keep_it_apart_and_their_posts(store, fake, city):
    write(fake, place(1, "Corner Bar"), place(1, "Corner Bar"), *[place(2, "Corner Bar", lat=12.05)] * 2)
    write(fake, place(3, "Corner Bar", lat=12.0501), first=5)
    matched, _ = build_all(store, city)
    assert pois(store) == [("2", "Corner Bar (2)", 3), ("1", "Corner Bar (1)", 2)]
    assert matched["3"] == ("2", "same_place")


@pytest.mark.fault("P24")
def test_a_place_lies_where_its_newest_post_was_made_if_no_post_says_where_it_is(store, fake, city):
    nowhere = place(lat=None, lng=None)
    write(fake, nowhere, nowhere, lat=12.03, lng=-30.03)
    write(fake, nowhere, first=3, lat=12.04, lng=-30.03)
    assert reasons(build(store, city)) == {}
    assert store.tables.read("town", "pois")["latitude"].to_pylist() == [12.04]


@pytest.mark.fault("P24")
def test_a_post_counts_once_and_one_that_may_not_be_used_not_at_all(store, fake, city):
    write(fake, place(), place(), place(2, "Pier 7"))
    fake.post(1, stem="copy", location=place(), pictures=0)
    fake.post(8, location=place(2, "Pier 7"), owner={"id": "5", "username": "eve"}, pictures=0)
    fake.post(9, location=place(2, "Pier 7"), owner={"id": "6", "username": "p", "is_private": True}, pictures=0)
    assert not build(store, city).is_reused
    assert pois(store) == [("1", "Old Lighthouse", 2), ("2", "Pier 7", 2)]
    add_opt_outs(store, ["@eve"])
    assert not build(store, city).is_reused
    assert pois(store) == [("1", "Old Lighthouse", 2)]


@pytest.mark.fault("P24")
def test_the_same_archive_gives_the_same_pois_and_another_one_new_ones(store, fake, city, tmp_path):
    write(fake, place(), place(), place(2, "Pier 7"))
    first = build(store, city)
    assert build(store, city).is_reused
    shutil.copytree(fake.folder, tmp_path / "copy")
    elsewhere = CITY.model_copy(update={"stages": {"posts": {"archive": str(tmp_path / "copy")}}})
    assert build(store, elsewhere).record.outputs == first.record.outputs
    write(fake, place(2, "Pier 7"), first=4)
    assert not build(store, city).is_reused
    assert len(pois(store)) == 2
    assert pois(store)[0][0] == "1"


@pytest.mark.fault("P24")
def test_a_person_overrules_the_id(store, fake, city):
    write(fake, place(), place(), place(2, "Pier 7"), place(2, "Pier 7"), place(3, "Jetty", lat=12.1))
    build(store, city)
    path = store.root / "overrules" / "town.csv"
    path.parent.mkdir()
    path.write_text("poi_id,location_id,is_match\n1,1,no\n2,3,yes\n")
    matched, posts = build_all(store, city)
    assert matched == {"2": ("2", "location_id"), "3": ("2", "overrule")}
    assert posts == [("2", "2")] * 2 + [("3", "2")]


@pytest.mark.fault("P24")
@pytest.mark.parametrize(
    ("places", "message"),
    [
        pytest.param([place(), place(2, "Pier 7")], r"too_few_posts.*lower min_posts", id="too few posts"),
        pytest.param([place(lat=None)] * 3, r"no_coordinates 1.*--login", id="no coordinates"),
        pytest.param([place(lat=50)] * 3, r"outside_city 1.*radius_km", id="elsewhere"),
        pytest.param([None] * 3, r"none of its 3 posts names its place", id="no places"),
    ],
)
def test_an_archive_that_gives_no_poi_says_why_and_what_to_do(store, fake, city, places, message):
    write(fake, *places)
    with pytest.raises(StageError, match=message):
        build(store, city)


@pytest.mark.fault("P24")
def test_a_city_with_an_archive_and_no_pois_is_told_this_way_first(store, fake, city, monkeypatch):
    monkeypatch.delenv("FOURSQUARE_API_KEY", raising=False)
    with pytest.raises(
        StageError, match=r"There are 5: the places that .*`pois: \{from_archive: \{min_posts: 10\}\}`"
    ):
        build_pois(store, city, PoisSettings())


@pytest.mark.fault("P24")
@pytest.mark.parametrize(
    ("written", "min_posts"),
    [
        pytest.param(True, 10, id="yes"),
        pytest.param({}, 10, id="the defaults"),
        pytest.param({"min_posts": 3}, 3, id="a number"),
        pytest.param(False, None, id="no"),
    ],
)
def test_the_setting_can_be_a_switch(written, min_posts):
    assert getattr(PoisSettings(from_archive=written).from_archive, "min_posts", None) == min_posts


@pytest.mark.fault("P24")
@pytest.mark.parametrize(
    ("written", "what"),
    [(kind, r"write `from_archive: \{min_posts: 10\}`") for kind in (10, "archive", [10])] + [(None, "holds nothing")],
)
def test_a_setting_of_another_kind_is_refused_with_what_to_write(written, what):
    with pytest.raises(ValueError, match=what):
        PoisSettings(from_archive=written)


@pytest.mark.fault("P24")
def test_without_an_archive_the_setting_says_what_it_needs(store):
    live = CITY.model_copy(update={"live": {}})
    with pytest.raises(StageError, match=r"has no archive.*posts: \{archive: path/to/folder\}"):
        build(store, live)


@pytest.mark.fault("P24")
@pytest.mark.parametrize("longitude", [-30.0, 179.999], ids=["anywhere", "at the date line"])
def test_the_nearest_page_is_the_one_that_a_loop_finds(longitude):
    rng = random.Random(0)
    places = SamePlaces("Port Town")
    stubs = []
    for number in range(40):
        lng = longitude + rng.uniform(0, 0.01)
        point = (12 + rng.uniform(0, 0.01), lng - 360 if lng > 180 else lng)
        stubs.append(LocationStub(location_id=str(number), name="The Pier", coordinates=point))
    known, asked = stubs[:20], stubs[20:]
    for stub in known:
        places.add(stub)
    for stub in asked:
        apart_m, nearest = min((apart_in_m(stub.coordinates, one.coordinates), one.location_id) for one in known)
        assert places.find(stub) == (nearest if apart_m <= SAME_PLACE_M else "")
    assert {places.find(stub) == "" for stub in asked} == {True, False}


def apart_in_m(a, b) -> float:
    return float(1000 * distance_km(*a, *b))
