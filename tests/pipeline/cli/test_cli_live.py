"""The command line collects Fakeville: the real commands against fake servers, and how they end."""

import contextlib
import io
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.store import Store
from tests.fakes.called_fakeville import NUM_PLACES, NUM_POSTS
from tests.fakes.fakeville import CITY, write_fakeville
from tests.fakes.foursquare_server import KEY
from tests.fakes.http_server import Answer

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
COLLECT = [sys.executable, "-c", "from pipeline.cli.app import app; app()", "collect", CITY]


def test_collecting_ends_complete_and_a_second_run_asks_for_news_only(fakeville):
    first = fakeville.mrlf("collect", CITY)
    assert first.exit_code == 0, first.output
    assert f"{CITY}: complete" in first.stdout
    assert f"places    {NUM_PLACES} of {NUM_PLACES} done" in first.stdout
    assert f"posts     {NUM_PLACES * NUM_POSTS} found, {NUM_PLACES * NUM_POSTS} new in this run" in first.stdout
    fakeville.instagram.world.add_post("5000")
    num_before, num_searches = fakeville.num_api_requests(), fakeville.foursquare.num_searches
    again = fakeville.mrlf("collect", CITY)
    assert again.exit_code == 0
    assert f"posts     {NUM_PLACES * NUM_POSTS + 1} found, 1 new in this run" in again.stdout
    assert fakeville.num_api_requests() == num_before + NUM_PLACES
    assert fakeville.foursquare.num_searches == num_searches


@pytest.mark.fault("I25")
def test_a_picture_that_waits_ends_with_75_and_every_command_says_until_when(fakeville):
    pk = fakeville.instagram.world.shown("5000")[3]
    fault = fakeville.instagram.fail(f"^/media/{pk}", Answer(status=404), times=None)
    result = fakeville.mrlf("collect", CITY)
    assert result.exit_code == 75, result.output
    assert f"{CITY}: incomplete" in result.stdout
    until = re.search(r"goes on   (20\d\d-\d\d-\d\d \d\d:\d\d UTC): run `mrlf collect", result.stdout)[1]
    status = fakeville.mrlf("status", CITY).stdout
    assert "posts (media_not_found 1)" in result.stdout and "posts (media_not_found 1)" in status
    assert f"goes on   {until}" in status
    fault.times = 0
    assert fakeville.mrlf("collect", CITY).exit_code == 75, "its time has not come"


@pytest.mark.fault("I21")
def test_an_ill_host_of_pictures_is_reported_and_no_post_is_dropped(fakeville):
    fakeville.instagram.fail("^/media/", Answer.html("<html>Sorry</html>"), times=None)
    result = fakeville.mrlf("collect", CITY)
    assert result.exit_code == 75
    assert "the host of pictures is ill" in result.stderr
    assert "0 kept, 1 dropped" in result.stdout, "a video"


def test_a_sensitive_place_is_never_asked_for(fakeville):
    assert fakeville.mrlf("collect", CITY).exit_code == 0
    chapel = next(place for place in fakeville.instagram.world.places.values() if "Chapel" in place.name)
    asked = [*fakeville.instagram.requests]
    assert not [request for request in asked if "Chapel" in str(request.query) + str(request.form)]
    assert chapel.location_id not in [request.query.get("location_id") for request in asked]
    assert not [request for request in asked if f"/{chapel.location_id}/" in request.path]


def test_max_requests_holds_for_searches_and_posts_together_and_the_next_run_goes_on(fakeville):
    limits, codes = [5, 10, 10, 10], []
    for limit in limits:
        num_before = fakeville.num_api_requests()
        result = fakeville.mrlf("collect", CITY, "--max-requests", str(limit))
        assert fakeville.num_api_requests() - num_before <= limit
        codes.append(result.exit_code)
        assert ("incomplete" in result.stdout) == (result.exit_code == 75)
        if result.exit_code == 0:
            break
        assert f"run `mrlf collect {CITY}` again" in result.stdout
    assert codes[0] == 75
    assert codes[-1] == 0


