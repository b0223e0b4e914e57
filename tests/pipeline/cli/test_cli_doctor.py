"""What the command line checks before it asks anybody: doctor, the dry run, what is missing or unknown."""

import re

import pytest

from pipeline.collect.instagram.terms import READ_VARIABLE
from tests.fakes.called_fakeville import NUM_PLACES
from tests.fakes.fakeville import CITY
from tests.fakes.http_server import Answer


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(lambda f, env: env.delenv(READ_VARIABLE), "docs/PRIVACY.md", id="terms not read"),
        pytest.param(lambda f, env: f.live(purpose="TODO"), "fill in purpose", id="no purpose"),
        pytest.param(lambda f, env: env.delenv("MRLF_INSTAGRAM_COOKIES"), "MRLF_INSTAGRAM_COOKIES", id="no cookies"),
        pytest.param(lambda f, env: (f.folder / "cookies.json").chmod(0o644), "chmod 600", id="cookies of everybody"),
        pytest.param(lambda f, env: (f.folder / "cookies.json").unlink(), "there is no", id="cookie file gone"),
        pytest.param(lambda f, env: env.delenv("FOURSQUARE_API_KEY"), "no source of POIs", id="no key"),
        pytest.param(lambda f, env: f.live(reads_per_minute=0), "reads_per_minute", id="impossible pace"),
    ],
)
def test_what_is_missing_ends_a_run_before_a_request_to_instagram(fakeville, monkeypatch, change, words):
    change(fakeville, monkeypatch)
    result = fakeville.mrlf("collect", CITY)
    assert result.exit_code == 1
    assert words in result.output
    assert "Traceback" not in result.output
    assert fakeville.instagram.requests == []


@pytest.mark.parametrize("command", ["pois", "collect", "status", "doctor"])
def test_an_unknown_city_is_reported(fakeville, command):
    result = fakeville.mrlf(command, "rome")
    assert result.exit_code == 1
    assert "there is no city 'rome'" in result.output


@pytest.mark.slow
def test_a_dry_run_asks_nobody_before_and_after_a_run(fakeville):
    before = fakeville.mrlf("collect", CITY, "--dry-run")
    assert before.exit_code == 0, before.output
    assert "POIs to search   40 (the POIs are not built yet: as many as max_pois)" in before.stdout
    assert fakeville.instagram.requests == fakeville.foursquare.requests == []
    assert fakeville.mrlf("collect", CITY).exit_code == 0
    num_asked = len(fakeville.instagram.requests)
    after = fakeville.mrlf("collect", CITY, "--dry-run")
    assert f"places to walk   {NUM_PLACES} (refresh {NUM_PLACES})" in after.stdout
    assert "requests         at least 3" in after.stdout
    assert len(fakeville.instagram.requests) == num_asked


def test_a_dry_run_reports_what_is_missing(fakeville, monkeypatch):
    monkeypatch.delenv(READ_VARIABLE)
    monkeypatch.delenv("FOURSQUARE_API_KEY")
    result = fakeville.mrlf("collect", CITY, "--dry-run")
    assert re.search(rf"wrong +terms of {CITY} .*docs/PRIVACY.md", result.stdout)
    assert re.search(r"missing +Foursquare's key +FOURSQUARE_API_KEY is not set", result.stdout)


def test_doctor_asks_nobody_and_says_what_stops_a_city(fakeville, monkeypatch):
    assert fakeville.mrlf("doctor", CITY).exit_code == 0
    assert fakeville.mrlf("doctor").exit_code == 0
    (fakeville.folder / "cookies.json").chmod(0o644)
    result = fakeville.mrlf("doctor", CITY)
    assert result.exit_code == 1
    assert re.search(r"wrong +cookie file .*chmod 600", result.stdout)
    assert fakeville.mrlf("doctor").exit_code == 0
    assert fakeville.instagram.requests == fakeville.foursquare.requests == []


def test_doctor_tries_each_endpoint_once(fakeville):
    fakeville.instagram.world.answers_201 = True
    result = fakeville.mrlf("doctor", "--try", "5001")
    assert result.exit_code == 0, result.output
    assert "sections     answers: 24 posts, more: yes" in result.stdout
    assert "instaloader  source_changed: status_201" in result.stdout
    assert len(fakeville.instagram.requests) == 3


def test_doctor_does_not_ask_twice_when_throttled_and_leaves_a_rest_behind(fakeville):
    fakeville.instagram.fail("", Answer(status=429), times=None)
    result = fakeville.mrlf("doctor", CITY, "--try", "5001")
    assert "sections     not now: throttled" in result.stdout
    assert len(fakeville.instagram.requests) == 1
    again = fakeville.mrlf("doctor", CITY, "--try", "5001")
    assert again.exit_code == 1
    assert "everything rests for 5 more minutes" in again.output
    assert len(fakeville.instagram.requests) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(("doctor", CITY, "--try", "../../x"), "the id of a place", id="no id"),
        pytest.param(("doctor", "other", "--try", "5000"), "no section live:", id="a city that is not live"),
    ],
)
def test_doctor_tries_only_under_the_terms_of_a_live_city(fakeville, words, message):
    path = fakeville.folder / "cities.yaml"
    path.write_text(path.read_text() + "  other: {name: Other, latitude: 1, longitude: 1, radius_km: 1}\n")
    result = fakeville.mrlf(*words)
    assert result.exit_code == 1
    assert message in result.output
    assert fakeville.instagram.requests == []


@pytest.mark.parametrize("words", [("-",), ("two words",), ("https://example.org/p/x",)])
def test_what_is_no_account_or_post_is_not_put_on_the_list(fakeville, words):
    result = fakeville.mrlf("opt-out", *words)
    assert result.exit_code == 1
    assert not (fakeville.data / "private" / "opt_out.txt").exists()


@pytest.mark.parametrize("command", ["run", "pois", "collect", "status", "doctor", "opt-out"])
def test_every_command_shows_an_example(fakeville, command):
    assert f"mrlf {command} " in fakeville.mrlf(command, "--help").stdout


def test_help_names_the_exit_status_of_an_incomplete_run(fakeville):
    assert "75 (EX_TEMPFAIL)" in fakeville.mrlf("collect", "--help").stdout
