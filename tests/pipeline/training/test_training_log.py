"""The log of a training's epochs: read back with TensorBoard's own reader and from a server over HTTP."""

import importlib.util
import logging
import subprocess
import sys

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from models.settings.train_config import Epoch
from pipeline.training.training_log import EXPERIMENT, FIGURES, TRACKING_VARIABLE, TrainingLog, training_log
from tests.fakes.http_server import Answer
from tests.fakes.mlflow_server import MlflowServer

SETTINGS = {"learning_rate": 0.001, "preset": "small"}
NEEDS_MLFLOW = pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="MLflow is not installed")


def epoch(number, loss=1.0):
    return Epoch(
        epoch=number,
        train_loss=loss,
        validation_loss=loss + 0.1,
        validation_accuracy=0.5,
        learning_rate=0.001,
        seconds=2.0,
    )


@pytest.fixture(autouse=True)
def no_address(monkeypatch):
    """What the log sets for MLflow is gone after a test."""
    for name in (TRACKING_VARIABLE, "MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture
def server(monkeypatch):
    with MlflowServer() as server:
        monkeypatch.setenv(TRACKING_VARIABLE, server.url)
        yield server


def scalars(folder, name):
    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    return [(event.step, pytest.approx(event.value)) for event in events.Scalars(name)]


def test_an_epoch_can_be_read_in_tensorboard_as_soon_as_it_is_logged(tmp_path):
    log = TrainingLog(tmp_path, "demo train_mrlf", SETTINGS)
    for number in (1, 2):
        log.epoch(epoch(number, loss=1 / number))
        assert len(scalars(tmp_path, "train_loss")) == number
    assert scalars(tmp_path, "train_loss") == [(1, 1.0), (2, 0.5)]
    assert scalars(tmp_path, "validation_loss") == [(1, 1.1), (2, 0.6)]
    log.close(is_finished=True)
    assert set(EventAccumulator(str(tmp_path / "tensorboard")).Reload().Tags()["scalars"]) == set(FIGURES)


def test_a_training_that_goes_on_replaces_the_epochs_it_does_again(tmp_path):
    for first, last, loss in [(1, 3, 1.0), (3, 4, 2.0)]:
        with training_log(tmp_path, "demo", SETTINGS) as log:
            for number in range(first, last + 1):
                log.epoch(epoch(number, loss))
    assert scalars(tmp_path, "train_loss") == [(1, 1.0), (2, 1.0), (3, 2.0), (4, 2.0)]


@pytest.mark.slow
def test_without_an_address_nothing_is_sent_and_mlflow_is_not_imported(tmp_path):
    code = f"""
import pathlib, sys
from models.settings.train_config import Epoch
from pipeline.training.training_log import training_log
with training_log(pathlib.Path({str(tmp_path)!r}), "demo", {{}}) as log:
    log.epoch(Epoch(epoch=1, train_loss=1, validation_loss=1, validation_accuracy=0, learning_rate=1, seconds=1))
assert not {{"mlflow"}} & set(sys.modules) and log.notes == []
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
@NEEDS_MLFLOW
def test_every_epoch_is_sent_to_mlflow_with_the_settings(server, tmp_path):
    with training_log(tmp_path, "demo train_mrlf", SETTINGS) as log:
        for number in (1, 2, 3):
            log.epoch(epoch(number, loss=1 / number))
            ((run_id, run),) = server.runs.items()
            assert len(run["metrics"]) == number * len(FIGURES) and run["status"] == "RUNNING"
    assert server.metrics(run_id, "train_loss") == [(1, 1.0), (2, 0.5), (3, pytest.approx(1 / 3))]
    assert (run["name"], run["status"], log.notes) == ("demo train_mrlf", "FINISHED", [])
    assert run["params"] == {"learning_rate": "0.001", "preset": "small"} and list(server.experiments) == [EXPERIMENT]


@NEEDS_MLFLOW
def test_a_training_that_goes_on_is_the_same_run_there(server, tmp_path):
    with pytest.raises(KeyboardInterrupt), training_log(tmp_path, "demo", SETTINGS) as log:
        log.epoch(epoch(1))
        raise KeyboardInterrupt
    ((run_id, run),) = server.runs.items()
    assert run["status"] == "KILLED"
    with training_log(tmp_path, "demo", SETTINGS) as log:
        log.epoch(epoch(2))
        assert run["status"] == "RUNNING"
    assert server.metrics(run_id, "seconds") == [(1, 2.0), (2, 2.0)] and len(server.runs) == 1


@NEEDS_MLFLOW
def test_a_server_that_fails_for_a_while_gets_all_epochs_in_the_end(server, tmp_path, caplog):
    server.fail(
        "log-batch", Answer.json({"error_code": "INTERNAL_ERROR", "message": "no"}, status=400), skip=2, times=1
    )
    with training_log(tmp_path, "demo", SETTINGS) as log:
        for number in (1, 2, 3):
            log.epoch(epoch(number))
    ((run_id, _),) = server.runs.items()
    assert [step for step, _ in server.metrics(run_id, "train_loss")] == [1, 2, 3]
    assert caplog.text.count("does not take the figures (RestException INTERNAL_ERROR)") == 1 and log.notes == []


@NEEDS_MLFLOW
@pytest.mark.parametrize(
    "address",
    [
        pytest.param("http://someone:a-password@127.0.0.1:9/", id="nobody listens"),  # pragma: allowlist secret
        pytest.param("gopher://127.0.0.1/", id="no such protocol"),
    ],
)
def test_a_server_that_is_down_costs_a_remark_and_no_training(monkeypatch, tmp_path, caplog, address):
    monkeypatch.setenv(TRACKING_VARIABLE, address)
    with caplog.at_level(logging.INFO), training_log(tmp_path, "demo", SETTINGS) as log:
        for number in (1, 2, 3):
            log.epoch(epoch(number))
    assert len([record for record in caplog.records if "does not take the figures" in record.message]) == 1
    assert log.notes == ["MLflow at 127.0.0.1 lacks 3 epochs of this training"]
    assert "a-password" not in "".join([*log.notes, *(r.message for r in caplog.records if r.name == "mrlf")])
    assert len(scalars(tmp_path, "train_loss")) == 3


def test_an_address_without_the_package_is_noted(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv(TRACKING_VARIABLE, "http://127.0.0.1:9")
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "mlflow" else find(name, *more)
    )
    with training_log(tmp_path, "demo", SETTINGS) as log:
        log.epoch(epoch(1))
    assert len(log.notes) == 1 and 'pip install "mrlf-pipeline[mlflow]"' in log.notes[0]


@NEEDS_MLFLOW
def test_neither_log_holds_a_path_of_this_machine_and_mlflow_does_not_report_home(server, tmp_path, monkeypatch):
    folder = tmp_path / "a-private-folder"
    folder.mkdir()
    with training_log(folder, "demo", SETTINGS) as log:
        log.epoch(epoch(1))
    sent = b"".join(request.body for request in server.requests)
    written = b"".join(path.read_bytes() for path in (folder / "tensorboard").iterdir())
    assert sent and written
    for content in (sent, written):
        assert b"a-private-folder" not in content and b"/home" not in content and str(tmp_path).encode() not in content
    from mlflow.telemetry import get_telemetry_client

    assert get_telemetry_client() is None
    assert {request.path.split("/")[3] for request in server.requests} == {"mlflow"}
