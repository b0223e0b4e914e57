"""cities.yaml: what is wrong is said in words, layers of settings override each other in order."""

import pytest

from pipeline.cities import STAGE_NAMES, CityError, Settings, load_cities, load_city, read_cities
from pipeline.stages import STAGES, checked_cities, checked_city

GOOD = """
cities:
  demo: {name: Demo, latitude: 1, longitude: 2, radius_km: 3, curated_posts: {value: 8}, dataset: }
"""
PLACE = {"name": "Rome", "latitude": 1, "longitude": 2, "radius_km": 3}
OSLO = "name: Oslo, latitude: 1, longitude: 2, radius_km: 3"


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
    ],
)
def test_a_wrong_file_is_refused(tmp_path, text, message):
    path = tmp_path / "cities.yaml"
    path.write_text(text)
    with pytest.raises(CityError, match=message):
        load_cities(path)


@pytest.mark.fault("P26")
def test_the_names_of_the_stages_are_those_of_the_stages():
    assert list(STAGE_NAMES) == list(STAGES)


@pytest.mark.fault("P26")
@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("radius: 3", r"'radius' is .* .did you mean radius_km\?"),
        ("curate_posts: {}", r"did you mean curated_posts\?"),
        ("Posts: {}", r"did you mean posts\?"),
        ("min_hashtag_count: 8", "'min_hashtag_count' is neither a field of a city nor a stage"),
        ("latitude: 37,8136", "'8136' is neither"),
        ("radius_km: ", "radius_km: must be a number, not nothing"),
        ("radius_km: .inf", "radius_km: must be a finite number, not inf"),
        ("radius_km: .nan", "radius_km: must be a finite number, not nan"),
        ("radius_km: yes", r"radius_km: must be a number, not the switch true \(also yes and on\)"),
        ("radius_km: 0", "radius_km: must be more than 0, not 0"),
        ("radius_km: -3", "radius_km: must be more than 0, not -3"),
        ("radius_km: 25000", "radius_km: must be at most 20016, not 25000"),
        ("radius_km: '12,5'", "radius_km: must be a number, not '12,5': write 12.5"),
        (
            "latitude: 95, longitude: 2:30",
            "latitude: must be at most 90, not 95; longitude: must be a number, not '2:30'",
        ),
        ("longitude: [2]", "longitude: must be a number, not a list"),
        ("name: 1770", "name: must be text .*, not 1770"),
        ("name: ' '", "name: must not be empty, not ' '"),
        ("name: ", "name: must be text .*, not nothing"),
        ("posts: 5", "posts: must be a mapping, as {key: value}, not 5"),
        ("no: 5, 123: {}", "'no' is neither .*'123' is neither"),
        ("posts: {on: 1}", "on is unknown"),
        ("live: ", "live: it holds nothing: write {} for its defaults, or leave it out"),
        ("demo: ", "demo: it holds nothing: write {} for its defaults"),
        ("pois: {from_archive: }", "from_archive: it holds nothing: write {} for its defaults"),
        ("pois: {from_archive: {min_posts: many}}", "from_archive.min_posts: must be a whole number, not 'many'"),
        ("pois: {max_pois: 2.5}", "max_pois: must be a whole number, not 2.5"),
        ("pois: {file: [a]}", "file: must be the path of a file or folder, not a list"),
        ("pois: {categories: bars}", r"categories: must be a list, as \[a, b\], not 'bars'"),
        ("pois: {ask_premium: perhaps}", "ask_premium: must be true or false, not 'perhaps'"),
        ("dataset: {split: usr}", r"split: must be 'auto', 'user' or 'time', not 'usr' \(did you mean user\?\)"),
        ("study: {device: gpu}", "device: not 'gpu'; Device: auto, cpu, cuda or cuda:N"),
        ("study: {hashtag_thresholds: {a: 1}}", "hashtag_thresholds: must be a list, .*, not a mapping"),
        ("posts: {archiv: x}", r"settings of stage posts .*archiv is unknown .did you mean archive\?"),
        ("pois: {from_archive: {min_post: 8}}", r"from_archive.min_post is unknown .did you mean min_posts\?"),
        ("dataset: {min_hashtag_count: 8}", "min_hashtag_count is unknown"),
        ("pois: {from_archive: {min_post: 3}}", r"from_archive.min_post is unknown .did you mean min_posts\?"),
        ("live: {purpos: x}", r"live settings.*did you mean purpose\?"),
        ("demo: {sed: 7}", r"demo settings.*did you mean seed\?"),
        ("train_mrlf: {max_epochs: -3}", "stage train_mrlf of city rome: max_epochs must be"),
        ("study: {max_epochs: yes}", "max_epochs: must be a whole number, not the switch true"),
    ],
)
def test_one_citys_mistake_is_one_citys_mistake(tmp_path, more, why):
    path = tmp_path / "cities.yaml"
    kept = ", ".join(f"{key}: {value}" for key, value in PLACE.items() if f"{key}:" not in more)
    path.write_text(f"cities:\n  rome: {{{kept}, {more}}}\n  oslo: {{{OSLO}, study: }}\n")
    cities = checked_cities(path)
    assert (cities.keys, list(cities.usable), list(cities.unusable)) == (["rome", "oslo"], ["oslo"], ["rome"])
    with pytest.raises(CityError, match=f"city 'rome' of .*cities.yaml cannot be used .*{why}"):
        cities.city("rome")


@pytest.mark.fault("P26")
@pytest.mark.parametrize(
    ("key", "advice"),
    [
        ("New York", "rename it new-york"),
        ("zürich", "rename it zurich"),
        ("../demo", "rename it demo"),
        ("1770", "begins with a letter"),
        ("Ω", ""),
    ],
)
def test_a_key_that_is_no_slug_is_told_with_one_that_is(tmp_path, key, advice):
    path = tmp_path / "cities.yaml"
    path.write_text(GOOD + f"  {key}: {{{OSLO}}}\n")
    cities = read_cities(path)
    assert list(cities.usable) == ["demo"]
    assert advice in cities.unusable[key]


@pytest.mark.fault("P26")
def test_a_city_that_is_asked_for_is_checked_whole(tmp_path, monkeypatch):
    path = tmp_path / "cities.yaml"
    path.write_text(f"cities: {{rome: {{{OSLO}, pois: {{max_poi: 1}}}}}}")
    monkeypatch.setenv("MRLF_CITIES", str(path))
    with pytest.raises(CityError, match=r"did you mean max_pois\?"):
        checked_city("rome")


@pytest.mark.fault("P26")
def test_a_near_name_is_offered_for_a_city_that_is_not_there(cities_file):
    with pytest.raises(CityError, match=r"did you mean demo\?"):
        load_city("demmo", cities_file)


@pytest.mark.fault("P26")
def test_a_near_name_is_offered_also_where_that_city_cannot_be_used(tmp_path):
    path = tmp_path / "cities.yaml"
    path.write_text("cities: {rome: {radius: 3}}")
    with pytest.raises(CityError, match=r"did you mean rome\?.: add it there$"):
        load_city("rom", path)


@pytest.mark.fault("P26")
def test_a_folder_in_place_of_the_file_is_named(tmp_path):
    with pytest.raises(CityError, match="it is no file"):
        load_cities(tmp_path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CityError, match="there is no"):
        load_cities(tmp_path / "none.yaml")


def test_a_wrong_setting_names_stage_city_and_field(cities_file):
    with pytest.raises(CityError, match=r"curated_posts of city demo: value"):
        load_city("demo", cities_file).settings("curated_posts", Threshold, {"value": "many"})
