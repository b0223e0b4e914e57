"""OS Places by its catalogue: read once, kept, and refused in words a person can act on."""

import base64
import json
import time
from datetime import UTC, datetime

import pytest

pytest.importorskip("pyiceberg", reason="the extra `iceberg` is not installed")

from pipeline.collect.poi_sources.places_portal import TOKEN_VARIABLE, portal_token, token_end
from pipeline.collect.web.errors import HumanError
from pipeline.errors import StageError
from tests.fakes.http_server import Answer
from tests.fakes.iceberg_server import TOKEN, FakeIceberg, PlacesTable, places


def three_files(folder):
    """Two data files with places of the town, one of another continent."""
    return PlacesTable(folder, [places(0, 30), places(100, 20), places(500, 40, latitude=-45.0)])


@pytest.fixture(scope="module")
def shared_table(tmp_path_factory):
    """For all tests that change nothing in it."""
    return three_files(tmp_path_factory.mktemp("iceberg"))


@pytest.fixture
def catalog(shared_table, monkeypatch):
    """A catalogue whose token is in the environment."""
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    with FakeIceberg(shared_table) as fake:
        yield fake


@pytest.fixture
def own_catalog(tmp_path, monkeypatch):
    """The same over a table that the test may change."""
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    with FakeIceberg(three_files(tmp_path / "iceberg")) as fake:
        yield fake


@pytest.fixture
def build_from(build):
    """Builds the POIs of the town from a catalogue."""
    return lambda fake, **changes: build(os_places_catalog={"address": fake.url, **changes})


@pytest.fixture
def town():
    from tests.fakes.os_places import CITY

    return CITY


