"""`docker compose up` without an engine: the services' own commands, with `deploy/dagster.yaml`, on a real PostgreSQL.

What differs from the containers stands in `tests/deploy/containers.py`, in one table. Skipped where PostgreSQL is not
installed; `.ci/run` installs it.
"""

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import psycopg2
import pytest
import yaml

from pipeline.collect.instagram.cookie_files import read_cookies
from tests.deploy.containers import Containers
from tests.deploy.helpers import ROOT, is_answered, launch
from tests.deploy.postgres import postgres, programs
from tests.fakes.tiny_city import TINY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

PASSWORD = "choose-one"  # pragma: allowlist secret
ENV_FILE = f"""MRLF_POSTGRES_PASSWORD={PASSWORD}
MRLF_INSTAGRAM_COOKIES=/data/private/cookies.json
FOURSQUARE_API_KEY=fsq-of-a-test
MRLF_DATA=/somewhere/of/this/machine
"""
COOKIES = {"sessionid": "1%3Aa", "csrftoken": "b", "ds_user_id": "1"}


@dataclass(frozen=True)
class Up:
    """All services, up; whether the database's health check passed while it was not to be reached yet; what was told.

    told: by the commands of DEPLOY.md, which were run one after the other.
    """

    containers: Containers
    was_healthy_too_early: bool
    printed: dict[str, str]

    def ask_postgres(self, query: str) -> list[tuple]:
        """The rows that the database answers with."""
        port = self.containers.ports["5432"]
        where = {"host": "127.0.0.1", "port": port, "dbname": "mrlf", "user": "mrlf", "password": PASSWORD}
        with closing(psycopg2.connect(**where)) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()


def documented_commands() -> list[str]:
    """The commands of DEPLOY.md that are run in a container."""
    return re.findall(r"^docker compose exec (?:-T )?(.+)$", (ROOT / "docs/DEPLOY.md").read_text(), re.MULTILINE)


def run_documented(containers: Containers, command: str) -> str:
    """Run such a command; a file that it is given is one of cookies."""
    words, _, stdin = command.partition(" < ")
    service, *rest = shlex.split(words, comments=True)
    return containers.run(service, *rest, stdin=json.dumps(COOKIES).encode() if stdin else b"")


@pytest.fixture(scope="module")
def up(tmp_path_factory) -> Iterator[Up]:
    """`docker compose up` on empty volumes, then what DEPLOY.md says."""
    programs()
    folder = tmp_path_factory.mktemp("compose")
    (folder / "cities.yaml").write_text(yaml.safe_dump({"cities": {"demo": TINY}}))
    (folder / "archives").mkdir()
    shell = {"MRLF_CITIES": str(folder / "cities.yaml"), "MRLF_ARCHIVES": str(folder / "archives")}
    containers = Containers(folder, ENV_FILE, shell)
    with postgres(containers.ports["5432"], containers.services["postgres"].environment) as server:
        containers.server = server
        server.first_start()
        was_healthy_too_early = containers.is_healthy("postgres")
        server.stop()
        try:
            containers.up()
            yield Up(
                containers,
                was_healthy_too_early,
                {command: run_documented(containers, command) for command in documented_commands()},
            )
        finally:
            containers.stop()


@pytest.mark.fault("D13")
def test_the_database_is_not_called_healthy_while_it_is_still_being_set_up(up):
    assert not up.was_healthy_too_early


@pytest.mark.fault("D12")
@pytest.mark.parametrize("name", ["webserver", "daemon"])
def test_the_services_that_nobody_waits_for_say_that_they_are_well(up, name):
    up.containers.wait_until_healthy(name)


@pytest.mark.fault("D15")
def test_the_first_command_of_deploy_md_builds_a_city_on_empty_volumes(up):
    first = next(iter(up.printed))
    assert first == 'code dagster asset materialize --select "+evaluate_mrlf" --partition demo'
    assert (up.containers.volume("data") / "reports/demo/report.html").is_file()
    assert up.ask_postgres("select status from runs where run_id = (select min(run_id) from runs)") == [("SUCCESS",)]
    ((num_built,),) = up.ask_postgres(
        "select count(distinct asset_key) from event_logs where dagster_event_type = 'ASSET_MATERIALIZATION'"
    )
    assert num_built == 10


@pytest.mark.fault("D12")
def test_a_run_started_from_the_page_goes_through_the_daemon_and_is_in_the_database(up):
    address = f"http://127.0.0.1:{up.containers.ports['3000']}"
    run_id, status = launch(address, ["pois", "places", "posts"], "demo", patience_s=150)
    assert status == "SUCCESS"
    assert up.ask_postgres(f"select status, partition from runs where run_id = '{run_id}'") == [("SUCCESS", "demo")]  # noqa: S608
    queued = f"select 1 from event_logs where run_id = '{run_id}' and dagster_event_type = 'PIPELINE_ENQUEUED'"  # noqa: S608
    assert up.ask_postgres(queued), "it was in the queue, out of which the daemon alone takes it"
    assert not list(up.containers.volume("dagster").rglob("*.db")), "no book is kept beside the database"


@pytest.mark.fault("D14")
def test_cities_archives_and_keys_reach_the_code_server(up):
    doctor = next(printed for command, printed in up.printed.items() if "doctor" in command)
    assert f"1 in {up.containers.folder / 'cities.yaml'}" in doctor
    assert "FOURSQUARE_API_KEY is set" in doctor and "fsq-of-a-test" not in doctor
    assert f"{up.containers.volume('data')} can be written" in doctor, "MRLF_DATA of .env is not the container's"
    mounts = {mount.target: mount for mount in up.containers.services["code"].mounts}
    assert mounts["/archives"].source == str(up.containers.folder / "archives")
    assert all(mount.is_read_only for mount in mounts.values() if mount.is_of_the_host)


@pytest.mark.fault("D14")
def test_the_documented_copy_of_the_cookies_is_one_that_the_reader_takes(up):
    assert read_cookies(up.containers.volume("data") / "private/cookies.json") == COOKIES


@pytest.mark.fault("D12")
def test_everything_stops_when_it_is_told_to_and_nothing_was_written_into_the_image(up):
    statuses = up.containers.stop()
    assert set(statuses) == {"code", "webserver", "daemon"}
    assert None not in statuses.values(), "each stopped by itself within its minute"
    assert not any(is_answered(up.containers.ports[port]) for port in ("3000", "4000"))
    assert up.containers.written_into_the_image() == []
