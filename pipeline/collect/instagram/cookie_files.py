"""The cookies of a browser's session, from a file that its owner exported.

Reads  the file that MRLF_INSTAGRAM_COOKIES names: JSON or cookies.txt as browser extensions write it
Law: a session file of Instaloader is a pickle, and loading one can run a planted program: nothing is ever unpickled.
The file is its owner's alone. No cookie's value stands in a message or repr.
Covered: files of other users, files that others can read or write, files of another kind, cookies of other sites,
expired cookies. Not covered: whoever can act as this user; cookies that Instagram no longer accepts.
"""

import json
import math
import os
import re
import shlex
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from pipeline.collect.web.errors import HumanError

COOKIES_VARIABLE = "MRLF_INSTAGRAM_COOKIES"
NEEDED = ("sessionid", "csrftoken", "ds_user_id")
DOMAINS = ("instagram.com", "www.instagram.com")
MAX_COOKIE_FILE_BYTES = 2**20
TO_GO_ON = (
    "To go on, sign in to www.instagram.com in a browser, with an account of its own for this, export the cookies of "
    f"that site as JSON or cookies.txt, chmod 600 the file and name it with {COOKIES_VARIABLE}"
)

_BINARY = {
    b"\x80": "a pickle, as Instaloader's session files are: loading one can run a program, so none is loaded",
    b"SQLite format 3": "a browser's own database of cookies",
    b"\xff\xfe": "text in UTF-16: save it as UTF-8",
}
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_VALUE = re.compile(r"[\x21-\x3a\x3c-\x7e]{1,4096}")  # no space, no semicolon
_FIRST_MILLISECONDS = 1e11
_HTTP_ONLY = "#HttpOnly_"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cookie:
    """expires: seconds since 1970; None for as long as the browser was open."""

    name: str
    value: str = field(repr=False)
    domain: str
    expires: float | None


def cookies_path() -> Path | None:
    """The file that MRLF_INSTAGRAM_COOKIES names; None where it is not set: then Instagram is asked anonymously."""
    path = os.environ.get(COOKIES_VARIABLE, "").strip()
    return Path(path).expanduser() if path else None


def read_cookies(path: Path, now: datetime | None = None) -> dict[str, str]:
    """The cookies that a file holds for www.instagram.com, by name; of a plain object name -> value all.

    Raises:
        HumanError: the file is not there, not its owner's alone or of another kind, a cookie is missing or expired.
    """
    found = [cookie for cookie in _parse(path, _read(path)) if cookie.domain in DOMAINS]
    now_s = (now or datetime.now(UTC)).timestamp()
    good = {cookie.name: cookie.value for cookie in found if cookie.expires is None or cookie.expires > now_s}
    missing = [name for name in NEEDED if name not in good]
    expired = [name for name in missing if any(cookie.name == name for cookie in found)]
    if expired:
        raise HumanError("cookies_expired", f"{path}: {', '.join(expired)} expired. {TO_GO_ON}")
    if missing:
        raise HumanError("cookies_missing", f"{path} holds no {', '.join(missing)} of instagram.com. {TO_GO_ON}")
    return good


def _read(path: Path) -> bytes:
    """The bytes of the file, which is judged once it is open: a link is followed, what it leads to is judged."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would wait for a writer
    except FileNotFoundError:
        raise HumanError("no_cookie_file", f"there is no {path}. {TO_GO_ON}") from None
    except OSError as error:
        raise HumanError("no_cookie_file", f"{path} cannot be read: {error.strerror}. {TO_GO_ON}") from None
    try:
        _judge(path, os.fstat(handle))
        with open(handle, "rb", closefd=False) as file:
            data = file.read(MAX_COOKIE_FILE_BYTES + 1)
    finally:
        os.close(handle)
    if len(data) > MAX_COOKIE_FILE_BYTES:
        raise _not_cookies(path, f"larger than {MAX_COOKIE_FILE_BYTES:,} bytes")
    return data


def _judge(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _not_cookies(path, "a folder, a pipe or a device")
    if status.st_uid != os.geteuid():
        raise HumanError("cookies_not_private", f"{path} belongs to another user: make a copy that is yours alone")
    if status.st_mode & 0o077:
        raise HumanError(
            "cookies_not_private",
            f"{path} opens an account, and others can reach it: run chmod 600 {shlex.quote(str(path))}",
        )


def _parse(path: Path, data: bytes) -> list[_Cookie]:
    kind = next((kind for magic, kind in _BINARY.items() if data.startswith(magic)), None)
    if kind:
        raise _not_cookies(path, kind)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _not_cookies(path, "no text") from None
    if "\0" in text:
        raise _not_cookies(path, "no text")
    cookies = list(_of_json(path, text) if text.lstrip()[:1] in ("{", "[") else _of_lines(text))
    if not cookies:
        raise _not_cookies(path, "neither JSON nor cookies.txt with a cookie in it")
    return [cookie for cookie in cookies if _NAME.fullmatch(cookie.name) and _VALUE.fullmatch(cookie.value)]


def _of_json(path: Path, text: str) -> Iterator[_Cookie]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise _not_cookies(path, "broken JSON") from None
    entries = content.get("cookies", content) if isinstance(content, dict) else content
    if isinstance(entries, dict):
        entries = [{"name": name, "value": value, "domain": DOMAINS[0]} for name, value in entries.items()]
    if not isinstance(entries, list):
        raise _not_cookies(path, "JSON of another kind")
    for entry in entries:
        if isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in ("name", "value", "domain")):
            expires = next((entry[key] for key in ("expirationDate", "expires", "expiry") if key in entry), None)
            yield _cookie(entry["name"], entry["value"], entry["domain"], expires)


def _of_lines(text: str) -> Iterator[_Cookie]:
    """Netscape's cookies.txt: domain, for subdomains, path, secure, expires, name, value."""
    for line in text.splitlines():
        fields = line.removeprefix(_HTTP_ONLY).split("\t")
        if len(fields) == 7 and (line.startswith(_HTTP_ONLY) or not line.startswith("#")):
            yield _cookie(fields[5], fields[6].strip(), fields[0], fields[4])


def _cookie(name: str, value: str, domain: str, expires: object) -> _Cookie:
    return _Cookie(name=name, value=value, domain=domain.strip().lower().removeprefix("."), expires=_seconds(expires))


def _seconds(value: Any) -> float | None:
    """The time of an end in seconds since 1970, stated in seconds, milliseconds or words; None where there is none."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return _seconds_of_words(value) if isinstance(value, str) else None
    if not math.isfinite(seconds) or seconds <= 0:  # 0 and -1: with the browser
        return None
    return seconds / 1000 if seconds >= _FIRST_MILLISECONDS else seconds


def _seconds_of_words(text: str) -> float | None:
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(text)
        except ValueError:
            continue
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return None


def _not_cookies(path: Path, what: str) -> HumanError:
    return HumanError("not_cookies", f"{path} is {what}. {TO_GO_ON}")
