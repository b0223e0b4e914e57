"""More faults of collecting POIs: names and ids as paths, one name in two cities, slow hosts to the end of a run, a
full disk, a clock that is set back.
"""

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from pipeline.collect.poi_sources import foursquare_client as client
from pipeline.collect.poi_sources.foursquare_answers import AnswerFolder
from pipeline.collect.web.errors import RetryError
from pipeline.errors import IncompleteError
from pipeline.store.tables import Tables
from tests.fakes.foursquare_server import KEY, fake_place
from tests.fakes.http_server import Answer

NAMES = ["../../x", "a\0b", "CON", "\u202ex", "\u0301", "\x1b[31m", "x" * 300, "🗼", "/etc/passwd", "NUL.txt", " "]


def pois(store, city="town"):
    return store.tables.read(city, "pois").to_pylist()


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process can grow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.fault("P9")
def test_no_name_is_a_path(build, server, store, clock, tmp_path):
    server.places = [fake_place(0)]
    build()
    before = {path.name for path in tmp_path.rglob("*") if not path.is_file()}
    server.places = [fake_place(number, name=name) for number, name in enumerate(NAMES)]
    clock.pass_by(2 * 86_400)
    counts = build().counts
    assert counts["pois"] + counts["dropped"] == len(NAMES)
    assert {row["poi_id"] for row in pois(store)} <= {f"{number:024x}" for number in range(len(NAMES))}
    assert {path.name for path in tmp_path.rglob("*") if not path.is_file()} == before


@pytest.mark.fault("P9")
@pytest.mark.parametrize("poi_id", ["../../x", "a/b", "a\0b", "x" * 400, "\ud800", " ", ".."])
def test_an_id_that_could_be_a_path_is_data_or_a_drop(build, server, store, tmp_path, poi_id):
    server.places = [fake_place(1), fake_place(2, fsq_place_id=poi_id)]
    try:
        counts = build().counts
    except ValueError as error:
        assert "lone_surrogate" in str(error)
        return
    assert counts["pois"] + counts["dropped"] == 2
    assert not [path for path in tmp_path.rglob("*") if poi_id in path.name.split("/") or path.name == "x"]


@pytest.mark.fault("P6")
def test_two_cities_of_one_name_share_no_folder_and_no_class(build, server, store, town):
    same = {"name": "Chain"}
    server.places = [fake_place(1, **same)]
    build()
    server.places = [fake_place(2, **same)]
    build(town.model_copy(update={"key": "other"}))
    folders = {path.parent for path in (store.root / "crawl/foursquare").glob("*/*/state.json")}
    assert len(folders) == 2
    assert {row["poi_id"] for row in pois(store)} & {row["poi_id"] for row in pois(store, "other")} == set()
    assert {row["name"] for city in ("town", "other") for row in pois(store, city)} == {"Chain"}


@pytest.mark.fault("P3")
def test_a_host_that_stays_slow_is_asked_five_times_then_deferred(build, server, monkeypatch):
    monkeypatch.setattr(client, "TIMEOUT_S", (1.0, 0.05))
    fault = server.fail("", Answer(delay_s=0.1), times=None)
    with pytest.raises(IncompleteError):
        build()
    assert len(server.requests) == 5
    fault.times = 0
    assert build(max_pois=10).counts["pois"] == 10


@pytest.mark.fault("P3")
def test_a_host_without_an_address_is_deferred(build, server, monkeypatch, clock):
    monkeypatch.setenv("MRLF_FOURSQUARE_URL", "https://nobody.invalid")
    with pytest.raises(IncompleteError):
        build()
    assert len(clock.slept) == 4
    assert not server.requests


@pytest.mark.fault("P1")
@pytest.mark.fault("D1")
@pytest.mark.parametrize("trouble", ["tls", "reset", "slow", "no host"])
def test_no_error_holds_the_request_and_so_the_key_in_its_chain(server, clock, monkeypatch, trouble):
    monkeypatch.setattr(client, "TIMEOUT_S", (1.0, 0.05))
    url = {"tls": server.url.replace("http:", "https:"), "no host": "https://nobody.invalid"}.get(trouble, server.url)
    server.fail("", Answer(ending="reset") if trouble == "reset" else Answer(delay_s=0.1), times=None)
    with pytest.raises(RetryError) as caught:
        client.PlacesClient(KEY, clock, url).first({})
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.fault("I18")
@pytest.mark.parametrize(("owner", "name"), [(AnswerFolder, "put"), (AnswerFolder, "write"), (Tables, "replace")])
def test_a_full_disk_is_reported_with_the_path_and_the_rerun_asks_for_no_page_twice(
    build, server, store, monkeypatch, owner, name
):
    write = getattr(owner, name)

    def failing(*args, **options):
        with full_disk():
            return write(*args, **options)

    monkeypatch.setattr(owner, name, failing)
    with pytest.raises(OSError, match=str(store.root)) as raised:
        build(max_pois=10)
    assert raised.value.errno == errno.EFBIG
    monkeypatch.setattr(owner, name, write)
    assert build(max_pois=10).counts["pois"] == 10
    assert len(server.requests) <= 2
    assert not list(store.root.rglob(".writing-*"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(build, server, store):
    folder = store.root / "crawl"
    folder.mkdir(mode=0o500)
    with pytest.raises(OSError, match=str(folder)):
        build(max_pois=10)
    folder.chmod(0o700)
    assert build(max_pois=10).counts["pois"] == 10


@pytest.mark.parametrize(
    "jump_s",
    [pytest.param(-366 * 86_400.0, id="back"), pytest.param(366 * 86_400.0, id="forward")],
)
def test_a_clock_that_jumps_between_runs_makes_no_endless_wait(build, server, clock, jump_s):
    fault = server.fail("", Answer.json({}, 429, headers={"Retry-After": "900"}), times=None)
    with pytest.raises(IncompleteError):
        build(max_wait_s=60)
    fault.times = 0
    clock.jump(jump_s)
    clock.pass_by(timedelta(days=1).total_seconds())
    assert build(max_pois=10, max_wait_s=60).counts["pois"] == 10
