"""What the command line says of Foursquare's answers: since and until when, what then, what holds their names."""

import pytest

from pipeline.cities import City
from pipeline.cli.keeping import keeping_lines
from pipeline.collect.poi_sources.keeping import expire_pois
from pipeline.store.files import seal
from tests.fakes.clock import FakeClock

CITY = City(key="town", name="Town", latitude=12, longitude=-30, radius_km=10)
POI = {
    "poi_id": "p1",
    "name": "Old Mill",
    "latitude": 12.0,
    "longitude": -30.0,
    "category_ids": ["1"],
    "category_name": "Mill",
    "semantic_label": "Landmarks",
    "rank": 1,
    "popularity": 0.5,
}


def release(store, version: str, **about: str) -> None:
    folder = store.dataset_folder("town", version)
    folder.mkdir(parents=True)
    seal(folder, about, [])


@pytest.mark.fault("P14")
def test_what_is_told_of_answers_that_are_kept_over_and_kept_for_ever(store):
    clock = FakeClock()
    store.tables.replace("town", "pois", [{**POI, "source": "foursquare", "retrieved_utc": clock.now()}])
    then = "then all but the ids is deleted, and the next build requests them again"
    assert keeping_lines(store, CITY, clock.now()) == [
        "  asked            2026-03-01 12:00 UTC, of Foursquare",
        f"  kept until       2026-03-02 12:00 UTC (foursquare_keep_hours: 24): {then}",
    ]
    for_ever = CITY.model_copy(update={"stages": {"pois": {"foursquare_keep_hours": None}}})
    assert "for ever (foursquare_keep_hours: null)" in keeping_lines(store, for_ever, clock.now())[1]
    clock.pass_by(24 * 3600)
    assert "is to be deleted; the next build requests them again" in keeping_lines(store, CITY, clock.now())[1]
    expire_pois(store, "town", 24, clock.now())
    assert "the ids is deleted; the next build requests them again" in keeping_lines(store, CITY, clock.now())[1]


@pytest.mark.fault("P14")
def test_data_sets_that_hold_foursquares_names_are_told_and_those_of_another_source_are_not(store):
    clock = FakeClock()
    store.tables.replace("town", "pois", [{**POI, "source": "foursquare", "retrieved_utc": clock.now()}])
    release(store, "aaaa", pois_source="foursquare")
    release(store, "bbbb", pois_source="file")
    release(store, "cccc")  # of an older version, which did not say
    (store.root / "datasets" / "town" / "dddd").mkdir()
    result = keeping_lines(store, CITY, clock.now())[-1]
    assert result.startswith("  names also in    data sets aaaa, cccc, and the models and reports made of them")


def test_of_pois_from_elsewhere_nothing_is_told(store):
    assert keeping_lines(store, CITY, FakeClock().now()) == []
    store.tables.replace("town", "pois", [{**POI, "source": "os_places", "retrieved_utc": FakeClock().now()}])
    assert keeping_lines(store, CITY, FakeClock().now()) == []
