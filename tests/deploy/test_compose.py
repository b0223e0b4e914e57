"""The containers: nothing is reachable from outside, nothing runs with more rights than it needs.

Read from the file alone: no container engine is at hand in the tests.
"""

from pathlib import Path

import pytest
import yaml
from dagster._config import validate_config
from dagster._core.instance.config import dagster_instance_config_schema

ROOT = Path(__file__).parent.parent.parent
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
OURS = ("init", "code", "webserver", "daemon")
DOCKERFILE = (ROOT / "Dockerfile").read_text()
pytestmark = pytest.mark.fault("D2")


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_more_rights_than_it_needs(name):
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert "privileged" not in service and "cap_add" not in service


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_sees_the_docker_socket_or_the_host(name):
    service = SERVICES[name]
    assert "docker.sock" not in str(service)
    assert not {"network_mode", "pid", "ipc"} & set(service)
    for volume in service["volumes"]:
        source, _, rest = volume.partition(":")
        assert source in COMPOSE["volumes"] or rest.endswith(":ro"), f"{volume} can be written by {name}"


@pytest.mark.parametrize("name", SERVICES)
def test_only_the_page_is_published_and_on_this_machine_only(name):
    ports = SERVICES[name].get("ports", [])
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert bool(ports) is (name == "webserver")


def test_nobody_runs_as_root():
    assert SERVICES["postgres"]["user"] == "postgres"
    lines = DOCKERFILE.splitlines()
    assert [line for line in lines if line.startswith("USER")] == ["USER mrlf"] and lines[-1] == "USER mrlf"
    assert all("user" not in SERVICES[name] for name in OURS)


def test_the_database_has_no_default_password_and_no_way_out():
    for name in SERVICES:
        environment = SERVICES[name]["environment"]
        passwords = [value for key, value in environment.items() if "PASSWORD" in key]
        assert passwords and all(value.startswith("${MRLF_POSTGRES_PASSWORD:?") for value in passwords)
    assert SERVICES["postgres"]["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "init"])
def test_a_service_that_stays_says_how_it_is(name):
    assert SERVICES[name]["healthcheck"]["test"]
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_things_start_in_order():
    waits = {name: SERVICES[name].get("depends_on", {}) for name in SERVICES}
    assert waits == {
        "postgres": {},
        "init": {"postgres": {"condition": "service_healthy"}},
        "code": {"init": {"condition": "service_completed_successfully"}},
        "webserver": {"code": {"condition": "service_healthy"}},
        "daemon": {"code": {"condition": "service_healthy"}},
    }


def test_make_ui_runs_the_same_commands():
    script = (ROOT / "deploy/ui").read_text()
    for name in ("code", "webserver", "daemon"):
        command = " ".join(SERVICES[name]["command"]).replace("0.0.0.0", "127.0.0.1")  # noqa: S104
        command = command.replace("-p 4000", '-p "$MRLF_CODE_PORT"').replace("-p 3000", '-p "$PORT"')
        assert f"start {name} {command}\n" in script


def test_both_instances_are_the_same_but_for_where_they_keep_their_books():
    local = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    contained = yaml.safe_load((ROOT / "deploy/dagster.yaml").read_text())
    assert "postgres" in contained.pop("storage")
    assert contained == local
    assert local["telemetry"] == {"enabled": False}
    assert local["concurrency"]["pools"]["granularity"] == "op"
    assert local["run_monitoring"]["max_runtime_seconds"] > 0


@pytest.mark.parametrize("path", ["dagster.yaml", "deploy/dagster.yaml"])
def test_dagster_takes_the_file(path):
    told = validate_config(dagster_instance_config_schema(), yaml.safe_load((ROOT / path).read_text()))
    assert told.success, told.errors


def test_the_image_holds_nothing_but_what_it_needs():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {"!data", "!.git", "!.env", "!tests"}.isdisjoint(rules)
    assert "--no-deps -r requirements.lock" in DOCKERFILE
