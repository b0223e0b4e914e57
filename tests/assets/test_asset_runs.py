"""Runs of single assets with stages that do no work: checks, several cities, and the mistakes of a user."""

import dagster as dg
import pytest

from assets.collect.places import places
from assets.collect.posts import posts
from assets.curate.curated_posts import curated_posts
from assets.release.dataset import dataset
from assets.report import evaluate_mrlf as evaluation
from assets.report.evaluate_mrlf import evaluate_mrlf
from assets.training import train_mrlf as training
from assets.training.train_mrlf import train_mrlf
from tests.assets.helpers import checks, failures, materialize, metadata

POSTS = {"seen": 9, "posts": 6, "kept": 5, "deleted": 0, "dropped": 3, "deferred": 1, "dropped/video": 3}
CURATED = {"posts": 5, "kept": 4, "dropped": 1}
ACCURACY = {"accuracy": "0.817", "accuracy/majority": "0.147"}
ALL = "+evaluate_mrlf"


@pytest.fixture
def released(monkeypatch):
    """Say which cities have a data set."""
    return lambda *cities: monkeypatch.setattr(training, "released_cities", lambda store: list(cities))


def all_cities(store, *assets):
    """A run of each asset without a partition, one after the other; the last one's result."""
    return [materialize(store, asset, city=None) for asset in assets][-1]


@pytest.fixture
def curves(monkeypatch):
    """What is shown of a model and a report where there is neither."""
    for module in (training, evaluation):
        monkeypatch.setattr(module, "_shown", lambda store, city: {"path": dg.MetadataValue.path(f"here/{city}")})


@pytest.mark.fault("D19")
def test_a_stage_is_built_for_the_city_of_the_run(store, cities, fake_stage):
    seen = fake_stage("curated_posts", counts=CURATED)
    result = materialize(store, curated_posts, city="melbourne")
    assert [city for city, _ in seen] == ["melbourne"]
    shown = metadata(result, "curated_posts")
    assert shown["dagster/row_count"] == 4
    assert shown["path"] == str(store.root / "tables" / "melbourne" / "curated_posts")
    assert {"post_key", "caption"} < {column.name for column in shown["dagster/column_schema"].columns}


def test_a_second_run_says_reused_and_shows_the_same_version(store, cities, fake_stage):
    fake_stage("curated_posts", counts=CURATED)
    with dg.DagsterInstance.ephemeral() as instance:
        runs = [materialize(store, curated_posts, instance=instance) for _ in range(2)]
    assert [metadata(run, "curated_posts")["reused"] for run in runs] == [False, True]
    versions = [run.asset_materializations_for_node("curated_posts")[0].tags["dagster/data_version"] for run in runs]
    assert versions[0] == versions[1]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({}, {"some_posts": True, "ledger_closes": True}, id="all is well"),
        pytest.param({"dropped": 2}, {"some_posts": True, "ledger_closes": False}, id="a file is missing"),
        pytest.param(
            {"posts": 0, "kept": 0, "deferred": 0, "dropped": 9},
            {"some_posts": False, "ledger_closes": True},
            id="no post",
        ),
    ],
)
def test_checks_of_posts(store, cities, fake_stage, change, expected):
    fake_stage("posts", counts={**POSTS, **change})
    assert checks(materialize(store, posts)) == {**expected, "nothing_waits": True}


def test_a_failed_check_keeps_what_follows_from_running_and_says_why(store, cities, fake_stage):
    fake_stage("posts", counts={**POSTS, "dropped": 2})
    curated = fake_stage("curated_posts", counts=CURATED)
    result = materialize(store, posts, curated_posts)
    assert failures(result) == "posts of demo failed its check ledger_closes; a remark"
    assert (metadata(result, "posts")["posts"], curated) == (6, [])


