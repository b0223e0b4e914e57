"""`mrlf predict`, `mrlf serve` and `mrlf export`: what a person sees, and a mistake in one line."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from pipeline.cli.app import app
from tests.fakes.pictures import encoded, pixels

pytestmark = pytest.mark.slow


@pytest.fixture
def mrlf(copied, monkeypatch):
    """Runs `mrlf` on the small trained city."""
    monkeypatch.setenv("MRLF_DATA", str(copied.root))
    return lambda *words: CliRunner().invoke(app, list(words))


def test_a_picture_and_a_caption_are_placed(mrlf, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(encoded(pixels()))
    result = mrlf(
        "predict", "demo", "--image", str(tmp_path / "photo.jpg"), "--caption", "at place1 #tag1 #rare", "--top", "3"
    )
    assert result.exit_code == 0, result.output
    assert "Demo & City: this looks like" in result.output
    assert result.output.count(" km from the first") == 2
    for text in ("the picture", "#tag1", "too rare in the data set: #rare", "must not be used to find one"):
        assert text in result.output


def test_json_is_the_answer_and_nothing_else(mrlf):
    result = mrlf("predict", "demo", "--caption", "place2", "--json", "--top", "2")
    answer = json.loads(result.stdout)
    assert len(answer["places"]) == 2 and answer["why"]["words"][0]["text"] == "place2"
    coarse = json.loads(mrlf("predict", "demo", "--caption", "place2", "--json", "--coarse").stdout)
    assert set(coarse) == {"city", "model", "is_known_place", "surer_than", "kinds", "notes", "notice"}
    assert answer["model"] == coarse["model"] == "mrlf"


@pytest.mark.fault("N1")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(("predict", "demo"), "neither a picture nor a word", id="nothing given"),
        pytest.param(("predict", "demo", "--image", "no.jpg"), "there is no picture no.jpg", id="no such picture"),
        pytest.param(("predict", "demo", "--image", __file__), "no picture", id="not a picture"),
        pytest.param(("predict", "rome", "--caption", "x"), "there is no city 'rome'", id="an unknown city"),
        pytest.param(("predict", "bare", "--caption", "x"), "no model of bare", id="a city without a model"),
        pytest.param(("serve", "rome", "--port", "0"), "there is no city 'rome'", id="serving an unknown city"),
        pytest.param(("export", "bare", "-o", "x"), "no model of bare", id="exporting nothing"),
    ],
)
def test_a_users_mistake_is_one_line(mrlf, words, message):
    result = mrlf(*words)
    assert result.exit_code == 1
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1 and "Traceback" not in result.output


def test_a_folder_that_holds_something_is_not_written_into(mrlf, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    result = mrlf("export", "demo", "-o", str(tmp_path / "out"))
    assert result.exit_code == 1 and "name a new folder" in result.output
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


@pytest.mark.fault("T12")
def test_safetensors_are_exported_with_all_that_belongs_to_them(mrlf, tmp_path):
    result = mrlf("export", "demo", "--format", "safetensors", "-o", str(tmp_path / "out"))
    assert result.exit_code == 0, result.output
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"model.safetensors", "pictures.safetensors", "labels.json", "preprocessing.json", "vocab.json"} <= names
    assert all(name in result.output for name in names)


def test_the_server_warns_of_strangers_and_tells_its_address(mrlf, monkeypatch):
    monkeypatch.setattr("uvicorn.Server.run", lambda server, sockets: None)
    here, everywhere = (mrlf("serve", "demo", "--host", host, "--port", "0") for host in ("127.0.0.1", "0.0.0.0"))  # noqa: S104
    assert here.exit_code == everywhere.exit_code == 0, here.output + everywhere.output
    assert "serving demo on http://127.0.0.1:" in here.output and "warning" not in here.output
    assert "no password and no encryption" in everywhere.output


def test_a_local_server_is_asked_by_its_own_names_alone(mrlf, monkeypatch):
    """A page whose name was made to point here (DNS rebinding) is no page of ours; behind a proxy names are its."""
    from starlette.testclient import TestClient

    apps = []
    monkeypatch.setattr("uvicorn.Server.run", lambda server, sockets: apps.append(server.config.app))
    for host in ("127.0.0.1", "0.0.0.0"):  # noqa: S104
        assert mrlf("serve", "demo", "--host", host, "--port", "0").exit_code == 0
    here, everywhere = (TestClient(app, base_url="http://evil.example:8000") for app in apps)
    assert (here.get("/models").status_code, everywhere.get("/models").status_code) == (421, 200)


def test_of_an_endless_file_no_more_is_read_than_a_picture_has(mrlf, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.cli.predict.MAX_PICTURE_BYTES", 1024**2)
    result = mrlf("predict", "demo", "--image", "/dev/zero")
    assert result.exit_code == 1 and "more than 1 MiB" in result.output


def test_a_port_that_is_taken_is_told_before_a_model_is_looked_for(mrlf):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = mrlf("serve", "bare", "--port", str(taken.getsockname()[1]))
    assert result.exit_code == 1 and "name another --port" in result.output


def test_an_empty_host_is_not_every_address(mrlf):
    result = mrlf("serve", "bare", "--host", "")
    assert result.exit_code == 1 and "--host is empty" in result.output and "warning" not in result.output


def test_without_the_servers_packages_it_says_what_to_install():
    code = "import sys; sys.modules['fastapi'] = None; from pipeline.cli.app import app; app(['serve', 'demo'])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "pip install 'mrlf-pipeline[serve]'" in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize("command", ["predict", "serve", "export"])
def test_help_has_examples(mrlf, command):
    assert f"mrlf {command} demo" in mrlf(command, "--help").stdout
