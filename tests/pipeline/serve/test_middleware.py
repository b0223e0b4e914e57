"""Whose pages may ask: a local server hears neither a foreign page nor a foreign name; a program is not held up."""

import pytest
from starlette.testclient import TestClient

from pipeline.serve.app import create_app
from pipeline.serve.run import LOCAL_HOSTS
from tests.fakes.predictor import town_predictor

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def local() -> TestClient:
    """The application as a local server has it; what is let through to /predict holds nothing and gets 422."""
    return TestClient(create_app(town_predictor(), hosts=LOCAL_HOSTS), base_url="http://127.0.0.1:8000")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8000", "localhost:9", "LocalHost", "[::1]:8000", "[::1]"])
def test_its_own_names_are_heard(local, host):
    assert local.get("/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", "evil@x", "[::1", ""],
)
@pytest.mark.parametrize("path", ["/models", "/predict", "/"])
def test_another_name_is_refused_whatever_it_asks_for(local, host, path):
    method = "POST" if path == "/predict" else "GET"
    result = local.request(method, path, headers={"host": host}, json={} if method == "POST" else None)
    assert result.status_code == 421
    assert result.json()["error"] == "other_host" and "127.0.0.1" in result.json()["message"]
    assert result.headers["cache-control"] == "no-store"
    assert "evil" not in result.text


@pytest.mark.parametrize(
    ("site", "status", "error"),
    [
        ("cross-site", 403, "foreign_page"),
        ("same-site", 403, "foreign_page"),
        ("same-origin", 422, "nothing_given"),
        ("none", 422, "nothing_given"),
        (None, 422, "nothing_given"),
    ],
)
def test_a_form_is_taken_from_the_own_page_and_from_programs(local, site, status, error):
    headers = {} if site is None else {"sec-fetch-site": site}
    result = local.post("/predict", json={}, headers=headers)
    assert (result.status_code, result.json()["error"]) == (status, error)


@pytest.mark.fault("N8")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"origin": "http://127.0.0.1:8000"}, 422, id="its own page"),
        pytest.param({"referer": "https://example.org/"}, 422, id="a program that sends a referer"),
        pytest.param({"origin": "http://LOCALHOST", "host": "localhost:80"}, 422, id="capitals and the port of http"),
        pytest.param({"origin": "https://localhost", "host": "localhost"}, 422, id="a proxy that encrypts"),
        pytest.param({"origin": "http://[::1]:8000", "host": "[::1]:8000"}, 422, id="IPv6"),
        pytest.param({"origin": "https://evil.example", "sec-fetch-site": "same-origin"}, 422, id="a proxy renames"),
        pytest.param({"origin": "https://evil.example"}, 403, id="another site"),
        pytest.param({"origin": "https://evil.example", "sec-fetch-site": "none"}, 403, id="another site, as nobody"),
        pytest.param({"origin": "http://127.0.0.1:9000"}, 403, id="another port"),
        pytest.param({"origin": "http://localhost:8000"}, 403, id="another name of this machine"),
        pytest.param({"origin": "null"}, 403, id="a page that hides its address"),
        pytest.param({"origin": ""}, 403, id="an empty origin"),
        pytest.param({"origin": "file://"}, 403, id="a file"),
        pytest.param({"origin": "http://127.0.0.1:8000.evil.example"}, 403, id="a port that is none"),
        pytest.param({"origin": "http://127.0.0.1:8000@evil.example"}, 403, id="a user name"),
        pytest.param({"sec-fetch-site": "Cross-Site"}, 403, id="capitals"),
        pytest.param({"sec-fetch-site": "sideways"}, 403, id="a word nobody knows"),
    ],
)
def test_a_foreign_page_is_refused_by_all_that_a_browser_states(local, headers, status):
    assert local.post("/predict", json={}, headers=headers).status_code == status


@pytest.mark.fault("N8")
def test_two_origins_are_none_of_ours(local):
    headers = [("origin", "http://127.0.0.1:8000"), ("origin", "https://evil.example")]
    assert local.post("/predict", json={}, headers=headers).status_code == 403


def test_a_link_on_another_site_opens_the_page(local):
    assert local.get("/", headers={"sec-fetch-site": "cross-site"}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/health", "/models"])
def test_a_head_is_answered_like_a_get(local, path):
    assert local.head(path).status_code == 200
