"""/predict over real HTTP: what can be read is answered as the predictor does, all else is a typed 4xx."""

import json
import socket
import threading

import pytest
import requests

from pipeline.predict.predictor import PredictOptions
from tests.fakes.hostile_captions import HOSTILE, WRONG_TYPES
from tests.fakes.hostile_pictures import REFUSED, TAKEN, flipped
from tests.fakes.predictor import NAMES, caption, picture, town_predictor
from tests.fakes.town_server import served

pytestmark = pytest.mark.slow


def error_of(answered: requests.Response) -> str:
    """The word of a refusal, which is JSON of just two fields."""
    assert 400 <= answered.status_code < 500, answered.text
    result = answered.json()
    assert set(result) == {"error", "message"} and len(result["message"]) > 10
    return result["error"]


@pytest.mark.parametrize(
    ("photo", "words"),
    [
        pytest.param(picture(3, 70), caption(3, 70), id="both"),
        pytest.param(picture(4, 70), None, id="a picture alone"),
        pytest.param(None, caption(5, 70), id="words alone"),
    ],
)
def test_the_answer_is_the_predictors_own(ask, photo, words):
    fields = {"why": True, "top": 3} | ({} if words is None else {"caption": words})
    answered = ask(photo, **fields)
    predictor = town_predictor()
    [result] = predictor.answer([predictor.read(photo, words)], [PredictOptions(top=3, why=True)])
    assert answered.status_code == 200
    assert answered.json() == json.loads(result.model_dump_json())


def test_json_is_as_good_as_a_form_for_words(ask, server):
    by_json = requests.post(f"{server}/predict", json={"caption": caption(1), "top": 2}, timeout=30)
    assert by_json.json() == ask(caption=caption(1), top=2).json()
    assert by_json.json()["places"][0]["name"] == NAMES[1]


@pytest.mark.fault("N1")
@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_picture_is_a_4xx(ask, name):
    data, reason = REFUSED[name]
    answered = ask(data, caption="amber")
    assert error_of(answered) == reason
    assert answered.status_code == {"unsupported_format": 415, "too_many_pixels": 413}.get(reason, 422)


@pytest.mark.fault("N1")
@pytest.mark.parametrize("name", TAKEN)
def test_an_odd_picture_is_answered(ask, name):
    assert ask(TAKEN[name]).status_code == 200


@pytest.mark.fault("N1")
def test_flipped_bytes_never_break_the_server(ask):
    assert {ask(flipped(seed)).status_code for seed in range(40)} <= {200, 422}


@pytest.mark.fault("N1")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_caption_is_answered_or_refused(ask, server, name):
    words, cleaned = HOSTILE[name]
    by_json = requests.post(f"{server}/predict", json={"caption": words}, timeout=30)
    assert by_json.status_code == (200 if cleaned else 422)
    if not cleaned:
        assert error_of(by_json) == "nothing_given"
    if isinstance(words, str) and "surrogate" not in name:
        assert ask(caption=words).status_code == by_json.status_code
        assert ask(picture(0), caption=words).status_code == 200


@pytest.mark.fault("N1")
@pytest.mark.parametrize("name", WRONG_TYPES)
def test_a_caption_that_is_no_text_is_a_4xx(server, name):
    answered = requests.post(f"{server}/predict", json={"caption": WRONG_TYPES[name]}, timeout=30)
    assert error_of(answered) == "caption_no_text"


@pytest.mark.fault("N1")
@pytest.mark.parametrize(
    "sent",
    [
        pytest.param({"json": {}}, id="an empty object"),
        pytest.param({"json": {"caption": None}}, id="null"),
        pytest.param({"files": {"caption": (None, "")}}, id="an empty field"),
        pytest.param(
            {"files": {"image": ("", b""), "caption": (None, " ")}}, id="a form sent without choosing a file"
        ),
    ],
)
def test_neither_picture_nor_words_is_refused(server, sent):
    answered = requests.post(f"{server}/predict", timeout=30, **sent)
    assert error_of(answered) == "nothing_given"
    assert answered.status_code == 422


