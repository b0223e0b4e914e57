"""`make ui`: three processes that start, answer, run something and stop."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
TINY = {
    "name": "Tiny", "latitude": 12.0, "longitude": -30.0, "radius_km": 12.0, "is_synthetic": True,
    "demo": {"num_pois": 4, "num_posts": 48, "num_users": 8, "image_side": 64},
}  # fmt: skip
LAUNCH = """mutation($run: ExecutionParams!) { launchPipelineExecution(executionParams: $run) {
    __typename ... on LaunchRunSuccess { run { runId } } } }"""
STATUS = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """What `source .venv/bin/activate` sets, for a Dagster of its own on free ports."""
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster/dagster.yaml").symlink_to(ROOT / "dagster.yaml")
    (tmp_path / "cities.yaml").write_text(yaml.safe_dump({"cities": {"demo": TINY}}))
    return {
        **os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1",
        "DAGSTER_HOME": str(tmp_path / "dagster"), "MRLF_DATA": str(tmp_path / "data"),
        "MRLF_CITIES": str(tmp_path / "cities.yaml"),
        "MRLF_UI_PORT": str(free_port()), "MRLF_CODE_PORT": str(free_port()),
    }  # fmt: skip


@pytest.mark.parametrize("variable", ["MRLF_UI_PORT", "MRLF_CODE_PORT"])
def test_a_port_that_is_taken_is_told(environment, variable):
    with socket.create_server(("127.0.0.1", int(environment[variable]))):
        told = subprocess.run([ROOT / "deploy/ui"], env=environment, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert told.stderr.startswith(f"port {environment[variable]} is taken") and f"{variable}=" in told.stderr


def test_without_the_environment_it_says_what_to_do(environment):
    del environment["DAGSTER_HOME"]
    told = subprocess.run([ROOT / "deploy/ui"], env=environment, capture_output=True, text=True, check=False)
    assert told.returncode != 0 and "source .venv/bin/activate" in told.stderr


@pytest.fixture
def ui(environment) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The pages, up and answering; returns the script's process and the address it told."""
    process = subprocess.Popen(
        [ROOT / "deploy/ui"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        told = next(line for line in process.stdout if "open http" in line or "did not start" in line)
        yield process, told.split()[2]
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(30)


def ask(address: str, query: str, **variables: object) -> dict:
    """The answer to a GraphQL query."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{address}/graphql", body, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.load(answer)["data"]


@pytest.mark.slow
def test_a_run_started_from_the_page_succeeds_and_ctrl_c_stops_everything(ui, environment):
    process, address = ui
    run = {
        "selector": {
            "repositoryLocationName": "mrlf", "repositoryName": "__repository__", "pipelineName": "__ASSET_JOB",
            "assetSelection": [{"path": ["pois"]}],
        },
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": "demo"}]},
    }  # fmt: skip
    run_id = ask(address, LAUNCH, run=run)["launchPipelineExecution"]["run"]["runId"]
    deadline = time.monotonic() + 80
    while (status := ask(address, STATUS, id=run_id)["runOrError"]["status"]) not in ("SUCCESS", "FAILURE"):
        assert time.monotonic() < deadline, status
        time.sleep(0.5)
    assert status == "SUCCESS"

    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    for variable in ("MRLF_UI_PORT", "MRLF_CODE_PORT"):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(environment[variable]))) != 0
