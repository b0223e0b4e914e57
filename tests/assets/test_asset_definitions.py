"""The definitions: what Dagster loads, and what its pages and commands make of it."""

import runpy
import subprocess
import sys

import dagster as dg
import pytest

from assets import definitions
from assets.schedules import REFRESHED
from assets.stages import code_version
from pipeline.cities import load_cities
from pipeline.stages import STAGES
from tests.assets.helpers import ROOT, write_cities

DEFINITIONS = definitions.defs()
GRAPH = DEFINITIONS.resolve_asset_graph()
OF_A_CITY_OR_ALL = {"train_mrlf", "evaluate_mrlf"}
ON_REQUEST = {"study_data", "study"}
"""No part of `+evaluate_mrlf`: built when somebody asks for it."""


def node(name: str):
    """What the graph knows of an asset."""
    return GRAPH.get(dg.AssetKey(name))


def selected(*words: str) -> set[str]:
    """The assets that `--select` takes, as the command line reads it."""
    return {key.to_user_string() for key in dg.AssetSelection.from_coercible(list(words)).resolve(GRAPH)}


@pytest.mark.fault("D8")
def test_the_definitions_are_valid():
    dg.Definitions.validate_loadable(DEFINITIONS)


def test_there_is_one_asset_per_stage_in_the_room_of_its_name():
    assert {key.to_user_string() for key in GRAPH.get_all_asset_keys()} == set(STAGES)
    assert {name: node(name).group_name for name in STAGES} == {name: stage.room for name, stage in STAGES.items()}


@pytest.mark.parametrize("name", STAGES)
def test_an_asset_says_what_it_is(name):
    asset = node(name)
    assert asset.description and asset.kinds and asset.owners and asset.check_keys
    assert asset.code_version.startswith(STAGES[name].code_version[:12])


@pytest.mark.fault("D17")
@pytest.mark.parametrize("name", STAGES)
def test_an_asset_and_its_checks_are_partitioned_by_city(name):
    nodes = [node(name), *(GRAPH.get(key) for key in node(name).check_keys)]
    assert [each.partitions_def.get_partition_keys() for each in nodes] == [list(load_cities())] * len(nodes)


@pytest.mark.fault("D16")
@pytest.mark.parametrize("name", STAGES)
def test_a_city_depends_on_itself_alone(name):
    for parent in node(name).parent_keys:
        mapping = GRAPH.get_partition_mapping(dg.AssetKey(name), parent)
        assert isinstance(mapping, dg.IdentityPartitionMapping), parent


@pytest.mark.parametrize("name", sorted(set(STAGES) - OF_A_CITY_OR_ALL - {"study"}))  # nothing follows the study
def test_checks_of_a_city_block_what_follows(name):
    checks = {key.name: GRAPH.get(key).blocking for key in node(name).check_keys}
    assert {check for check, blocks in checks.items() if not blocks} <= {"nothing_waits", "shares_hold"}
    assert any(checks.values())


@pytest.mark.parametrize("words", [("+evaluate_mrlf", "train_mrlf"), ('+key:"evaluate_mrlf"', 'key:"train_mrlf"')])
def test_all_of_a_city_is_one_selection_on_the_command_line_and_in_the_search_of_the_ui(words):
    page = (ROOT / "README.md").read_text()
    assert selected(words[0]) == set(STAGES) - ON_REQUEST and words[0] in page
    assert selected(words[1]) == {"train_mrlf"} and words[1] in page


def test_a_study_is_built_of_its_data_and_the_features():
    assert selected("+study") == {"study", "study_data", "image_features"}


def test_a_refresh_goes_from_the_places_to_the_data_set():
    names = {key.to_user_string() for key in REFRESHED.resolve(GRAPH)}
    assert names == {"places", "posts", "curated_posts", "portrait_masks", "clean_images", "dataset"}


@pytest.mark.slow
def test_every_city_has_a_weekly_schedule_that_is_off():
    schedules = {schedule.name: schedule for schedule in DEFINITIONS.schedules}
    assert set(schedules) == {f"refresh_{city.replace('-', '_')}" for city in load_cities()}
    assert all(s.default_status == dg.DefaultScheduleStatus.STOPPED for s in schedules.values())
    with dg.instance_for_test() as instance:
        context = dg.build_schedule_context(instance, repository_def=DEFINITIONS.get_repository_def())
        tick = schedules["refresh_new_york"].evaluate_tick(context)
    assert [request.partition_key for request in tick.run_requests] == ["new-york"]


def test_posts_grow_old():
    (spec,) = (spec for spec in DEFINITIONS.resolve_all_asset_specs() if spec.key == dg.AssetKey("posts"))
    assert spec.freshness_policy is not None


def test_scarce_things_have_pools():
    pools = {name: node(name).assets_def.op.pool for name in STAGES}
    gpu = {name for name, pool in pools.items() if pool == "gpu"}
    assert gpu == {"portrait_masks", "clean_images", "image_features", "train_mrlf", *ON_REQUEST}
    assert (pools["posts"], pools["pois"]) == ("instagram", "foursquare")


def test_an_edit_of_cities_yaml_changes_the_version_of_the_stage_it_is_about(cities):
    before = {name: code_version(name) for name in STAGES}
    cities["melbourne"]["curated_posts"] = {"min_hashtag_count": 9}
    write_cities(cities)
    assert {name for name in STAGES if code_version(name) != before[name]} == {"curated_posts"}


def test_a_wrong_value_in_cities_yaml_does_not_keep_the_definitions_from_loading(cities):
    cities["demo"]["curated_posts"] = {"min_hashtag_count": "many"}
    write_cities(cities)
    assert code_version("curated_posts")


@pytest.mark.fault("P30")
@pytest.mark.parametrize(
    "text", ["cities:\n\trome:\n", "no: yaml: this", "", None], ids=["a tab", "no YAML", "empty", "none"]
)
def test_a_file_of_cities_that_cannot_be_read_is_told_in_the_graph_and_on_every_page(tmp_path, monkeypatch, text):
    path = tmp_path / "cities.yaml"
    if text is not None:
        path.write_text(text)
    monkeypatch.setenv("MRLF_CITIES", str(path))
    loaded = runpy.run_path(str(ROOT / "assets/partitions.py"))
    assert (loaded["CITIES"].get_partition_keys(), loaded["UNUSABLE"]) == ([], {})
    for name in ("CITIES", "FAULTS", "UNUSABLE"):
        monkeypatch.setattr(f"assets.definitions.{name}", loaded[name])
    assets = definitions.defs().assets
    for spec in (spec for asset in assets for spec in asset.specs):
        assert spec.description.startswith("There are no cities: ") and str(path) in spec.description
        assert str(path) in spec.metadata["cities.yaml"].text


@pytest.mark.slow
@pytest.mark.fault("P26")
def test_a_city_that_cannot_be_used_is_a_partition_and_told_on_every_asset(cities, tmp_path):
    cities["melbourne"]["radius_km"] = -1
    cities |= {"New York": cities["demo"], "../up": cities["demo"]}
    write_cities(cities)
    code = "from assets.definitions import defs\nfor asset in defs().assets:\n    "
    code += "print(*asset.partitions_def.get_partition_keys() if asset.partitions_def else '', sep='|')\n    "
    code += "print(*next(iter(asset.specs)).metadata, sep='|')"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = loaded.stdout.splitlines()
    assert len(lines) == 2 * len(STAGES)
    assert {line for line in lines[::2] if line} == {"New York|demo|melbourne"}
    for line in lines[1::2]:
        assert {"melbourne cannot be used", "New York cannot be used", "../up cannot be used"} <= set(line.split("|"))
