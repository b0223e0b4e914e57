"""What a request asks: a form (multipart) with a picture, a caption or both; or JSON with a caption.

A picture's address is refused (fault N3): fetching what a stranger names would make this server ask others on the
stranger's behalf. Multipart is read by python-multipart's parser, in memory.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from pipeline.predict.predictor import PredictOptions
from pipeline.serve.limits import Limits
from pipeline.serve.refusals import Refusal

MAX_PARTS = 8
MAX_HEADER_BYTES = 8192
FIELDS = ("image", "caption", "top", "coarse", "why")
ADDRESS_FIELDS = {"url", "image_url", "imageurl", "picture_url", "src", "link"}
YES, NO = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}


@dataclass(frozen=True, kw_only=True)
class PredictRequest:
    """One request as it was sent; the caption may be anything that JSON can hold."""

    picture: bytes | None
    caption: object
    options: PredictOptions


def read_form(content_type: str, body: bytes, limits: Limits) -> PredictRequest:
    """What these bytes of this type ask.

    Raises:
        Refusal: `wrong_type`, `bad_request`, `unknown_field`, `bad_field` or `image_address`.
    """
    kind, options = parse_options_header(content_type)
    if kind == b"multipart/form-data":
        return _asked(_multipart_fields(body, options.get(b"boundary")), limits)
    if kind == b"application/json":
        return _asked(_json_fields(body), limits)
    raise Refusal(
        "wrong_type",
        "send a form (multipart/form-data) with the fields image and caption, or JSON (application/json) with caption",
    )


def _asked(fields: dict[str, Any], limits: Limits) -> PredictRequest:
    address = next((name for name in fields if name.lower() in ADDRESS_FIELDS), None)
    image = fields.get("image")
    if address is not None or isinstance(image, str):
        raise Refusal(
            "image_address",
            "a picture is taken only as a file in the form field image: no address is fetched, no text decoded",
        )
    unknown = sorted(set(fields) - set(FIELDS))
    if unknown:
        raise Refusal("unknown_field", f"there is a field that is not known; the fields are {', '.join(FIELDS)}")
    if image is not None and not isinstance(image, bytes):
        raise Refusal("bad_field", "image must be a file of a form (multipart/form-data)")
    options = PredictOptions(top=_top(fields, limits), coarse=_flag(fields, "coarse"), why=_flag(fields, "why"))
    return PredictRequest(picture=image, caption=fields.get("caption"), options=options)


def _top(fields: dict[str, Any], limits: Limits) -> int:
    told = fields.get("top", 5)
    is_number = not isinstance(told, bool) and str(told).isdecimal() and len(str(told)) < 6
    if not is_number or not 1 <= int(told) <= limits.max_top:
        raise Refusal("bad_field", f"top must be a whole number from 1 to {limits.max_top}")
    return int(told)


def _flag(fields: dict[str, Any], name: str) -> bool:
    told = str(fields.get(name, "false")).lower()
    if told not in YES | NO:
        raise Refusal("bad_field", f"{name} must be true or false")
    return told in YES


def _json_fields(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):  # of which the first includes bytes that are no Unicode
        raise Refusal("bad_request", 'the body is no JSON; it should read {"caption": "..."}') from None
    if not isinstance(content, dict):
        raise Refusal("bad_request", 'the JSON must be an object: {"caption": "..."}')
    return content


@dataclass
class _Part:
    """One part of a form while it is read."""

    headers: dict[bytes, bytes] = field(default_factory=dict)
    name: bytes = b""
    value: bytes = b""
    data: bytearray = field(default_factory=bytearray)


class _Parts:
    """The parser's callbacks: collects parts, within bounds."""

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self.is_whole = False
        self._num_header_bytes = 0

    def on_part_begin(self) -> None:
        if len(self.parts) == MAX_PARTS:
            raise Refusal("bad_request", f"the form has more than {MAX_PARTS} parts")
        self.parts.append(_Part())

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self.parts[-1].name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self.parts[-1].value += data[start:end]

    def on_header_end(self) -> None:
        part = self.parts[-1]
        part.headers[part.name.lower()] = part.value
        part.name = part.value = b""

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].data += data[start:end]

    def on_end(self) -> None:
        self.is_whole = True

    def _count(self, num_bytes: int) -> None:
        self._num_header_bytes += num_bytes
        if self._num_header_bytes > MAX_HEADER_BYTES:
            raise Refusal("bad_request", "the headers of the form's parts are too long")


def _multipart_fields(body: bytes, boundary: bytes | None) -> dict[str, Any]:
    """By name: files as bytes, other fields as text."""
    parts = _Parts()
    names = ("on_part_begin", "on_header_field", "on_header_value", "on_header_end", "on_part_data", "on_end")
    try:
        parser = MultipartParser(boundary or b"", {name: getattr(parts, name) for name in names})  # type: ignore[arg-type]
        parser.write(body)
        parser.finalize()
    except FormParserError:
        raise Refusal("bad_request", "the form (multipart/form-data) is damaged") from None
    if not boundary or not parts.is_whole:
        raise Refusal("bad_request", "the form (multipart/form-data) is cut off or has no boundary")
    fields: dict[str, Any] = {}
    for part in parts.parts:
        name, value = _field(part)
        if name in fields:
            raise Refusal("bad_request", "a field of the form is there twice: send one picture and one caption")
        fields[name] = value
    return fields


def _field(part: _Part) -> tuple[str, bytes | str | None]:
    """Name and content of one part; an empty file without a name is what browsers send for none."""
    _, options = parse_options_header(part.headers.get(b"content-disposition", b""))
    name = options.get(b"name", b"").decode("latin-1")
    if b"filename" in options:
        return name, bytes(part.data) if part.data or options[b"filename"] else None
    try:
        return name, part.data.decode()
    except UnicodeDecodeError:
        raise Refusal("bad_request", "the fields of the form must be UTF-8") from None