@pytest.mark.fault("I35")
@pytest.mark.parametrize("limit", ["14", None])
def test_requests_of_another_city_in_the_same_hour_are_not_counted(fakeville, limit):
    def of_another_city(answer: Answer) -> Answer:
        """Five requests in the window that both share, as a run of another city leaves them between two of ours."""
        with contextlib.closing(sqlite3.connect(fakeville.data / "crawl" / "instagram.sqlite")) as disk:
            disk.executemany("INSERT INTO requests VALUES (?)", [(time.time(),)] * 5)
            disk.commit()
        return answer

    fakeville.instagram.fail("search", change=of_another_city, times=None)
    result = fakeville.mrlf("collect", CITY, *(["--max-requests", limit] if limit else []))
    num_searches = fakeville.instagram.count("search")
    num_posts = fakeville.num_api_requests() - num_searches
    assert num_searches and num_posts
    assert f"{num_posts} for posts, {num_searches} for places" in result.stdout
    assert limit is None or num_posts == int(limit) - num_searches, "all that was left was for the posts"


@pytest.mark.fault("I35")
def test_a_search_that_is_done_counts_as_no_request_of_the_run_after_it(fakeville):
    assert fakeville.mrlf("collect", CITY).exit_code == 0
    assert re.search(r"requests  3 for posts, 0 for places", fakeville.mrlf("collect", CITY).stdout)


@pytest.mark.fault("I36")
@pytest.mark.parametrize("stage", ["collect", "posts"])
def test_a_second_collector_of_one_city_ends_with_status_75_and_says_who_is_at_work(fakeville, stage):
    with Store(fakeville.data).lock(CITY, stage):
        result = fakeville.mrlf("collect", CITY)
    assert result.exit_code == 75
    what = f"{CITY} is being collected" if stage == "collect" else f"stage posts of {CITY} is being built"
    assert f"{what} by another process (number {os.getpid()}, since 20" in result.output
    assert "let it finish, or stop it, and run this again" in result.output
    assert fakeville.instagram.requests == fakeville.foursquare.requests == []
    assert fakeville.mrlf("collect", CITY, "--max-requests", "1").exit_code == 75, "its lock is free again"


def test_a_run_that_reuses_its_tables_still_reports_what_it_came_to_itself(fakeville):
    assert fakeville.mrlf("collect", CITY).exit_code == 0
    fakeville.live(cool_downs_s=[])
    fault = fakeville.instagram.fail("/api/", Answer(status=429, headers={"Retry-After": "1800"}), times=None)
    throttled = fakeville.mrlf("collect", CITY)
    assert throttled.exit_code == 75
    assert f"0 of {NUM_PLACES} done; waiting: throttled {NUM_PLACES}" in throttled.stdout
    assert re.search(r"goes on   20\d\d-\d\d-\d\d \d\d:\d\d UTC", throttled.stdout)
    num_asked = fault.num_used
    resting = fakeville.mrlf("collect", CITY)
    assert (resting.exit_code, fault.num_used) == (75, num_asked)
    assert "rests          until 20" in fakeville.mrlf("status", CITY).stdout


def test_pois_reports_how_many_there_are_and_where_from(fakeville):
    result = fakeville.mrlf("pois", CITY)
    assert result.exit_code == 0, result.output
    assert f"{CITY}: {NUM_PLACES + 3} POIs, from Foursquare's Places API" in result.stdout
    assert re.search(r"dropped/sensitive_category +1", result.stdout)
    assert fakeville.instagram.requests == []


def test_a_source_that_says_come_back_later_ends_with_status_75(fakeville):
    fakeville.foursquare.fail("", Answer(status=429, headers={"Retry-After": "7200"}), times=None)
    for command in ("pois", "collect"):
        result = fakeville.mrlf(command, CITY)
        assert result.exit_code == 75
        assert "run it again after 20" in result.output
    assert fakeville.instagram.requests == []