def test_a_refusal_of_a_stage_is_told_in_its_own_words(store, cities, fake_stage):
    fake_stage("curated_posts", refused=("demo",))
    result = materialize(store, curated_posts)
    assert failures(result) == "demo has nothing to work on: do something about it"


@pytest.mark.fault("D6")
def test_two_runs_of_one_stage_and_city_at_once_end_in_a_plain_refusal(store, cities, fake_stage):
    fake_stage("curated_posts", counts=CURATED)
    with store.lock("demo", "curated_posts"):
        result = materialize(store, curated_posts)
    assert failures(result).startswith("stage curated_posts of demo is being built by another process")
    assert materialize(store, curated_posts).success


@pytest.mark.fault("D4")
@pytest.mark.parametrize(
    "key", [pytest.param(k, id=repr(k)[:20]) for k in ("rome", "../demo", "demo\nx", "demo|x", "x" * 300)]
)
def test_a_partition_that_is_no_city_is_refused(store, cities, fake_stage, key):
    seen = fake_stage("curated_posts", counts=CURATED)
    with pytest.raises(dg.DagsterUnknownPartitionError):
        materialize(store, curated_posts, city=key)
    assert seen == []


@pytest.mark.slow
def test_training_takes_every_city_that_has_a_data_set(store, cities, fake_stage, released, curves):
    released("demo", "melbourne")
    seen = fake_stage("train_mrlf")
    result = materialize(store, dataset, train_mrlf, city=None, selection=["train_mrlf"])
    assert [city for city, _ in seen] == ["demo", "melbourne"]
    assert checks(result) == {"every_city": True}


def test_training_in_a_run_of_a_city_takes_that_city_only(store, cities, fake_stage, released, curves):
    released("demo", "melbourne")
    fake_stage("curated_posts", counts=CURATED)
    seen = fake_stage("train_mrlf")
    assert materialize(store, curated_posts, train_mrlf, city="melbourne").success
    assert [city for city, _ in seen] == ["melbourne"]


@pytest.mark.slow
def test_training_can_be_narrowed_by_the_run_configuration(store, cities, fake_stage, released, curves):
    released("demo", "melbourne")
    seen = fake_stage("train_mrlf")
    assert materialize(store, train_mrlf, city=None, cities=["melbourne"], max_epochs=2).success
    assert [(city, settings.max_epochs) for city, settings in seen] == [("melbourne", 2)]


@pytest.mark.parametrize(
    ("ready", "config", "city"),
    [
        pytest.param((), {}, "demo", id="no data set at all"),
        pytest.param(("demo",), {"cities": ["melbourne"]}, "melbourne", id="not of the city that was asked for"),
    ],
)
def test_training_without_a_data_set_says_what_to_do(store, cities, fake_stage, released, ready, config, city):
    released(*ready)
    fake_stage("train_mrlf")
    printed = failures(materialize(store, train_mrlf, city=None, **config))
    assert f'dagster asset materialize --select "{ALL}" --partition {city}' in printed
    assert "Stack Trace" not in printed


@pytest.mark.fault("D16")
def test_a_city_that_was_asked_for_and_is_not_ready_hides_no_other(store, cities, fake_stage, released, curves):
    released("melbourne")
    seen = fake_stage("train_mrlf")
    result = materialize(store, train_mrlf, city=None, cities=["demo", "melbourne"])
    assert ([city for city, _ in seen], checks(result)) == (["melbourne"], {"every_city": False})
    assert "no data set of demo" in result.get_asset_check_evaluations()[0].metadata["demo"].value


def test_a_city_that_cities_yaml_does_not_have_is_told_so(store, cities, released):
    released("melbourne")
    printed = failures(materialize(store, train_mrlf, city=None, cities=["rome"]))
    assert "there is no city 'rome'" in printed and "take one of demo, melbourne" in printed


