"""All stages of a very small invented city, as Dagster runs it: once, again unchanged, and with one change."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from deltalake import DeltaTable

from assets.definitions import PIPELINE
from assets.resources import StoreResource
from pipeline.store import Store
from tests.assets.helpers import ROOT, checks, metadata, write_cities
from tests.fakes.engine import in_this_process
from tests.fakes.face_gates import short_recall
from tests.fakes.tiny_city import TINY

pytestmark = pytest.mark.slow

ASSETS = [getattr(module, module.STAGE) for module in PIPELINE]
NAMES = [module.STAGE for module in PIPELINE]
CITY = {
    **TINY,
    "demo": {**TINY["demo"], "num_posts": 80, "num_users": 30},
    "curated_posts": {**TINY["curated_posts"], "min_posts_per_poi": 4},
    "clean_images": {"weights": "builtin", "num_workers": 1},
    "train_mrlf": {**TINY["train_mrlf"], "model": "auto"},
}
CANARY = "canary-5f1c"
SECRETS = ("FOURSQUARE_API_KEY", "MRLF_INSTAGRAM_COOKIES", "MRLF_PSEUDONYM_KEY", "MRLF_POSTGRES_PASSWORD")


@dataclass(frozen=True)
class Runs:
    """Three runs of the tiny city, one after the other, and what they left on disk."""

    first: dg.ExecuteInProcessResult
    unchanged: dg.ExecuteInProcessResult
    other_epochs: dg.ExecuteInProcessResult
    store: Store
    dagster_home: Path


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Iterator[Runs]:
    """The three runs; secrets stand in the environment meanwhile."""
    home, data = tmp_path_factory.mktemp("dagster"), tmp_path_factory.mktemp("data")
    (home / "dagster.yaml").symlink_to(ROOT / "dagster.yaml")
    with (
        pytest.MonkeyPatch.context() as patch,
        short_recall(),
        in_this_process(),
        dg.DagsterInstance.from_config(str(home)) as instance,
    ):
        patch.setenv("MRLF_CITIES", str(data / "cities.yaml"))
        patch.setenv("MRLF_DATA", str(data))
        for name in SECRETS:
            patch.setenv(name, CANARY)

        def run(**changes):
            write_cities({"demo": {**CITY, **changes}})
            return dg.materialize(
                ASSETS, partition_key="demo", resources={"store": StoreResource()}, instance=instance
            )

        epochs = {"train_mrlf": {**CITY["train_mrlf"], "max_epochs": 2}}
        yield Runs(run(), run(), run(**epochs), Store(data), home)


def reused(result: dg.ExecuteInProcessResult) -> list[str]:
    """The stages of a run that had nothing to do."""
    shown = {name: metadata(result, name) for name in NAMES}
    return [name for name in NAMES if shown[name]["reused"]]


def test_the_first_run_does_everything(runs):
    assert reused(runs.first) == []
    assert (runs.store.report_folder("demo") / "report.html").is_file()


def test_all_checks_pass_whatever_a_model_of_one_epoch_can_do(runs):
    failed = {name for name, passed in checks(runs.first).items() if not passed}
    assert failed <= {"beats_majority", "nothing_waits"}, "pictures of the demo archive are missing, as the check says"


def test_an_unchanged_run_does_nothing(runs):
    assert reused(runs.unchanged) == NAMES


def test_after_a_change_that_stage_and_what_follows_are_built_again(runs):
    assert reused(runs.other_epochs) == NAMES[: NAMES.index("train_mrlf")]


@pytest.mark.parametrize("name", ["posts", "clean_images", "dataset", "train_mrlf"])
def test_there_is_a_picture_where_a_person_would_rather_look(runs, name):
    assert metadata(runs.unchanged, name)["preview"].startswith("![](data:image/png;base64,")


@pytest.mark.fault("D19")
def test_the_page_of_an_asset_says_where_its_data_lie_and_of_what_columns(runs):
    shown = {name: metadata(runs.unchanged, name) for name in NAMES}
    assert [name for name in NAMES if not Path(shown[name]["path"]).exists()] == []
    assert all(shown[name]["dagster/uri"] == Path(shown[name]["path"]).as_uri() for name in NAMES)
    without_rows = {name for name in NAMES if "dagster/column_schema" not in shown[name]}
    assert without_rows == {"train_mrlf", "evaluate_mrlf"}
    assert {"caption", "split"} < {column.name for column in shown["dataset"]["dagster/column_schema"].columns}
    assert (Path(shown["train_mrlf"]["path"]) / "model.safetensors").is_file()


@pytest.mark.fault("D19")
def test_the_report_opens_from_its_asset_with_its_charts(runs):
    page = metadata(runs.unchanged, "evaluate_mrlf")["report"]
    assert page.startswith("# Tiny: where was this post made?") and "compared with other models" in page
    assert page.count("](data:image/png;base64,") == 2 and "report.html" in page


@pytest.mark.fault("M14")
def test_asset_and_report_state_how_many_of_the_drawn_people_are_left(runs):
    shown = metadata(runs.first, "clean_images")
    drawn = json.loads((runs.store.report_folder("demo") / "report.json").read_text())["drawn_people"]
    assert shown["people_drawn"] == drawn["num_pictures"] > 5
    assert shown["people_left_body_percent"] == pytest.approx(drawn["percent_body_left"], abs=0.05)
    assert shown["people_left_face_percent"] == pytest.approx(drawn["percent_face_left"], abs=0.05)


@pytest.mark.fault("D1")
@pytest.mark.fault("D9")
def test_no_secret_and_no_word_of_a_user_is_in_dagsters_books(runs):
    posts = DeltaTable(str(runs.store.tables.path("demo", "posts"))).to_pyarrow_table().to_pylist()
    captions = {post["caption"].encode() for post in posts if len(post["caption"]) > 20}
    words = [CANARY.encode(), *sorted(captions), *(post["user_key"].encode() for post in posts)]
    kept = b"".join(path.read_bytes() for path in sorted(runs.dagster_home.rglob("*")) if path.is_file())
    assert b"curated_posts: posts" in kept, "the stages' own lines are there"
    assert len(captions) > 20
    assert [word for word in words if word in kept] == []