def test_ctrl_c_is_one_sentence_and_the_next_run_goes_on(fakeville):
    fakeville.instagram.fail("/media/", change=lambda answer: _slowly(answer), times=None)
    process = subprocess.Popen(
        COLLECT,
        cwd=ROOT,
        env={**os.environ, **fakeville.variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while fakeville.instagram.count("/media/") < 5 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, result = process.communicate(timeout=60)
    assert process.returncode == 130, result
    assert result.splitlines()[-1] == "stopped; what was collected is kept; run it again and it goes on"
    assert "Traceback" not in result
    fakeville.instagram.faults.clear()
    assert "deferred" in fakeville.mrlf("status", CITY).stdout
    again = fakeville.mrlf("collect", CITY)
    assert again.exit_code == 0, again.output
    assert f"posts     {NUM_PLACES * NUM_POSTS} found" in again.stdout


@pytest.mark.fault("D1")
def test_no_secret_is_reported_or_written(fakeville, caplog):
    fakeville.instagram.world.user_id = "7700100000042017"  # long enough not to stand somewhere by chance
    write_fakeville(fakeville.folder, fakeville.instagram.world)
    commands = [
        ("doctor", CITY),
        ("collect", CITY, "--dry-run"),
        ("collect", CITY, "--max-requests", "14"),
        ("status", CITY),
        ("collect", CITY),
        ("doctor", CITY, "--try", "5000"),
        ("settings", CITY),
        ("pois", CITY),
    ]
    result = "".join(fakeville.mrlf(*words).output for words in commands) + caplog.text
    written = [path.read_bytes() for path in fakeville.data.rglob("*") if path.is_file()]
    written += [_of_parquet(path) for path in fakeville.data.rglob("*.parquet")]
    assert [data for data in written if b"Harbour Museum" in data], "the search sees what is written"
    cookies = fakeville.instagram.world.cookies()
    for secret in (KEY, *cookies.values()):
        assert secret not in result, "a secret was printed"
        assert not [data for data in written if secret.encode() in data], "a secret was written"
    assert len(written) > 100
    assert not re.search(r"user\.7\d{7}", result)
    assert not [data for data in written if re.search(rb"user\.7\d{7}", data)], "a user's name was written"


def test_who_opts_out_is_not_named_and_goes_with_the_next_build(fakeville):
    assert fakeville.mrlf("collect", CITY).exit_code == 0
    world = fakeville.instagram.world
    owner = world.owner_of(world.shown("5000")[0])
    result = fakeville.mrlf("opt-out", "-", stdin=f"{owner}\n\n@nobody.else\n")
    assert result.exit_code == 0, result.output
    assert "2 entries taken into the list, which has 6 keyed hashes now" in result.stdout
    assert f"of theirs will go with the next build: mrlf run {CITY}" in result.stdout
    assert str(owner) not in result.output + (fakeville.data / "private" / "opt_out.txt").read_text()
    assert "nobody.else" not in result.output


def _slowly(answer: Answer) -> Answer:
    time.sleep(0.05)
    return answer


def _of_parquet(path: Path) -> bytes:
    """The values of a file without its compression."""
    text = io.StringIO()
    for row in pq.read_table(path).to_pylist():
        text.write(f"{row}\n")
    return text.getvalue().encode()


@pytest.mark.fault("P12")
def test_what_foursquare_stated_goes_at_the_end_of_its_time_and_the_next_run_asks_for_that_alone(fakeville):
    def kept_for(hours: float | None) -> None:
        path = fakeville.folder / "cities.yaml"
        content = yaml.safe_load(path.read_text())
        content["cities"][CITY]["pois"] = {"foursquare_keep_hours": hours}
        path.write_text(yaml.safe_dump(content))

    def is_told() -> bool:  # a POI that Instagram does not know, so that its name is Foursquare's alone
        return any(b"Forgotten Archive" in path.read_bytes() for path in fakeville.data.rglob("*") if path.is_file())

    assert fakeville.mrlf("collect", CITY).exit_code == 0
    result = fakeville.mrlf("pois", CITY).stdout
    assert re.search(
        r"  asked +20\d\d-\S+ \d\d:\d\d UTC, of Foursquare\n  kept until +20\S+ .*UTC \(\S+ 24\): then", result
    )
    assert is_told()
    num_before, places = fakeville.num_api_requests(), Store(fakeville.data).stage_record(CITY, "places")
    kept_for(1e-6)
    result = fakeville.mrlf("status", CITY).stdout
    assert "expired          all but the ids is deleted" in result
    assert f"live             {NUM_PLACES} of {NUM_PLACES} places done" in result
    assert "searches" not in result
    assert not is_told()
    kept_for(None)
    again = fakeville.mrlf("collect", CITY)
    assert (again.exit_code, fakeville.foursquare.num_searches) == (0, 2), again.output
    assert "kept for ever" in again.stderr
    assert fakeville.num_api_requests() == num_before + NUM_PLACES, "a page of each place, and no search"
    assert Store(fakeville.data).stage_record(CITY, "places") == places, "reused: the POIs are what they were"
    assert "kept             for ever" in fakeville.mrlf("status", CITY).stdout