def jwt(**claims) -> str:
    """A token as the portal makes them."""
    parts = ({"alg": "RS256", "typ": "JWT"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + ".x"


@pytest.mark.fault("P35")
def test_a_city_comes_from_the_catalogue_once_and_stays(build_from, own_catalog, store, monkeypatch):
    report = build_from(own_catalog)
    assert report.counts == {"rows": 50, "pois": 40, "beyond_max_pois": 10, "dropped": 0}
    snapshot = own_catalog.table.table.current_snapshot().snapshot_id
    assert report.record.about["snapshot"].startswith(str(snapshot))
    assert {row["source"] for row in store.tables.read("town", "pois").to_pylist()} == {"os_places_catalog"}
    num_asked = own_catalog.count()
    monkeypatch.delenv(TOKEN_VARIABLE)
    own_catalog.table.append(places(900, 5))
    assert build_from(own_catalog).is_reused
    assert own_catalog.count() == num_asked


@pytest.mark.fault("P35")
def test_files_of_other_places_are_not_opened(build_from, own_catalog, tmp_path):
    files = sorted((tmp_path / "iceberg").rglob("data/*.parquet"), key=lambda path: path.stat().st_mtime_ns)
    files[2].write_bytes(b"not to be read")
    assert build_from(own_catalog).counts["rows"] == 50


@pytest.mark.fault("P35")
def test_what_is_older_than_asked_for_is_taken_anew(build_from, own_catalog, clock):
    build_from(own_catalog, max_age_days=30)
    own_catalog.table.append(places(900, 5))
    clock.sleep(29 * 86_400)
    assert build_from(own_catalog, max_age_days=30).counts["rows"] == 50
    clock.sleep(2 * 86_400)
    assert build_from(own_catalog, max_age_days=30).counts["rows"] == 55


@pytest.mark.fault("P36")
def test_a_token_that_is_not_taken_is_asked_with_once(build_from, catalog):
    catalog.taken.clear()
    with pytest.raises(HumanError, match="does not take the token") as refused:
        build_from(catalog)
    assert catalog.count() == 1
    assert TOKEN not in str(refused.value)


@pytest.mark.fault("P36")
def test_a_token_refused_between_two_requests_is_not_sent_again(build_from, catalog):
    catalog.fail(
        "/tables/", Answer.json({"error": {"message": "x", "type": "y", "code": 401}}, status=401), times=None
    )
    with pytest.raises(HumanError, match="may be over"):
        build_from(catalog)
    assert catalog.count("/tables/") == 1


@pytest.mark.fault("P36")
def test_an_account_without_the_right_is_told_so(build_from, catalog):
    catalog.fail("/tables/", Answer.json({"error": {"message": TOKEN, "type": "y", "code": 403}}, status=403))
    with pytest.raises(HumanError, match=r"may not read datasets\.places_os") as refused:
        build_from(catalog)
    assert TOKEN not in str(refused.value)


@pytest.mark.fault("P36")
def test_a_token_whose_time_is_over_sends_no_request(build_from, catalog, monkeypatch, clock):
    monkeypatch.setenv(TOKEN_VARIABLE, jwt(exp=clock.now().timestamp() - 60))
    with pytest.raises(HumanError, match=r"ended at .* was not asked"):
        build_from(catalog)
    monkeypatch.delenv(TOKEN_VARIABLE)
    with pytest.raises(HumanError, match=TOKEN_VARIABLE):
        build_from(catalog)
    assert catalog.count() == 0


def test_a_token_says_when_it_ends():
    end = int(time.time()) + 60
    assert token_end(jwt(exp=end)) == datetime.fromtimestamp(end, UTC)
    for other in ("abc", "a.b.c", jwt(), jwt(exp="soon"), jwt(exp=1e300), "", "a." + "!" * 9):
        assert token_end(other) is None


@pytest.mark.parametrize("value", ["two words", "tok\u200ben", "line\nbreak"])
def test_what_cannot_be_a_token_is_not_sent(value, monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, value)
    with pytest.raises(HumanError, match="copy it again"):
        portal_token(datetime.now(UTC))


@pytest.mark.fault("P37")
@pytest.mark.parametrize(
    "answer",
    [Answer(status=503), Answer(status=500, body=b"oops"), Answer(ending="reset"), Answer(status=429)],
    ids=["503", "500", "reset", "429"],
)
def test_a_passing_trouble_is_asked_again(build_from, catalog, answer):
    catalog.fail("/tables/", answer, times=2)
    assert build_from(catalog).counts["rows"] == 50
    assert catalog.count("/tables/") == 3


@pytest.mark.fault("P37")
def test_a_catalogue_that_stays_down_is_named(build_from, catalog):
    catalog.fail("", Answer(status=503), times=None)
    with pytest.raises(StageError, match=r"could not be taken .* run this again"):
        build_from(catalog)
    assert 1 < catalog.count() < 10


@pytest.mark.fault("P37")
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer.html("<html>sign in</html>"), "does not answer as an Iceberg catalogue"),
        (Answer.json({"something": "else"}), "does not answer as an Iceberg catalogue"),
        (Answer.json([]), "does not answer as an Iceberg catalogue"),
        (Answer.json({"error": {"message": "m", "type": "NoSuchTableException", "code": 404}}, 404), "set `table`"),
    ],
    ids=["page", "shape", "list", "renamed"],
)
def test_what_is_no_catalogue_or_another_table_is_said(build_from, catalog, answer, words):
    catalog.fail("/tables/", answer, times=None)
    with pytest.raises(StageError, match=words):
        build_from(catalog)
    assert catalog.count("/tables/") == 1


@pytest.mark.fault("P37")
def test_a_copy_that_was_cut_is_taken_anew(build_from, catalog, store):
    build_from(catalog)
    (file,) = (store.root / "crawl" / "os_places" / "town").glob("*.parquet")
    file.write_bytes(file.read_bytes()[:100])
    num_asked = catalog.count()
    assert build_from(catalog).is_reused
    assert catalog.count() > num_asked


def test_a_token_does_not_travel_in_the_clear(build):
    with pytest.raises(ValueError, match="https"):
        build(os_places_catalog={"address": "http://catalog.example.org/iceberg"})
