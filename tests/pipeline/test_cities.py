"""cities.yaml: what is wrong is said in words, layers of settings override each other in order."""

import pytest

from pipeline.cities import CityError, Settings, load_cities, load_city

GOOD = """
cities:
  demo: {name: Demo, latitude: 1, longitude: 2, radius_km: 3, curated_posts: {value: 8}, dataset: }
"""


class Threshold(Settings):
    """A stage's settings."""

    value: int = 50
    language: str = "en"


@pytest.fixture
def cities_file(tmp_path):
    path = tmp_path / "cities.yaml"
    path.write_text(GOOD)
    return path


def test_the_projects_own_cities_load():
    assert list(load_cities()) == ["demo", "new-york", "melbourne", "hong-kong"]
    assert load_city("demo").is_synthetic


def test_layers_override_each_other(cities_file):
    city = load_city("demo", cities_file)
    assert city.settings("curated_posts", Threshold) == Threshold(value=8)
    assert city.settings("curated_posts", Threshold, {"value": 9, "language": None}) == Threshold(value=9)
    assert city.settings("dataset", Threshold) == Threshold()


def test_an_unknown_city_is_answered_with_those_that_are_known(cities_file):
    with pytest.raises(CityError, match=r"no city 'rome'.*demo"):
        load_city("rome", cities_file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("cities: [", "not a file of cities", id="no YAML"),
        pytest.param("towns: {}", "not a file of cities", id="another key"),
        pytest.param(GOOD.replace("latitude: 1", "latitude: 91"), "latitude", id="off the globe"),
        pytest.param(GOOD.replace("demo:", "../demo:"), "key", id="a key that is a path"),
        pytest.param(GOOD.replace("name", "nome"), "name: Field required", id="a misspelt field"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, text, message):
    path = tmp_path / "cities.yaml"
    path.write_text(text)
    with pytest.raises(CityError, match=message):
        load_cities(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CityError, match="there is no"):
        load_cities(tmp_path / "none.yaml")


def test_a_wrong_setting_names_stage_city_and_field(cities_file):
    with pytest.raises(CityError, match=r"curated_posts of city demo: value"):
        load_city("demo", cities_file).settings("curated_posts", Threshold, {"value": "many"})
