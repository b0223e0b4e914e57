"""Failures: whose mistake an error is, and what Dagster makes of it."""

import json

import dagster as dg
import pytest

from assets.failures import UserError, user_errors
from assets.resources import StoreResource
from models.mrlf.config import MrlfConfig
from pipeline.errors import StageBusyError, StageError
from pipeline.store.tables import SchemaVersionError


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(StageError("no posts: collect some"), id="a stage refuses"),
        pytest.param(StageBusyError("somebody is at it"), id="a stage is busy"),
        pytest.param(SchemaVersionError("of another version"), id="a table of another version"),
    ],
)
def test_our_own_errors_are_the_users(error):
    with pytest.raises(UserError) as raised, user_errors():
        raise error
    assert raised.value.description == str(error)
    assert not raised.value.allow_retries


def test_a_value_error_that_our_code_raised_is_the_users():
    with pytest.raises(UserError) as raised, user_errors():
        MrlfConfig(pooling="median")
    assert raised.value.metadata["raised at"].value.startswith("config_values.py:")


def test_a_store_that_cannot_be_is_the_users_mistake(monkeypatch):
    monkeypatch.setenv("MRLF_DATA", "s3://bucket/data")
    with pytest.raises(UserError, match="only a folder of this machine"):
        StoreResource().open()


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        pytest.param(lambda: json.loads("{"), json.JSONDecodeError, id="a library's value error"),
        pytest.param(lambda: {}["posts"], KeyError, id="a key error"),
    ],
)
def test_any_other_error_is_ours_and_left_alone(action, kind):
    with pytest.raises(kind), user_errors():
        action()


@pytest.mark.parametrize("error", [ConnectionResetError("lost"), TimeoutError("slow")], ids=["lost", "slow"])
def test_a_lost_connection_is_tried_again(error):
    with pytest.raises(dg.RetryRequested), user_errors():
        raise error


def test_dagster_shows_the_message_alone():
    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=3))
    def refusing() -> None:
        raise UserError("there is no archive: name one in cities.yaml", "sources.py:3 in folder")

    result = dg.materialize([refusing], raise_on_error=False)
    (failure,) = result.get_step_failure_events()
    data = failure.step_failure_data
    assert data.error.to_string() == "there is no archive: name one in cities.yaml"
    assert data.user_failure_data.metadata["raised at"].value == "sources.py:3 in folder"