def multipart(body: bytes, boundary: str = "b") -> dict[str, object]:
    """A form as raw bytes."""
    return {"data": body, "headers": {"content-type": f"multipart/form-data; boundary={boundary}"}}


JSON_TYPE = {"content-type": "application/json"}
PART = b'--b\r\ncontent-disposition: form-data; name="caption"\r\n\r\namber\r\n'


@pytest.mark.fault("N1")
@pytest.mark.parametrize(
    ("sent", "error"),
    [
        pytest.param({"data": b"{", "headers": JSON_TYPE}, "bad_request", id="half a JSON"),
        pytest.param({"data": b"", "headers": JSON_TYPE}, "bad_request", id="no JSON"),
        pytest.param({"data": b"\xff\xfe{", "headers": JSON_TYPE}, "bad_request", id="no Unicode"),
        pytest.param({"data": b"[" * 100_000, "headers": JSON_TYPE}, "bad_request", id="deep JSON"),
        pytest.param({"data": b'{"a":[' + b"[]," * 100_000, "headers": JSON_TYPE}, "bad_request", id="wide JSON"),
        pytest.param({"json": ["amber"]}, "bad_request", id="a list"),
        pytest.param({"json": {"caption": "x", "usr": 1}}, "unknown_field", id="an unknown field"),
        pytest.param({"json": {"caption": "x", "image": 5}}, "bad_field", id="a number for a picture"),
        pytest.param({"json": {"caption": "x", "top": 0}}, "bad_field", id="no place at all"),
        pytest.param({"json": {"caption": "x", "top": 51}}, "bad_field", id="too many places"),
        pytest.param({"json": {"caption": "x", "top": 2.5}}, "bad_field", id="half a place"),
        pytest.param({"json": {"caption": "x", "top": True}}, "bad_field", id="true places"),
        pytest.param({"json": {"caption": "x", "coarse": "perhaps"}}, "bad_field", id="perhaps coarse"),
        pytest.param({"json": {"caption": "x" * 10_001}}, "caption_too_long", id="a long caption"),
        pytest.param(multipart(PART), "bad_request", id="a form without its end"),
        pytest.param(multipart(b"hello"), "bad_request", id="a form that is none"),
        pytest.param(multipart(PART + b"--b--\r\n", boundary=""), "bad_request", id="no boundary"),
        pytest.param(multipart(PART * 2 + b"--b--\r\n"), "bad_request", id="a field twice"),
        pytest.param(multipart(PART * 9 + b"--b--\r\n"), "bad_request", id="nine parts"),
        pytest.param(multipart(PART.replace(b"amber", b"\xff") + b"--b--\r\n"), "bad_request", id="no UTF-8"),
        pytest.param(
            multipart(PART.replace(b' name="caption"', b"") + b"--b--\r\n"), "bad_request", id="a part without a name"
        ),
        pytest.param(
            multipart(PART.replace(b"\r\n\r\n", b"\r\nx: " + b"y" * 9000 + b"\r\n\r\n") + b"--b--\r\n"),
            "bad_request",
            id="a part with endless headers",
        ),
    ],
)
def test_a_damaged_request_is_a_4xx(server, sent, error):
    assert error_of(requests.post(f"{server}/predict", timeout=30, **sent)) == error


def test_a_form_is_utf_8_whatever_charset_it_claims(server):
    sent = multipart(PART.replace(b"amber", "amber Café".encode()) + b"--b--\r\n", boundary="b; charset=utf-16")
    assert requests.post(f"{server}/predict", timeout=30, **sent).json()["places"][0]["name"] == "Amber Bridge"


@pytest.mark.fault("N3")
@pytest.mark.parametrize("name", ["image", "image_url", "url", "picture_url", "src"])
@pytest.mark.parametrize("how", ["json", "form"])
def test_a_pictures_address_is_refused_and_nobody_is_asked(server, name, how):
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.3)

        def listen() -> None:
            try:
                asked.append(listening.accept())
            except TimeoutError:
                pass

        thread = threading.Thread(target=listen)
        thread.start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/photo.jpg"
        sent = {"json": {name: address}} if how == "json" else {"files": {name: (None, address)}}
        answered = requests.post(f"{server}/predict", timeout=30, **sent)
        thread.join()
    assert error_of(answered) == "image_address"
    assert answered.status_code == 400
    assert address not in answered.text
    assert not asked


