"""What /openapi.json says of the requests and answers, with examples that work as they stand."""

from typing import Any

from pipeline.predict.answer import NOTICE
from pipeline.serve.form import FIELDS
from pipeline.serve.refusals import Refused

DESCRIPTION = f"""{NOTICE}

With a picture: `curl -F image=@photo.jpg -F caption='by the harbour #sunset' http://127.0.0.1:8000/predict`

With words alone: `curl --json '{{"caption": "by the harbour #sunset"}}' http://127.0.0.1:8000/predict`

A picture's address is not taken: nothing is fetched."""

_OPTIONS: dict[str, Any] = {
    "caption": {"type": "string", "maxLength": 10_000, "description": "with its hashtags, as it would be posted"},
    "top": {"type": "integer", "default": 5, "minimum": 1, "maximum": 50, "description": "so many places"},
    "coarse": {"type": "boolean", "default": False, "description": "only the kind of place: no name, no coordinates"},
    "why": {"type": "boolean", "default": False, "description": "what decided: about 20 times the network's work"},
}
_IMAGE = {"type": "string", "format": "binary", "description": "a JPEG, PNG or WebP file of at most 10 MiB"}
assert set(FIELDS) == {"image", *_OPTIONS}

PREDICT_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"image": _IMAGE, **_OPTIONS}},
                "examples": {"words": {"value": {"caption": "by the harbour #sunset", "top": 3}}},
            },
            "application/json": {
                "schema": {"type": "object", "properties": _OPTIONS, "required": ["caption"]},
                "examples": {
                    "words": {"value": {"caption": "by the harbour #sunset"}},
                    "coarse": {"value": {"caption": "by the harbour #sunset", "coarse": True}},
                    "why": {"value": {"caption": "by the harbour #sunset", "top": 3, "why": True}},
                },
            },
        },
    }
}


def _refusal(when: str, error: str, message: str) -> dict[str, Any]:
    example = {"error": error, "message": message}
    return {"model": Refused, "description": when, "content": {"application/json": {"example": example}}}


_PLACE = {
    "rank": 1,
    "name": "Old Library",
    "category": "Arts and Entertainment",
    "latitude": 12.06,
    "longitude": -29.97,
    "probability": 0.62,
    "distance_km": 0.0,
}
_ANSWER = {
    "city": "Demo City",
    "model": "mrlf",
    "is_known_place": True,
    "surer_than": 0.57,
    "places": [_PLACE],
    "expected_error_km": 1.9,
    "radius_50_km": 0.0,
    "radius_90_km": 4.2,
    "why": {
        "words": [{"text": "harbour", "influence": 0.31, "attention": 0.42}],
        "hashtags": [],
        "picture_influence": 0.12,
    },
    "unknown_hashtags": ["sunset"],
    "notes": [],
    "notice": NOTICE,
}
_COARSE = {
    "city": "Demo City",
    "model": "mrlf",
    "is_known_place": True,
    "surer_than": 0.57,
    "kinds": [{"category": "Arts and Entertainment", "probability": 0.7}],
    "notes": [],
    "notice": NOTICE,
}

PREDICT_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The most probable places, or (coarse) kinds of places",
        "content": {"application/json": {"examples": {"places": {"value": _ANSWER}, "coarse": {"value": _COARSE}}}},
    },
    400: _refusal("Damaged, or an address instead of a picture", "image_address", "a picture must be sent as a file"),
    403: _refusal("A page of another site", "foreign_page", "pages of other sites may not ask"),
    408: _refusal("The body came too slowly", "too_slow", "the request came in too slowly: send it again"),
    413: _refusal("Too large", "body_too_large", "at most 10,485,760 bytes are taken"),
    415: _refusal("Another type of body or picture", "wrong_type", "send a form with the fields image and caption"),
    421: _refusal("By another name than this machine's own", "other_host", "this server answers to 127.0.0.1 alone"),
    422: _refusal("Nothing to go by, or not readable", "nothing_given", "there is neither a picture nor a word"),
    429: _refusal("No room for more", "too_many_requests", "ask again in a second"),
    503: _refusal("No answer in time", "too_busy", "no answer could be computed in time"),
}
MODEL_ANSWERS: dict[int | str, dict[str, Any]] = {200: {"description": "The model and its places"}}
HEALTH_ANSWERS: dict[int | str, dict[str, Any]] = {200: {"description": "Always, while the server runs"}}
