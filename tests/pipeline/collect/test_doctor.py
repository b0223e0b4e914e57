"""The doctor: every line says what is so, nothing is asked, and no secret is shown."""

import re
import socket
from datetime import UTC, datetime

import pytest

from pipeline.cities import City
from pipeline.collect.doctor import Check, examine, wants_foursquare
from pipeline.collect.instagram.terms import PRIVACY_VERSION, READ_VARIABLE
from pipeline.privacy.opt_out import add_opt_outs
from pipeline.privacy.pseudonyms import load_pseudonyms
from tests.fakes.live_town import write_cookies

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
COOKIES = {"sessionid": "canary-session", "csrftoken": "canary-token", "ds_user_id": "77001770017"}
LIVE = {"purpose": "a test", "legal_basis": "synthetic data", "contact": "nobody@example.org"}
KEY, SECRET = "canary-key-0123456789", "c0" * 32  # pragma: allowlist secret
VARIABLES = (
    "MRLF_INSTAGRAM_COOKIES",
    "MRLF_INSTAGRAM_URL",
    "MRLF_FOURSQUARE_URL",
    "FOURSQUARE_API_KEY",
    "MRLF_PSEUDONYM_KEY",
    READ_VARIABLE,
    "MRLF_CITIES",
)


def city(**changes) -> City:
    """A live city whose POIs come from Foursquare; a section that is None is left out."""
    fields = {"name": "Town", "latitude": 12, "longitude": -30, "radius_km": 10, "live": LIVE, **changes}
    return City.from_fields("town", {name: value for name, value in fields.items() if value is not None})


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """Sets the variables of a machine where all is well, but for those that are changed; None takes one out."""

    def of(**changes: str | None) -> None:
        found = {
            "FOURSQUARE_API_KEY": KEY,
            "MRLF_PSEUDONYM_KEY": SECRET,
            READ_VARIABLE: PRIVACY_VERSION,
            "MRLF_INSTAGRAM_COOKIES": str(write_cookies(tmp_path / "cookies.json", COOKIES)),
            **changes,
        }
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        for name, value in found.items():
            if value is not None:
                monkeypatch.setenv(name, value)

    return of


class Dial:
    """Connections that are counted and go nowhere; hosts of `refused` are not reached."""

    def __init__(self, refused: type[OSError] | None = None) -> None:
        self.refused, self.asked = refused, []

    def __call__(self, address: tuple[str, int], timeout_s: float) -> socket.socket:
        self.asked.append(address)
        if self.refused:
            raise self.refused(1, "refused")
        return socket.socket(socket.AF_UNIX)


def check(checks: list[Check], topic: str) -> Check:
    return next(check for check in checks if check.topic.startswith(topic))


def test_where_all_is_well_nothing_stops_the_city(store, environment):
    environment()
    checks = examine(store, city(), NOW, dial=None)
    assert not [check for check in checks if check.stops or check.state == "wrong"]
    stages = ("portrait_masks", "clean_images", "image_features")
    assert [check.topic for check in checks if check.state == "missing"] == [f"weights of {stage}" for stage in stages]


@pytest.mark.parametrize(
    ("settings", "state", "words"),
    [
        pytest.param({"weights": "builtin"}, "ok", "built-in way", id="builtin"),
        pytest.param({"network": "u2netp"}, "missing", "mrlf weights fetch u2netp", id="another network, not here"),
        pytest.param({"network": "my_net"}, "wrong", "there are no weights 'my_net'", id="nobody's network"),
        pytest.param({"weights_file": "/nowhere"}, "wrong", "there is no file", id="a file that is not there"),
    ],
)
def test_the_weights_of_each_stage_are_looked_for(store, environment, settings, state, words):
    environment()
    checks = examine(store, city(portrait_masks=settings), NOW, dial=None)
    (check,) = [check for check in checks if check.topic == "weights of portrait_masks"]
    assert check.state == state and words in check.finding


