"""The containers: nothing is reachable from outside, nothing runs with more rights than it needs.

What only an engine does is read from the file alone: rights, networks, ports, limits. What can be run is run, in
`test_compose_starts.py` and `test_image.py`.
"""

import pytest
import yaml
from dagster._config import validate_config
from dagster._core.instance.config import dagster_instance_config_schema

from pipeline.collect.instagram.terms import PRIVACY_VERSION
from tests.deploy.compose_file import ComposeError, services
from tests.deploy.helpers import ROOT

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
OURS = ("init", "code", "webserver", "daemon")
PASSWORD = {"MRLF_POSTGRES_PASSWORD": "choose-one"}  # pragma: allowlist secret
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
    for mount in services(ROOT, PASSWORD)[name].mounts:
        assert mount.is_read_only or not mount.is_of_the_host, f"{mount.source} can be written by {name}"


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


@pytest.mark.fault("D12")
def test_one_service_builds_the_image_and_no_other_is_pulled_instead():
    builders = [name for name in OURS if "build" in SERVICES[name]]
    assert builders == ["init"], "several builds of one name at once fail"
    assert all(SERVICES[name]["pull_policy"] == "never" for name in OURS if name not in builders)
    assert {SERVICES[name]["image"] for name in OURS} == {"mrlf-pipeline"}


def test_without_a_password_nothing_starts():
    with pytest.raises(ComposeError, match="choose a password for the database"):
        services(ROOT, {})


def a_checkout(tmp_path):
    """A checkout as it is cloned: no `.env`, nothing beside what is committed."""
    for name in ("docker-compose.yml", "deploy", "cities.yaml", "archives"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@pytest.mark.fault("D14")
def test_an_empty_checkout_has_all_that_is_mounted_and_needs_no_env_file(tmp_path):
    mounts = {mount.target: mount.source for mount in services(a_checkout(tmp_path), PASSWORD)["code"].mounts}
    assert mounts["/app/cities.yaml"] == str(tmp_path / "cities.yaml")
    assert mounts["/archives"] == str(tmp_path / "archives")


@pytest.mark.fault("D14")
@pytest.mark.parametrize("variable", ["MRLF_CITIES", "MRLF_ARCHIVES"])
def test_a_path_of_the_host_that_is_not_there_is_told_and_no_empty_folder_made_in_its_place(tmp_path, variable):
    with pytest.raises(ComposeError, match="does not exist"):
        services(a_checkout(tmp_path), {**PASSWORD, variable: "gone"})
    mounts = [mount for mount in SERVICES["code"]["volumes"] if variable in str(mount)]
    assert [mount["bind"] for mount in mounts] == [{"create_host_path": False}]


@pytest.mark.fault("D14")
def test_keys_of_the_env_file_reach_the_code_server_alone_and_change_no_path_of_the_container(tmp_path):
    checkout = a_checkout(tmp_path)
    # pragma: allowlist nextline secret
    keys = {"FOURSQUARE_API_KEY": "fsq", "MRLF_PSEUDONYM_KEY": "ab" * 32, "I_HAVE_READ_PRIVACY_MD": PRIVACY_VERSION}
    paths = {"MRLF_DATA": "data", "DAGSTER_HOME": ".dagster", "MRLF_POSTGRES_HOST": "elsewhere"}
    (checkout / ".env").write_text(
        "".join(f"{name}={value}\n" for name, value in {**PASSWORD, **keys, **paths}.items())
    )
    read = services(checkout, {})
    assert keys.items() <= read["code"].environment.items()
    for name in ("postgres", "init", "webserver", "daemon"):
        assert not keys.keys() & read[name].environment.keys()
    environment = read["code"].environment
    assert (environment["MRLF_DATA"], environment["DAGSTER_HOME"], environment["MRLF_POSTGRES_HOST"]) == (
        "/data",
        "/dagster",
        "postgres",
    )


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
    validated = validate_config(dagster_instance_config_schema(), yaml.safe_load((ROOT / path).read_text()))
    assert validated.success, validated.errors


def test_the_image_holds_nothing_but_what_it_needs():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {"!data", "!.git", "!.env", "!tests"}.isdisjoint(rules)
    assert "--no-deps -r requirements.lock" in DOCKERFILE