@pytest.mark.fault("N3")
@pytest.mark.parametrize(
    "address",
    ["http://169.254.169.254/latest", "file:///etc/passwd", "data:image/png;base64,AAAA", "//x", "localhost"],
)
def test_no_form_of_address_is_taken_for_a_picture(server, address):
    answered = requests.post(f"{server}/predict", json={"image": address, "caption": "amber"}, timeout=30)
    assert error_of(answered) == "image_address"


def test_coarse_answers_name_no_place(ask):
    answered = ask(picture(0), caption="amber", coarse=True, why=True)
    assert answered.json()["kinds"][0]["category"] == "Landmarks"
    assert not [name for name in (*NAMES, "latitude", "km") if name in answered.text]


def test_a_coarse_server_tells_no_place_whatever_is_asked():
    with served(coarse=True) as address:
        result = requests.post(f"{address}/predict", json={"caption": caption(0), "coarse": False}, timeout=30)
        models, page = (requests.get(f"{address}{path}", timeout=30) for path in ("/models", "/"))
    assert set(result.json()) == {"city", "model", "is_known_place", "surer_than", "kinds", "notes", "notice"}
    assert models.json()["models"][0]["places"] is None
    assert not [name for name in (*NAMES, "latitude") if name in result.text + models.text]
    assert not [name for name in NAMES if name in page.text]


def test_models_and_health_tell_what_a_client_needs(server):
    [model] = requests.get(f"{server}/models", timeout=30).json()["models"]
    assert [place["name"] for place in model["places"]] == list(NAMES)
    assert (model["city"], model["num_places"], model["run"]) == ("town", 8, "0123456789abcdef")
    health = requests.get(f"{server}/health", timeout=30).json()
    places = {"in_work": 0, "max_in_work": 32, "decoding": 0, "max_decoding": 2}
    assert health == {"status": "ok", "model": "mrlf", **places, "oldest_s": 0}


def test_the_documented_examples_work_as_they_stand(server):
    described = requests.get(f"{server}/openapi.json", timeout=30).json()
    assert set(described["paths"]) == {"/predict", "/models", "/health"}
    post = described["paths"]["/predict"]["post"]
    assert {"200", "400", "408", "413", "415", "422", "429", "503"} <= set(post["responses"])
    content = post["requestBody"]["content"]
    for example in content["application/json"]["examples"].values():
        assert requests.post(f"{server}/predict", json=example["value"], timeout=30).status_code == 200
    for example in content["multipart/form-data"]["examples"].values():
        form = {name: (None, str(value)) for name, value in example["value"].items()}
        assert requests.post(f"{server}/predict", files=form, timeout=30).status_code == 200
    fine, coarse = (
        post["responses"]["200"]["content"]["application/json"]["examples"][n] for n in ("places", "coarse")
    )
    answers = [
        requests.post(f"{server}/predict", json={"caption": "x", "coarse": c}, timeout=30) for c in (False, True)
    ]
    assert [set(one["value"]) for one in (fine, coarse)] == [set(result.json()) for result in answers]


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/docs", 404, "not_found"),
        ("GET", "/redoc", 404, "not_found"),
        ("GET", "/%3Cscript%3E", 404, "not_found"),
        ("GET", "/predict", 405, "method_not_allowed"),
        ("DELETE", "/models", 405, "method_not_allowed"),
    ],
)
def test_other_paths_are_refused_in_the_same_form(server, method, path, status, error):
    answered = requests.request(method, server + path, timeout=30)
    assert answered.status_code == status
    assert error_of(answered) == error
    assert "<script>" not in answered.text


@pytest.mark.parametrize("path", ["/", "/models", "/health", "/openapi.json", "/nowhere"])
def test_every_answer_is_kept_from_caches_and_frames(server, path):
    headers = requests.get(server + path, timeout=30).headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "access-control-allow-origin" not in headers
