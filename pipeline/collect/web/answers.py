"""The body of an answer, read with a limit on bytes and on time, and as JSON that breaks nothing.

Covered: a body of gigabytes, a slow drip, a body cut short, HTML, deep nesting, NaN, a key said twice, a BOM, lone
surrogates. Not covered: a body without a stated length that was cut on a border of its format.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from pipeline.collect.web.clock import Clock
from pipeline.collect.web.errors import EXCERPT_CHARACTERS, BadResponseError, RetryError

MAX_ANSWER_BYTES = 16 * 2**20
PIECE_BYTES = 64 * 2**10


def read_body(response: requests.Response, *, max_bytes: int, deadline_s: float, clock: Clock) -> bytes:
    """The whole body of an answer that was asked for with `stream=True`.

    Raises:
        BadResponseError: `too_many_bytes`; the rest is not read.
        RetryError: `timeout` (it took longer than `deadline_s` in all) or `short_body`.
    """
    pieces, num_bytes = [], 0
    for piece in _pieces(response, deadline_s, clock):
        pieces.append(piece)
        num_bytes += len(piece)
        if num_bytes > max_bytes:
            raise BadResponseError("too_many_bytes", excerpt(b"".join(pieces)))
    return b"".join(pieces)


def read_beginning(response: requests.Response, *, max_bytes: int, deadline_s: float, clock: Clock) -> bytes:
    """What comes of a body that describes an error, up to some `max_bytes`; what does not come is left out."""
    beginning = b""
    with suppress(RetryError):
        for piece in _pieces(response, deadline_s, clock):
            beginning += piece
            if len(beginning) >= max_bytes:
                break
    return beginning[:max_bytes]


def json_object(body: bytes, *, is_strict: bool = True) -> dict[str, Any]:
    """The JSON object of a body.

    is_strict: also refuse a BOM, a key said twice and lone surrogates; posts hold those, places do not.

    Raises:
        BadResponseError: `html`, `not_json`, `nested_too_deep`, `not_an_object` or what `is_strict` refuses.
        RetryError: `short_body`, the JSON begins well and ends too early.
    """
    try:
        text = body.decode("utf-8" if is_strict else "utf-8-sig", "strict" if is_strict else "replace")
        value = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_unique if is_strict else None)
        if is_strict:
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BadResponseError("lone_surrogate", excerpt(body)) from None
    except RecursionError:
        raise BadResponseError("nested_too_deep", excerpt(body)) from None
    except ValueError as error:
        if _is_cut(body, error):
            raise RetryError("short_body") from None
        raise BadResponseError("html" if body.lstrip()[:1] == b"<" else "not_json", excerpt(body)) from None
    if not isinstance(value, dict):
        raise BadResponseError("not_an_object", excerpt(body))
    return value


def part(value: object, key: str) -> Any:
    """What stands under a key of a JSON object; None where there is none, or no object."""
    return value.get(key) if isinstance(value, dict) else None


def retry_after_s(response: requests.Response, clock: Clock) -> float | None:
    """The seconds that the header `Retry-After` asks for, in both its forms; None where it is absent or unreadable."""
    header = response.headers.get("Retry-After", "").strip()
    if header.isdecimal():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - _utc(clock)).total_seconds())


def excerpt(body: bytes) -> str:
    """The first 200 characters of a body, in one line of printable ones."""
    text = body[: 4 * EXCERPT_CHARACTERS].decode("utf-8", "replace")
    return "".join(character if character.isprintable() else " " for character in text)[:EXCERPT_CHARACTERS]


def _pieces(response: requests.Response, deadline_s: float, clock: Clock) -> Iterator[bytes]:
    """What is there of a body, piece by piece, so that a drip is noticed.

    Raises:
        RetryError: `timeout` or `short_body`.
    """
    started = clock.monotonic()
    try:
        while piece := response.raw.read1(PIECE_BYTES, decode_content=True):
            yield piece
            if clock.monotonic() - started > deadline_s:
                raise RetryError("timeout")
    except (requests.exceptions.Timeout, ReadTimeoutError):
        raise RetryError("timeout") from None
    except (requests.exceptions.RequestException, HTTPError, OSError):
        raise RetryError("short_body") from None
    finally:
        response.close()


def _utc(clock: Clock) -> datetime:
    return clock.now().astimezone(UTC)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key is said twice")
    return value


def _is_cut(body: bytes, error: ValueError) -> bool:
    """Whether the body begins as an object and is wrong only because it ends too early."""
    if not body.lstrip().startswith(b"{") or not isinstance(error, json.JSONDecodeError):
        return False
    return error.msg.startswith("Unterminated string") or len(error.doc.rstrip()) - error.pos <= len('"\\u12"false')