@pytest.mark.parametrize(
    ("variables", "changes", "topic", "state", "words"),
    [
        pytest.param({"FOURSQUARE_API_KEY": None}, {}, "Foursquare's key", "missing", "town needs it", id="no key"),
        pytest.param(
            {"FOURSQUARE_API_KEY": None},
            {"posts": {"archive": "/nowhere"}},
            "Foursquare's key",
            "missing",
            "from_archive: {min_posts: 10}",
            id="no key, but an archive",
        ),
        # pragma: allowlist nextline secret
        pytest.param({"FOURSQUARE_API_KEY": "a b"}, {}, "Foursquare's key", "wrong", "one word", id="no such key"),
        pytest.param({"MRLF_FOURSQUARE_URL": "http://x.org"}, {}, "Foursquare's address", "wrong", "https", id="http"),
        pytest.param({"MRLF_INSTAGRAM_URL": "http://x.org"}, {}, "Instagram's address", "wrong", "https", id="http 2"),
        pytest.param(
            {"MRLF_PSEUDONYM_KEY": "short"}, {}, "pseudonym key", "wrong", "32 random bytes", id="bad secret"
        ),
        pytest.param({READ_VARIABLE: None}, {}, "terms of town", "wrong", "docs/PRIVACY.md", id="terms not read"),
        pytest.param({READ_VARIABLE: "2020-01-01"}, {}, "terms of town", "wrong", "has changed", id="old terms"),
        pytest.param({}, {"live": {**LIVE, "contact": ""}}, "terms of town", "wrong", "contact", id="no contact"),
        pytest.param({}, {"live": {"speed": 1}}, "live section", "wrong", "speed", id="unknown setting"),
        pytest.param(
            {"MRLF_INSTAGRAM_COOKIES": "/nowhere"}, {}, "cookie file", "wrong", "there is no", id="no cookie file"
        ),
        pytest.param({}, {"live": None}, "archive", "wrong", "no source of posts", id="neither live nor an archive"),
        pytest.param(
            {},
            {"live": None, "posts": {"archive": "/nowhere"}},
            "archive",
            "wrong",
            "no folder /nowhere",
            id="an archive that is not there",
        ),
        pytest.param({}, {"pois": {"from_archive": {}}}, "source of POIs", "wrong", "archive: path", id="no archive"),
        pytest.param(
            {},
            {"pois": {"os_places_catalog": True}},
            "source of POIs",
            "wrong",
            "FOURSQUARE_PORTAL_TOKEN",
            id="no token",
        ),
        pytest.param({}, {"pois": {"fiel": "x"}}, "stage pois", "wrong", "fiel", id="misspelt setting"),
    ],
)
def test_what_stops_a_city_is_named_with_what_to_do(store, environment, variables, changes, topic, state, words):
    environment(**variables)
    found = check(examine(store, city(**changes), NOW, dial=None), topic)
    assert (found.state, found.stops) == (state, True)
    assert words in found.finding


@pytest.mark.parametrize(
    ("variables", "changes", "topic", "words"),
    [
        pytest.param({"MRLF_INSTAGRAM_COOKIES": None}, {}, "cookie file", "first look", id="a visitor"),
        pytest.param({"MRLF_PSEUDONYM_KEY": None}, {}, "pseudonym key", "back it up", id="no secret yet"),
        pytest.param({}, {"live": None}, "live section", "not asked", id="not live"),
        pytest.param(
            {"FOURSQUARE_API_KEY": None}, {"pois": {"file": "a.csv"}}, "Foursquare's key", "is not set", id="a file"
        ),
    ],
)
def test_what_a_city_can_do_without_is_missing_and_stops_nothing(store, environment, variables, changes, topic, words):
    environment(**variables)
    found = check(examine(store, city(**changes), NOW, dial=None), topic)
    assert (found.state, found.stops) == ("missing", False)
    assert words in found.finding


@pytest.mark.parametrize(
    ("changes", "wants"),
    [
        pytest.param({}, True, id="no other source"),
        pytest.param({"pois": {"file": "a.csv"}}, False, id="a file"),
        pytest.param({"pois": {"os_places": "a"}}, False, id="OS Places"),
        pytest.param({"pois": {"os_places_catalog": True}}, False, id="the catalogue of OS Places"),
        pytest.param({"pois": {"from_archive": {}}}, False, id="the archive"),
        pytest.param({"pois": {"source": "from_archive"}}, False, id="the archive by its name"),
        pytest.param({"demo": {}}, False, id="the demo's"),
        pytest.param({"pois": {"file": "a.csv", "source": "foursquare"}}, True, id="named"),
    ],
)
def test_a_city_wants_foursquare_where_it_names_no_other_source(changes, wants):
    assert wants_foursquare(city(**changes)) is wants


