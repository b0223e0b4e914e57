"""One question to Foursquare's Places API of 2025: the places of a page, and the address of the next one.

Law: the key travels in a header to the one host that was named, and nowhere else: not to another host, not into a
message, a log, a file or an exception. Redirects are not followed; TLS is always checked.
"""

import os
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import quote, urljoin, urlsplit

import requests
from requests.auth import AuthBase

from pipeline.collect.poi_sources.foursquare_places import BadPlace, Place, read_places
from pipeline.collect.web.answers import MAX_ANSWER_BYTES, excerpt, json_object, read_body, retry_after_s
from pipeline.collect.web.clock import Clock
from pipeline.collect.web.errors import (
    FinalError,
    HumanError,
    RetryError,
    SourceChangedError,
    WaitError,
)
from pipeline.errors import StageError

KEY_VARIABLE = "FOURSQUARE_API_KEY"
URL_VARIABLE = "MRLF_FOURSQUARE_URL"
DEFAULT_URL = "https://places-api.foursquare.com"
API_VERSION = "2025-06-17"
USER_AGENT = "mrlf-pipeline (research data pipeline; python-requests)"
TIMEOUT_S = (10.0, 30.0)
DEADLINE_S = 120.0
LONGEST_RETRY_AFTER_S = 366 * 86_400.0
QUOTA_WORDS = ("quota", "credit", "limit exceeded for the day", "daily limit", "monthly", "billing", "payment")
MISSING_KEY = (
    f"there is no key of Foursquare: put the service key of your project into the environment variable {KEY_VARIABLE} "
    "(keys made before June 2025 do not work). Without one, name a file of POIs as `pois: {file: ...}` or an extract "
    "of OS Places as `pois: {os_places: ...}` in cities.yaml"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One answer: its places in their order, its body as it came, and the address of the next page, "" for none.

    refused: why the stated address is not followed (`no_address`, `other_host`, `key_in_link`), else "".
    """

    places: tuple[Place | BadPlace, ...]
    body: bytes
    next_link: str
    refused: str = ""


class _Bearer(AuthBase):
    """Sets the key on a request. Given as `auth`, it also keeps a .netrc of the machine out."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request


class PlacesClient:
    """Asks the Places API; one session, no memory of what was asked."""

    def __init__(self, key: str, clock: Clock, base_url: str = DEFAULT_URL) -> None:
        self._key, self._clock, self._base_url = key, clock, base_url.rstrip("/")
        self._session = requests.Session()
        self._session.auth = _Bearer(key)
        self._session.headers.update(
            {"X-Places-Api-Version": API_VERSION, "Accept": "application/json", "User-Agent": USER_AGENT}
        )

    def first(self, params: dict[str, str]) -> Page:
        """The first page of places that these parameters ask for; raises as `after` does."""
        return self._page(f"{self._base_url}/places/search", params)

    def after(self, link: str) -> Page:
        """The page at this address, which the page before it named.

        Raises:
            HumanError: the key is not taken.
            WaitError: `throttled` or `quota`.
            RetryError: a passing trouble; this asks once only.
            FinalError: `bad_request` or `gone`; the message says what Foursquare said.
            SourceChangedError: a redirect, or a body of another shape.
        """
        refused = self._refusal(link)
        if refused:
            raise SourceChangedError(refused)
        return self._page(link, {})

    def _page(self, url: str, params: dict[str, str]) -> Page:
        response = self._get(url, params)
        body = read_body(response, max_bytes=MAX_ANSWER_BYTES, deadline_s=DEADLINE_S, clock=self._clock)
        body = body.replace(self._key.encode(), b"***")
        if response.status_code != 200:
            self._raise_for(response, body)
        places = read_places(json_object(body), body)
        link = response.links.get("next", {}).get("url", "")
        refused = self._refusal(link, response.url) if link else ""
        is_next = bool(link) and not refused
        return Page(
            places=places, body=body, next_link=urljoin(response.url, link) if is_next else "", refused=refused
        )

    def _get(self, url: str, params: dict[str, str]) -> requests.Response:
        """The answer's head. The error is raised outside `except`: requests' own holds the request and so the key."""
        try:
            return self._session.get(url, params=params, timeout=TIMEOUT_S, stream=True, allow_redirects=False)
        except requests.exceptions.SSLError:
            reason = "tls"
        except requests.exceptions.Timeout:
            reason = "timeout"
        except requests.exceptions.RequestException:
            reason = "no_connection"
        raise RetryError(reason)

    def _raise_for(self, response: requests.Response, body: bytes) -> NoReturn:
        status = response.status_code
        if status in (401, 403):
            raise HumanError(
                "bad_key",
                f"Foursquare does not take the key ({status}): look at {KEY_VARIABLE}. It wants a service key made "
                "since June 2025, of a project that may use the Places API",
            )
        if status in (402, 429):
            asked_s = retry_after_s(response, self._clock)
            after_s = None if asked_s is None else min(asked_s, LONGEST_RETRY_AFTER_S)
            words = body[:4096].decode("utf-8", "replace").casefold()
            is_quota = status == 402 or any(word in words for word in QUOTA_WORDS)
            raise WaitError("quota" if is_quota else "throttled", retry_after_s=after_s)
        if status >= 500 or status in (408, 425):
            raise RetryError(f"status_{status}")
        if status in (400, 404, 410):
            raise FinalError(
                "bad_request" if status == 400 else "gone",
                f"Foursquare refused the question ({status}): {excerpt(body)!r}",
            )
        raise SourceChangedError(f"status_{status}", f"Foursquare answered {status}: {excerpt(body)!r}")

    def _refusal(self, link: str, page_url: str = "") -> str:
        """Why the key must not travel to this address, "" where it may."""
        try:
            linked, own = urlsplit(urljoin(page_url, link)), urlsplit(self._base_url)
        except ValueError:
            return "no_address"
        if (linked.scheme, linked.netloc) != (own.scheme, own.netloc):
            return "other_host"
        return "key_in_link" if self._key in link or quote(self._key, safe="") in link else ""


def key_from_environment() -> str:
    """The key of Foursquare.

    Raises:
        StageError: there is none, or it is no key.
    """
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not key:
        raise StageError(MISSING_KEY)
    if not key.isascii() or not key.isprintable() or " " in key or len(key) < 8:
        raise StageError(f"{KEY_VARIABLE} holds no key of Foursquare: it is one word of letters and digits")
    return key


def base_url() -> str:
    """The address of the API: MRLF_FOURSQUARE_URL, else Foursquare's own.

    Raises:
        StageError: it is no address, or the key would travel in the clear over a network.
    """
    url = os.environ.get(URL_VARIABLE) or DEFAULT_URL
    parts = urlsplit(url)
    is_here = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_here):
        raise StageError(f"{URL_VARIABLE} must begin with https:// (http:// is for a server on this machine)")
    return url.rstrip("/")
