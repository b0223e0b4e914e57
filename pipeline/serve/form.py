"""Parsing the body of a request: a form (multipart) with a picture, a caption or both; or JSON with a caption.

A picture's address is refused (fault N3): fetching what a stranger names would make this server ask others on the
stranger's behalf. Multipart is read by Starlette's parser, in memory: it makes no file of any part.
"""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from pipeline.predict.predictor import PredictOptions
from pipeline.serve.limits import Limits
from pipeline.serve.refusals import Refusal

MAX_PARTS = 8
"""files of a form, and other fields"""
MAX_JSON_PARTS = 50_000
"""commas and brackets of a body: a caption has 10,000 at most, and each may make an object"""
FIELDS = ("image", "caption", "top", "coarse", "why")
ADDRESS_FIELDS = {"url", "image_url", "imageurl", "picture_url", "src", "link"}
YES, NO = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}


@dataclass(frozen=True, kw_only=True)
class PredictRequest:
    """One request as it was sent; the caption may be anything that JSON can hold."""

    picture: bytes | None
    caption: object
    options: PredictOptions


async def read_form(content_type: str, body: bytes, limits: Limits) -> PredictRequest:
    """The request in a body of this content type.

    Raises:
        Refusal: `wrong_type`, `bad_request`, `unknown_field`, `bad_field` or `image_address`.
    """
    kind, options = parse_options_header(content_type)
    if kind == b"multipart/form-data":
        return _request(await _multipart_fields(body, options.get(b"boundary", b""), limits), limits)
    if kind == b"application/json":
        return _request(_json_fields(body), limits)
    raise Refusal(
        "wrong_type",
        "send a form (multipart/form-data) with the fields image and caption, or JSON (application/json) with caption",
    )


def _request(fields: dict[str, Any], limits: Limits) -> PredictRequest:
    address = next((name for name in fields if name.lower() in ADDRESS_FIELDS), None)
    image = fields.get("image")
    if address is not None or isinstance(image, str):
        raise Refusal(
            "image_address",
            "a picture is accepted only as a file in the form field image: no address is fetched, no text decoded",
        )
    unknown = sorted(set(fields) - set(FIELDS))
    if unknown:
        raise Refusal("unknown_field", f"there is an unknown field; the fields are {', '.join(FIELDS)}")
    if image is not None and not isinstance(image, bytes):
        raise Refusal("bad_field", "image must be a file of a form (multipart/form-data)")
    options = PredictOptions(top=_top(fields, limits), coarse=_flag(fields, "coarse"), why=_flag(fields, "why"))
    return PredictRequest(picture=image, caption=fields.get("caption"), options=options)


def _top(fields: dict[str, Any], limits: Limits) -> int:
    top = fields.get("top", 5)
    is_number = not isinstance(top, bool) and str(top).isdecimal() and len(str(top)) < 6
    if not is_number or not 1 <= int(top) <= limits.max_top:
        raise Refusal("bad_field", f"top must be a whole number from 1 to {limits.max_top}")
    return int(top)


def _flag(fields: dict[str, Any], name: str) -> bool:
    flag = str(fields.get(name, "false")).lower()
    if flag not in YES | NO:
        raise Refusal("bad_field", f"{name} must be true or false")
    return flag in YES


def _json_fields(body: bytes) -> dict[str, Any]:
    if sum(body.count(mark) for mark in (b",", b"[", b"{")) > MAX_JSON_PARTS:
        raise Refusal("bad_request", 'the JSON holds far more than a question; it should look like {"caption": "..."}')
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):  # ValueError includes bytes that are not Unicode
        raise Refusal("bad_request", 'the body is not JSON; it should look like {"caption": "..."}') from None
    if not isinstance(content, dict):
        raise Refusal("bad_request", 'the JSON must be an object: {"caption": "..."}')
    return content


class _FormInMemory(MultiPartParser):
    """Starlette's parser, whose files stay in memory up to the largest body, and which notices a form's end.

    Texts are decoded as latin-1, which keeps every byte: whether they are UTF-8 is for `_text` to say.
    """

    def __init__(self, body: bytes, boundary: str, limits: Limits) -> None:
        async def stream() -> AsyncGenerator[bytes, None]:
            yield body

        headers = Headers({"content-type": f'multipart/form-data; charset=latin-1; boundary="{boundary}"'})
        super().__init__(
            headers, stream(), max_files=MAX_PARTS, max_fields=MAX_PARTS, max_part_size=limits.max_body_bytes
        )
        self.spool_max_size = limits.max_body_bytes
        self.is_whole = False

    def on_end(self) -> None:
        """The closing boundary was read."""
        self.is_whole = True


async def _multipart_fields(body: bytes, boundary: bytes, limits: Limits) -> dict[str, Any]:
    """By name: files as bytes, other fields as text."""
    parser = _FormInMemory(body, boundary.decode("latin-1"), limits)
    try:
        form = await parser.parse()
    except MultiPartException:
        raise Refusal("bad_request", "the form (multipart/form-data) is damaged or has too many parts") from None
    if not boundary or not parser.is_whole:
        raise Refusal("bad_request", "the form (multipart/form-data) is cut off or has no boundary")
    fields: dict[str, Any] = {}
    for name, value in form.multi_items():
        if name in fields:
            raise Refusal("bad_request", "a field of the form is there twice: send one picture and one caption")
        fields[name] = _text(value) if isinstance(value, str) else await _file(value)
    return fields


def _text(value: str) -> str:
    try:
        return value.encode("latin-1").decode()
    except UnicodeDecodeError:
        raise Refusal("bad_request", "the fields of the form must be UTF-8") from None


async def _file(upload: UploadFile) -> bytes | None:
    """The file's bytes; an empty file without a name is what browsers send for none."""
    data = await upload.read()
    return data if data or upload.filename else None
