"""Run configuration: the form of a stage's settings, and how a value of it reaches the stage."""

from enum import Enum
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field

from assets.config import AllCitiesConfig, run_config
from assets.curate.curated_posts import curated_posts
from models.settings.train_config import TrainConfig
from pipeline.cities import Settings
from pipeline.images import clean_images, portrait_masks
from pipeline.stages import STAGES
from pipeline.study.running import MAX_PROCESSES
from pipeline.training.settings import UNSET, TrainMrlfSettings
from tests.assets.helpers import materialize, write_cities


class Colour(Enum):
    """A choice."""

    RED = "red"


class Group(Settings):
    """Settings of one thing."""

    least: int = Field(2, description="the least")


class Everything(Settings):
    """A setting of every kind that stages have."""

    whole: int = Field(3, ge=1, description="a number")
    part: float = Field(0.5, description="a share")
    is_on: bool = Field(True, description="a switch.")
    word: str = Field("en", description="a word")
    choice: Literal["auto", "builtin"] = Field("auto", description="a choice")
    maybe_choice: Literal["mean", "sum"] | None = Field(None, description="a choice")
    file: Path | None = Field(None, description="a file")
    folder: Path | None = Field(None, description="a folder; by default the demo's")
    colour: Colour = Field(Colour.RED, description="a colour")
    sizes: list[int] | None = Field(None, description="sizes")
    group: Group | None = Field(None, description="a group")


def shown(settings: TrainMrlfSettings, name: str) -> str:
    """A setting with this preset as a person reads it."""
    (value,) = (vars(config)[name] for config in settings.configs(1) if name in vars(config))
    return UNSET[name] if value is None else str(list(value) if isinstance(value, tuple) else value)


CONFIG = run_config(Everything)
COUNTS = {"kept": 4, "posts": 5, "dropped": 1, "dropped/not_english": 1}


def test_every_field_may_be_left_out():
    assert CONFIG().overrides() == {}


def test_what_is_given_is_passed_on_as_the_stage_takes_it():
    given = {"whole": 5, "choice": "builtin", "file": "a/b.csv", "sizes": [3, 4], "is_on": False, "colour": "red"}
    assert CONFIG(**given).overrides() == given
    assert Everything(**CONFIG(**given).overrides()).file == Path("a/b.csv")


@pytest.mark.parametrize(
    ("given", "least"), [pytest.param({}, 2, id="default"), pytest.param({"least": 7}, 7, id="7")]
)
def test_settings_within_a_setting_are_passed_on_too(given, least):
    assert Everything(**CONFIG(group=given).overrides()).group == Group(least=least)


@pytest.mark.parametrize(
    ("name", "description"),
    [
        pytest.param("whole", "A number. Default: as cities.yaml says, else 3.", id="default"),
        pytest.param("is_on", "A switch. Default: as cities.yaml says, else True.", id="one full stop"),
        pytest.param(
            "choice", "A choice. One of auto, builtin. Default: as cities.yaml says, else auto.", id="choice"
        ),
        pytest.param(
            "maybe_choice", "A choice. One of mean, sum. Default: as cities.yaml says, else none.", id="or nothing"
        ),
        pytest.param("folder", "A folder; by default the demo's. Default: as cities.yaml says.", id="told already"),
    ],
)
def test_the_form_tells_the_meaning_and_the_default(name, description):
    assert CONFIG.model_fields[name].description == description


@pytest.mark.fault("D18")
@pytest.mark.parametrize(
    "name", [name for name, field in TrainMrlfSettings.model_fields.items() if field.default is None]
)
def test_the_form_of_the_training_tells_the_value_that_a_preset_gives(name):
    config = run_config(TrainMrlfSettings)
    paper, small = (shown(TrainMrlfSettings(preset=preset), name) for preset in ("paper", "small"))
    described = config.model_fields[name].description
    assert "None" not in described
    assert described.endswith(f", else {paper}.") or described.endswith(
        f", else {paper} (preset paper) or {small} (preset small)."
    )


@pytest.mark.fault("D18")
@pytest.mark.parametrize(
    ("stage", "name", "told"),
    [
        ("portrait_masks", "batch_size", f"4 on a CPU, on a GPU {portrait_masks.AT_ONCE['cuda']} for masks and"),
        ("clean_images", "batch_size", f"and {clean_images.AT_ONCE['cuda']} for filling."),
        ("study", "max_epochs", f"by default {TrainConfig.max_epochs}."),
        ("study", "num_processes", f"by default one per core up to {MAX_PROCESSES}, and 1 on a GPU."),
        ("study", "hashtag_thresholds", "by default 1 and 0.5, 1 and 2 times the city's."),
    ],
)
def test_the_form_tells_what_the_machine_and_the_city_decide(stage, name, told):
    assert run_config(STAGES[stage].settings).model_fields[name].description.count(told)


def test_cities_are_no_setting_of_a_stage():
    config = run_config(Everything, AllCitiesConfig)(cities=["demo"], whole=2)
    assert (config.cities, config.overrides()) == (["demo"], {"whole": 2})


@pytest.mark.parametrize("name", STAGES)
def test_dagster_takes_the_form_of_every_stage(name):
    config = run_config(STAGES[name].settings)
    fields = config.to_config_schema().as_field().config_type.fields
    assert set(fields) == set(STAGES[name].settings.model_fields)
    assert not any(field.is_required for field in fields.values())


@pytest.mark.slow
def test_a_value_of_the_run_goes_before_the_file_and_the_file_before_the_default(store, cities, fake_stage):
    cities["demo"]["curated_posts"] = {"min_hashtag_count": 8, "min_posts_per_poi": 40}
    write_cities(cities)
    seen = fake_stage("curated_posts", counts=COUNTS)
    assert materialize(store, curated_posts, min_posts_per_poi=7).success
    ((city, settings),) = seen
    assert (city, settings.min_hashtag_count, settings.min_posts_per_poi) == ("demo", 8, 7)
    assert settings.language == STAGES["curated_posts"].settings().language


def test_a_bad_value_is_told_without_a_traceback(store, cities, fake_stage):
    seen = fake_stage("curated_posts", counts=COUNTS)
    result = materialize(store, curated_posts, min_posts_per_poi=0)
    (failure,) = result.get_step_failure_events()
    error = failure.step_failure_data.error
    assert "settings of stage curated_posts of city demo: min_posts_per_poi" in error.message
    assert (seen, error.stack, error.cause) == ([], [], None)


@pytest.mark.slow
@pytest.mark.fault("P26")
def test_a_city_that_cannot_be_used_fails_its_own_runs_with_the_sentence(store, cities, fake_stage):
    cities["melbourne"]["curate_posts"] = {}
    write_cities(cities)
    seen = fake_stage("curated_posts", counts=COUNTS)
    assert materialize(store, curated_posts).success
    (failure,) = materialize(store, curated_posts, city="melbourne").get_step_failure_events()
    error = failure.step_failure_data.error
    assert "city 'melbourne'" in error.message and "did you mean curated_posts?" in error.message
    assert ([city for city, _ in seen], error.stack, error.cause) == (["demo"], [], None)