@pytest.mark.fault("P10")
def test_one_city_that_cannot_be_trained_hides_no_other(store, cities, fake_stage, released, curves):
    released("demo", "melbourne")
    fake_stage("train_mrlf", refused=("demo",))
    result = materialize(store, train_mrlf, city=None)
    (evaluation_of_check,) = result.get_asset_check_evaluations()
    assert result.success and not evaluation_of_check.passed
    assert "nothing to work on" in evaluation_of_check.metadata["demo"].value
    assert metadata(result, "train_mrlf", "melbourne")["path"] == "here/melbourne"


def test_training_fails_where_no_city_can_be_trained(store, cities, fake_stage, released):
    released("demo", "melbourne")
    fake_stage("train_mrlf", refused=("demo", "melbourne"))
    printed = failures(materialize(store, train_mrlf, city=None))
    assert "demo has nothing" in printed and "melbourne has nothing" in printed


def test_evaluation_follows_the_cities_that_have_a_model(store, cities, fake_stage, released, curves):
    released("demo", "melbourne")
    fake_stage("train_mrlf", refused=("demo",))
    seen = fake_stage("evaluate_mrlf", **ACCURACY)
    result = all_cities(store, train_mrlf, evaluate_mrlf)
    assert [city for city, _ in seen] == ["melbourne"]
    assert checks(result) == {"every_city": True, "beats_majority": True}
    assert metadata(result, "evaluate_mrlf", "melbourne")["path"] == "here/melbourne"


def test_a_model_worse_than_the_most_frequent_place_is_seen(store, cities, fake_stage, released, curves):
    released("demo")
    fake_stage("train_mrlf")
    fake_stage("evaluate_mrlf", **{**ACCURACY, "accuracy": "0.147"})
    assert checks(all_cities(store, train_mrlf, evaluate_mrlf))["beats_majority"] is False


@pytest.mark.fault("D16")
def test_a_run_of_all_cities_is_seen_at_each_of_them(store, cities, fake_stage, released, curves):
    released("demo", "melbourne")
    fake_stage("train_mrlf", epochs="3")
    with dg.DagsterInstance.ephemeral() as instance:
        of_all = materialize(store, train_mrlf, city=None, instance=instance)
        assert instance.get_materialized_partitions(dg.AssetKey("train_mrlf")) == {"demo", "melbourne"}
        of_one = materialize(store, train_mrlf, city="demo", instance=instance)
    shown = [metadata(of_all, "train_mrlf", "demo"), metadata(of_one, "train_mrlf")]
    assert shown[0] | {"reused": True} == shown[1]


@pytest.mark.fault("D17")
def test_what_a_check_found_in_one_city_is_not_lost_when_another_is_checked(store, cities, fake_stage):
    with dg.DagsterInstance.ephemeral() as instance:
        for city, kept in (("demo", 0), ("melbourne", 4)):
            fake_stage("curated_posts", counts={**CURATED, "kept": kept})
            materialize(store, curated_posts, city=city, instance=instance)
        key = dg.AssetCheckKey(dg.AssetKey("curated_posts"), "keeps_some")
        kept = instance.event_log_storage.get_asset_check_partition_info([key])
    assert {each.partition_key: each.latest_execution_status.value for each in kept} == {
        "demo": "FAILED",
        "melbourne": "SUCCEEDED",
    }


def test_evaluation_without_a_model_says_what_to_do(store, cities):
    printed = failures(materialize(store, evaluate_mrlf, city=None))
    assert evaluation.NO_MODEL.replace("CITY", "demo") in printed


def test_places_without_a_match_fail_their_check(store, cities, fake_stage):
    fake_stage("places", counts={"pairs": 2, "matched_pois": 0})
    assert checks(materialize(store, places)) == {"some_match": False, "nothing_waits": True}


def test_a_fault_of_ours_keeps_its_traceback(store, cities, monkeypatch, fake_stage):
    fake_stage("curated_posts", counts={"wrong": 1})
    printed = failures(materialize(store, curated_posts))
    assert "KeyError" in printed and "Stack Trace" in printed
