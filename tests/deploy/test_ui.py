"""`make ui`: three processes that start, answer, run something and stop."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pipeline.stages import STAGES
from tests.deploy.helpers import ROOT, backfill, free_port, is_answered
from tests.fakes.tiny_city import TINY

WITHOUT_SOURCE = {"name": "Bad", "latitude": 12.0, "longitude": -30.0, "radius_km": 12.0}


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """What `source .venv/bin/activate` sets, for a Dagster of its own on free ports."""
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster/dagster.yaml").symlink_to(ROOT / "dagster.yaml")
    (tmp_path / "cities.yaml").write_text(yaml.safe_dump({"cities": {"demo": TINY, "bad": WITHOUT_SOURCE}}))
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
        "DAGSTER_HOME": str(tmp_path / "dagster"),
        "MRLF_DATA": str(tmp_path / "data"),
        "MRLF_CITIES": str(tmp_path / "cities.yaml"),
        "MRLF_UI_PORT": str(free_port()),
        "MRLF_CODE_PORT": str(free_port()),
    }


@pytest.mark.parametrize("variable", ["MRLF_UI_PORT", "MRLF_CODE_PORT"])
def test_a_port_that_is_taken_is_told(environment, variable):
    with socket.create_server(("127.0.0.1", int(environment[variable]))):
        completed = subprocess.run([ROOT / "deploy/ui"], env=environment, capture_output=True, text=True, check=False)
    assert completed.returncode == 1
    assert completed.stderr.startswith(f"port {environment[variable]} is taken") and f"{variable}=" in completed.stderr


def test_without_the_environment_it_says_what_to_do(environment):
    del environment["DAGSTER_HOME"]
    completed = subprocess.run([ROOT / "deploy/ui"], env=environment, capture_output=True, text=True, check=False)
    assert completed.returncode != 0 and "source .venv/bin/activate" in completed.stderr


@pytest.fixture
def ui(environment) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The pages, up and answering; returns the script's process and the address it printed."""
    process = subprocess.Popen(
        [ROOT / "deploy/ui"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        line = next(line for line in process.stdout if "open http" in line or "did not start" in line)
        yield process, line.split()[2]
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(30)


@pytest.mark.slow
@pytest.mark.fault("D16")
@pytest.mark.timeout(400)  # the daemon looks at a backfill every half minute
def test_in_a_backfill_a_city_without_a_source_stops_no_other_and_ctrl_c_stops_everything(ui, environment):
    process, address = ui
    built = backfill(address, ["demo", "bad"], patience_s=380)
    assert set(built) == set(STAGES) - {"study_data", "study"}
    assert set(built.values()) == {(1, 1)}, "of each asset one city was built and the other failed"

    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    for variable in ("MRLF_UI_PORT", "MRLF_CODE_PORT"):
        assert not is_answered(int(environment[variable]))