def test_only_the_hosts_that_a_city_asks_are_connected_to(store, environment):
    environment()
    dial = Dial()
    examine(store, city(), NOW, dial=dial)
    assert dial.asked == [("places-api.foursquare.com", 443), ("www.instagram.com", 443)]
    dial = Dial()
    examine(store, city(live=None, pois={"file": "a.csv"}), NOW, dial=dial)
    assert dial.asked == []
    examine(store, city(live=None, pois={"os_places_catalog": True}), NOW, dial=dial)
    assert dial.asked == [("catalog.h3-hub.foursquare.com", 443)]


@pytest.mark.parametrize(
    ("error", "words"),
    [(ConnectionRefusedError, "refused"), (socket.gaierror, "name is not known"), (TimeoutError, "")],
)
def test_a_host_that_is_not_reached_stops_the_city(store, environment, error, words):
    environment()
    found = check(examine(store, city(), NOW, dial=Dial(error)), "way to Instagram")
    assert (found.state, found.stops) == ("wrong", True)
    assert words in found.finding


def test_the_opt_out_list_is_counted_and_a_list_of_another_key_is_reported(store, environment):
    environment()
    add_opt_outs(store, ["@somebody"])
    assert check(examine(store, None, NOW, dial=None), "opt-out list").finding.startswith("1 ")
    environment(MRLF_PSEUDONYM_KEY="d1" * 32)
    assert check(examine(store, None, NOW, dial=None), "opt-out list").state == "wrong"


def test_a_key_in_the_private_folder_is_found(store, environment):
    environment(MRLF_PSEUDONYM_KEY=None)
    load_pseudonyms(store, city())
    assert check(examine(store, city(), NOW, dial=None), "pseudonym key").state == "ok"


def test_without_a_city_the_terms_of_all_live_cities_are_looked_at(store, environment, tmp_path):
    path = tmp_path / "cities.yaml"
    place = "latitude: 1, longitude: 1, radius_km: 1"
    path.write_text(f"cities: {{a: {{name: A, {place}, live: {{}}}}, b: {{name: B, {place}}}}}")
    environment(MRLF_CITIES=str(path))
    checks = examine(store, None, NOW, dial=None)
    assert check(checks, "cities").finding.endswith("collected live: a")
    assert "fill in purpose, legal_basis, contact" in check(checks, "terms of a").finding
    assert not [found for found in checks if found.topic.endswith("of b")]
    path.write_text("cities: 1")
    assert check(examine(store, None, NOW, dial=None), "cities").state == "wrong"


@pytest.mark.fault("D1")
@pytest.mark.parametrize("variables", [{}, {"MRLF_PSEUDONYM_KEY": SECRET[:40]}, {"FOURSQUARE_API_KEY": f"{KEY} x"}])
def test_no_secret_is_reported(store, environment, variables):
    environment(**variables)
    found = "".join(map(repr, examine(store, city(), NOW, dial=Dial(ConnectionRefusedError))))
    assert not re.search("|".join([*COOKIES.values(), KEY, SECRET[:40]]), found)


@pytest.mark.fault("P26")
def test_a_city_that_cannot_be_used_is_told_and_stops_no_other(store, environment, tmp_path, monkeypatch):
    environment(MRLF_CITIES=str(tmp_path / "cities.yaml"))
    place = "name: A, latitude: 0, longitude: 0, radius_km: 1"
    text = f"cities: {{a: {{{place}}}, b: {{{place}, curate_posts: {{}}}}}}"
    (tmp_path / "cities.yaml").write_text(f"{text}\nversion: 2")
    found = examine(store, None, NOW, dial=None)
    checks = {check.topic: check for check in found}
    first, second = (check for check in found if check.topic == "cities")
    assert (first.state, first.finding[:4]) == ("ok", "1 in")
    assert (second.state, second.stops) == ("wrong", False) and "`version:` stands beside" in second.finding
    assert (checks["city b"].state, checks["city b"].stops) == ("wrong", False)
    assert "did you mean curated_posts?" in checks["city b"].finding
