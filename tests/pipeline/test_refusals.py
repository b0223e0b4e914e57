"""Refusals: where a stage was refused, no message advises to build it."""

import pytest
from typer.testing import CliRunner

from pipeline.cities import City
from pipeline.cli.app import app
from pipeline.errors import IncompleteError, StageError
from pipeline.ledger import write_ledger
from pipeline.refusals import FOLDER, how_to_build, refusal_of
from pipeline.release.dataset import DatasetSettings, build_dataset
from pipeline.release.read import latest_release
from pipeline.report.review import review
from pipeline.stages import STAGES, run_stage_of
from pipeline.store import Store
from pipeline.training.train_mrlf import latest_run
from tests.fakes.city import CITY as RELEASED
from tests.fakes.city import fill_released_city, finish, poi, put_city

CITY = City(key="town", name="Town", latitude=12, longitude=-30, radius_km=10)
ADVICE = "`mrlf run town`"


@pytest.fixture
def fail(monkeypatch):
    """Makes a stage end in an error, or in nothing."""

    def made(name: str, error: Exception | None) -> None:
        def build(*_: object, **__: object) -> None:
            if error is not None:
                raise error

        monkeypatch.setitem(STAGES, name, STAGES[name].__class__(**{**vars(STAGES[name]), "build": build}))

    return made


def run(store: Store, name: str) -> None:
    try:
        run_stage_of(store, CITY, name)
    except StageError:
        return


@pytest.mark.fault("I40")
def test_a_refusal_stops_its_stage_and_all_later_ones_until_it_is_built(store, fail):
    fail("dataset", StageError("posts of one user: collect others"))
    run(store, "dataset")
    for name in STAGES:
        is_stopped = list(STAGES).index(name) >= list(STAGES).index("dataset")
        assert ("posts of one user" in how_to_build(store, "town", name, ADVICE)) == is_stopped
        assert (how_to_build(store, "town", name, ADVICE) == ADVICE) != is_stopped
    assert how_to_build(store, "elsewhere", "dataset", ADVICE) == ADVICE
    fail("dataset", None)
    run(store, "dataset")
    assert how_to_build(store, "town", "train_mrlf", ADVICE) == ADVICE


@pytest.mark.fault("I40")
def test_of_several_refusals_the_first_on_the_way_is_told(store, fail):
    for name in ("train_mrlf", "curated_posts", "image_features"):
        fail(name, StageError(f"no {name}"))
        run(store, name)
    assert refusal_of(store, "town", "train_mrlf").stage == "curated_posts"


@pytest.mark.fault("I40")
def test_what_another_run_will_finish_is_no_refusal(store, fail):
    fail("posts", IncompleteError("throttled", reason="throttled"))
    run(store, "posts")
    assert refusal_of(store, "town", "posts") is None


@pytest.mark.fault("I40")
@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"stage": 1}', b'{"stage": 1, "why": 2, "when_utc": 3, "stops": 4}']
)
def test_a_damaged_refusal_is_none(store, content):
    path = store.root / FOLDER / "town" / "dataset.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert how_to_build(store, "town", "dataset", ADVICE) == ADVICE


@pytest.mark.fault("I40")
@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda store: latest_run(store, "town"), id="a model"),
        pytest.param(lambda store: latest_release(store, "town"), id="a data set"),
        pytest.param(lambda store: review(store, "town", outcome=None, number=1), id="clean pictures"),
    ],
)
def test_who_asks_for_what_was_refused_hears_why(store, fail, ask):
    fail("pois", StageError("the file is empty: name another"))
    run(store, "pois")
    with pytest.raises(
        StageError, match=r"the stage pois of town was refused at .*\(the file is empty: name another\)"
    ):
        ask(store)


@pytest.mark.fault("I40")
def test_the_status_shows_what_was_refused_and_why(tmp_path, monkeypatch):
    monkeypatch.setenv("MRLF_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("MRLF_CITIES", str(tmp_path / "cities.yaml"))
    monkeypatch.delenv("FOURSQUARE_API_KEY", raising=False)
    (tmp_path / "cities.yaml").write_text(
        "cities:\n  town: {name: Town, latitude: 12, longitude: -30, radius_km: 10, pois: {file: /nowhere.csv}}\n"
    )
    assert CliRunner().invoke(app, ["run", "town", "--to", "pois"]).exit_code == 1
    lines = CliRunner().invoke(app, ["status", "town"]).output.splitlines()
    assert lines[0].startswith("pois             refused: there is no file of POIs at /nowhere.csv")
    assert lines[1] == "places           not built yet"


@pytest.mark.fault("I40")
@pytest.mark.parametrize(
    ("stage", "reason", "is_told"),
    [
        pytest.param("curated_posts", "no_hashtag", True, id="a threshold"),
        pytest.param("clean_images", "mostly_person", False, id="people"),
        pytest.param("posts", "not_an_image", False, id="a picture that is none"),
    ],
)
def test_an_empty_release_advises_settings_where_these_dropped_posts_and_else_none(store, stage, reason, is_told):
    put_city(store, [poi(0)], [])
    for name in ("portrait_masks", "clean_images"):
        finish(store, name)
    write_ledger(store, "demo", stage, {"f" * 32: reason})
    with pytest.raises(StageError, match="is left to release") as refused:
        build_dataset(store, RELEASED, DatasetSettings())
    assert ("curated_posts asks for" in str(refused.value)) == is_told


@pytest.mark.slow
@pytest.mark.fault("I40")
def test_who_asks_for_a_model_of_one_class_hears_that_there_can_be_none(store):
    fill_released_city(store, num_pois=1, posts_per_poi=12)
    with pytest.raises(StageError, match=r"no model of demo has been trained yet: .* has one class only"):
        latest_run(store, "demo")
